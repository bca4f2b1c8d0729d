"""An extractor that is killed from outside: memory is blamed only where the kernel or a measure says so."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from support import DOUBLE, assert_conserved, dflwrap, small_frames, start_dflwrap, until

FRAMES = 6
MIDDLE = "00003.png"
CGROUPS = Path("/sys/fs/cgroup/memory")
LIMIT = 400 << 20

pytestmark = pytest.mark.skipif(os.name == "nt", reason="SIGKILL")


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_frames(tmp_path_factory.mktemp("killed") / "frames", FRAMES)


@pytest.fixture
def limited() -> Iterator[Path]:
    """A control group (version 1) with little memory."""
    group = CGROUPS / f"dflwrap-test-{uuid.uuid4().hex[:8]}"
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(LIMIT))
        (group / "tasks").write_text("")
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    yield group
    until(lambda: not (group / "tasks").read_text().split(), 20)
    group.rmdir()


def arguments(frames: Path, tmp_path: Path, *more: str) -> list[str | Path]:
    return [
        *("extract", "--input-dir", frames, "--output-dir", tmp_path / "aligned", "--json"),
        *("--dfl-root", DOUBLE, "--dfl-python", sys.executable, "--extractor", "dfl", "--cpu-only"),
        *("--image-size", "256", "--workers", "2", *more),
    ]


def scripted(tmp_path: Path, script: dict[str, Any]) -> dict[str, str]:
    path = tmp_path / "script.json"
    path.write_text(json.dumps(script))
    return {"DFLWRAP_DOUBLE_SCRIPT": str(path)}


@pytest.mark.parametrize("mode", [(), ("--no-agent",)], ids=["agent", "black box"])
def test_a_killed_main_process_is_not_blamed_on_memory_that_was_free(
    frames: Path, tmp_path: Path, mode: tuple[str, ...]
) -> None:
    env = scripted(tmp_path, {f"host:{MIDDLE}": {"fault": "kill", "times": 1}})
    done = dflwrap(*arguments(frames, tmp_path, *mode), env=env)
    report = done.report
    assert_conserved(report)
    assert (done.code, report["frames"]["extracted"]) == (0, FRAMES), (report["decisions"], done.stderr)
    assert [attempt["cause"] for attempt in report["attempts"]] == ["process-killed", None]
    assert {attempt["plan"]["workers"] for attempt in report["attempts"]} == {2}, "the plan is kept"
    said = " ".join(decision["sentence"] for decision in report["decisions"])
    assert "killed (SIGKILL) while at least" in said and "%|" not in said
    assert "GiB of memory were free" in said


def test_workers_killed_in_frame_after_frame_are_not_blamed_on_memory(frames: Path, tmp_path: Path) -> None:
    env = scripted(tmp_path, {"*.png": "kill"})
    report = dflwrap(*arguments(frames, tmp_path), env=env).report
    assert_conserved(report)
    causes = {attempt["cause"] for attempt in report["attempts"]}
    assert "process-killed" in causes and "linux-oom-killer" not in causes, causes


def test_a_main_process_that_the_kernel_killed_for_memory_is_named_so(
    frames: Path, tmp_path: Path, limited: Path
) -> None:
    env = scripted(tmp_path, {f"host:{MIDDLE}": {"fault": "eat_memory", "bytes": 2 * LIMIT, "times": 1}})
    env |= {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")} | env
    join = (
        "import os, sys; open(sys.argv[1], 'w').write(str(os.getpid())); os.execv(sys.argv[2], sys.argv[2:])"
    )
    command = [*(sys.executable, "-c", join, str(limited / "tasks"), sys.executable, "-m", "dflwrap")]
    command += map(str, arguments(frames, tmp_path))
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, env=env, timeout=300, check=False
    )
    assert done.stdout, done.stderr.decode()
    report = json.loads(done.stdout)
    assert_conserved(report)
    assert report["frames"]["extracted"] == FRAMES, (report["decisions"], done.stderr)
    assert report["attempts"][0]["cause"] == "linux-oom-killer", report["decisions"]


def test_a_killed_builtin_extractor_is_not_blamed_on_memory_that_was_free(
    clean_frames: Path, tmp_path: Path
) -> None:
    frames = tmp_path / "frames"
    frames.mkdir()
    for path in clean_frames.iterdir():
        for number in range(6):
            shutil.copyfile(path, frames / f"{path.stem}-{number}.jpg")
    process = start_dflwrap(
        *("extract", "--json", "--extractor", "builtin"),
        *("--input-dir", str(frames), "--output-dir", str(tmp_path / "aligned")),
        *("--workers", "1", "--image-size", "256"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"XDG_CACHE_HOME": str(tmp_path / "cache")},
    )
    try:
        events = tmp_path / "aligned_dflwrap" / "attempts" / "0001" / "events.jsonl"
        assert until(lambda: events.exists() and '"frame_done"' in events.read_text(), 120)
        hosts = [one for one in psutil.Process(process.pid).children(recursive=True) if is_host(one)]
        assert hosts
        hosts[0].send_signal(signal.SIGKILL)
        stdout, stderr = process.communicate(timeout=300)
    finally:
        process.kill()
        process.wait()
    report = json.loads(stdout)
    assert_conserved(report)
    assert report["attempts"][0]["cause"] == "process-killed", (report["decisions"], stderr)
    assert {attempt["plan"]["workers"] for attempt in report["attempts"]} == {1}


def is_host(process: psutil.Process) -> bool:
    words = process.cmdline()
    return "dflwrap.extractors.builtin" in words and "guard" not in " ".join(words)
