"""A DeepFaceLab whose Python cannot be executed at all: a verdict like any other, which the policy answers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support import DOUBLE, Finished, assert_conserved, dflwrap

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the file is no program of POSIX")


@pytest.fixture
def strange_python(tmp_path: Path) -> Path:
    """Executable by its rights, of no format that this system knows (like one of another CPU)."""
    python = tmp_path / "python"
    python.write_bytes(b"\x7fELF\x02\x01\x01" + b"\0" * 9 + b"\x02\0\xff\xff" + b"\0" * 200)
    python.chmod(0o755)
    return python


def extract(frames: Path, tmp_path: Path, python: Path, *more: str) -> Finished:
    return dflwrap(
        *("extract", "--input-dir", frames, "--output-dir", tmp_path / "aligned", "--cpu-only", "--json"),
        *("--dfl-root", DOUBLE, "--dfl-python", python, "--image-size", "256", "--second-look", "off", *more),
    )


def test_the_built_in_extractor_finishes_where_that_is_allowed(
    clean_frames: Path, tmp_path: Path, strange_python: Path
) -> None:
    done = extract(clean_frames, tmp_path, strange_python, "--on-gpu-failure", "builtin")
    assert done.code == 0, done.stderr
    assert_conserved(done.report)
    assert done.report["frames"]["extracted"] == 12
    first, second = done.report["attempts"]
    assert (first["extractor"], first["cause"]) == ("deepfacelab", "program-not-started")
    assert (first["ended_by"], first["exit_status"], first["gained"]) == ("not started", None, 0)
    assert second["extractor"] == "builtin" and "deepfacelab -> the built-in extractor" in second["reason"]
    assert list(done.report["extracted_by"]) == ["builtin"]


def test_without_leave_the_run_stops_with_the_steps(
    clean_frames: Path, tmp_path: Path, strange_python: Path
) -> None:
    done = extract(clean_frames, tmp_path, strange_python)
    assert done.code == 3, done.stderr
    assert_conserved(done.report)
    assert done.report["frames"]["not_attempted"] == 12
    stop = done.report["run"]["stop"]
    assert stop["cause"] == "program-not-started" == done.stderr.strip().splitlines()[-1]
    assert any("--dfl-python" in step for step in stop["steps"])
    assert any("--on-gpu-failure builtin" in step for step in stop["steps"])
    assert "Traceback" not in done.stderr
