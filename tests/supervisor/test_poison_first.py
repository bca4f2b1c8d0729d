"""Poison frames are closed first: a question at the end, or a kill, is no reason to leave them open."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from support import DOUBLE, Finished, assert_conserved, dflwrap, small_frames

pytestmark = pytest.mark.posix


def extract(tmp_path: Path, script: dict[str, Any], *more: str) -> Finished:
    path = tmp_path / "script.json"
    path.write_text(json.dumps(script))
    done = dflwrap(
        *("extract", "--input-dir", tmp_path / "frames", "--output-dir", tmp_path / "aligned", "--json"),
        *("--dfl-root", DOUBLE, "--dfl-python", sys.executable, "--extractor", "dfl", "--cpu-only"),
        *("--image-size", "256", "--workers", "2", *more),
        env={"DFLWRAP_DOUBLE_SCRIPT": str(path)},
    )
    assert_conserved(done.report)
    return done


def quarantined(done: Finished) -> list[str]:
    return sorted(row["frame"] for row in done.report["quarantined"])


def test_a_question_at_the_finish_leaves_no_poison_frame_open(tmp_path: Path) -> None:
    small_frames(tmp_path / "frames", 20)
    poison = {"*00003.png": "kill", "*00015.png": "raise", "*00017.png": "unreadable"}
    done = extract(tmp_path, {**poison, "finish": "ask"})
    assert done.code == 1, done.stderr
    assert quarantined(done) == ["00003.png", "00015.png", "00017.png"]
    assert done.report["frames"]["extracted"] == 17
    assert len(done.report["attempts"]) <= 4, done.report["decisions"]


def test_a_night_of_many_faults_is_through_in_a_few_attempts(tmp_path: Path) -> None:
    small_frames(tmp_path / "frames", 40)
    poison = {
        "*00003.png": "raise",
        "*00007.png": "segfault",
        "*00011.png": "unreadable",
        "*00015.png": "kill",
        "*00019.png": "half_jpeg",
        "*00023.png": {"fault": "eat_memory", "bytes": 100_000_000},
        "*00027.png": "done",
        "*00031.png": "ask",
    }
    script = {"options": {"frame_seconds": 0.02}, **poison, "finish": {"fault": "ask", "times": 1}}
    done = extract(tmp_path, script)
    assert done.code == 1, done.stderr
    assert quarantined(done) == sorted(name.removeprefix("*") for name in poison)
    assert done.report["frames"]["extracted"] == 32
    assert len(done.report["attempts"]) <= 6, done.report["decisions"]


def test_a_resumed_run_whose_last_frames_all_kill_sets_them_aside(tmp_path: Path) -> None:
    """None is gained that would show the extractor to work: the frames that were done before show it."""
    frames = small_frames(tmp_path / "frames", 44)
    later = tmp_path / "later"
    later.mkdir()
    for number in range(41, 45):
        (frames / f"{number:05d}.png").rename(later / f"{number:05d}.png")
    assert extract(tmp_path, {}).code == 0
    for path in sorted(later.iterdir()):
        path.rename(frames / path.name)
    done = extract(tmp_path, {"*0004[1-4].png": "kill"})
    assert done.code == 1, done.stderr
    assert quarantined(done) == [f"000{number}.png" for number in range(41, 45)]


def test_the_evidence_of_a_quarantined_frame_is_said_once(tmp_path: Path) -> None:
    small_frames(tmp_path / "frames", 4)
    error = "OOM when allocating tensor: " + "a long story of blocks and sizes, " * 9
    done = extract(tmp_path, {"*00002.png": {"fault": "raise", "text": error}})
    said_of = [line for line in done.stderr.splitlines() if "00002.png quarantined" in line]
    assert said_of, done.stderr
    said = said_of[0]
    assert said.count("OOM when allocating tensor") == 1, said
