"""What befalls the extractor's main process, and a user who presses Ctrl-C twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from support import DOUBLE, assert_conserved, dflwrap, small_frames, start_dflwrap, until

FRAMES = 6
MIDDLE = "00003.png"
STARTUP, FRAME = 10, 5
"""Seconds that the run allows; the double needs one or two for its start, and none for a frame."""
AT_ONCE = 20.0
"""Seconds until a process has ended that ends at once, on a busy machine."""

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the double's faults are POSIX")


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_frames(tmp_path_factory.mktemp("main") / "frames", FRAMES)


def command(frames: Path, tmp_path: Path, script: dict[str, Any]) -> tuple[list[str | Path], dict[str, str]]:
    path = tmp_path / "script.json"
    path.write_text(json.dumps(script))
    arguments: list[str | Path] = [
        *("extract", "--input-dir", frames, "--output-dir", tmp_path / "aligned", "--json"),
        *("--dfl-root", DOUBLE, "--dfl-python", sys.executable, "--extractor", "dfl", "--cpu-only"),
        *("--image-size", "256", "--workers", "2"),
        *("--startup-timeout", str(STARTUP), "--frame-timeout", str(FRAME)),
    ]
    return arguments, {"DFLWRAP_DOUBLE_SCRIPT": str(path)}


CAUSES = {"stop": "extractor-stopped", "hang": "extractor-deadlocked", "spin": "extractor-spinning"}


@pytest.mark.parametrize(
    ("stage", "fault"),
    [
        *(("start", "stop"), ("start", "hang"), (f"host:{MIDDLE}", "stop"), (f"host:{MIDDLE}", "spin")),
        pytest.param("start", "spin", marks=pytest.mark.slow),
        pytest.param(f"host:{MIDDLE}", "hang", marks=pytest.mark.slow),
    ],
)
def test_a_main_process_that_hangs_once_is_named_and_no_frame_is_lost(
    frames: Path, tmp_path: Path, stage: str, fault: str
) -> None:
    arguments, env = command(frames, tmp_path, {stage: {"fault": fault, "times": 1}})
    done = dflwrap(*arguments, env=env)
    report = done.report
    assert_conserved(report)
    assert (done.code, report["frames"]["extracted"]) == (0, FRAMES), (report["decisions"], done.stderr)
    assert [attempt["cause"] for attempt in report["attempts"]] == [CAUSES[fault], None]
    title = {"stop": "was stopped", "hang": "hung", "spin": "without getting anything done"}[fault]
    assert any(title in decision["sentence"] for decision in report["decisions"]), report["decisions"]


def started(events: Path, frame: str) -> bool:
    lines = events.read_text().splitlines() if events.exists() else []
    return any('"frame_started"' in line and frame in line for line in lines)


def test_a_second_ctrl_c_ends_at_once_and_leaves_nothing_running(frames: Path, tmp_path: Path) -> None:
    arguments, env = command(frames, tmp_path, {MIDDLE: "hang"})
    process = start_dflwrap(
        *(*arguments, "--frame-timeout", "600"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**env, "XDG_CACHE_HOME": str(tmp_path / "cache")},
        start_new_session=True,
    )
    try:
        events = tmp_path / "aligned_dflwrap" / "attempts" / "0001" / "events.jsonl"
        assert until(lambda: started(events, MIDDLE), 60)
        family = psutil.Process(process.pid).children(recursive=True)
        assert len(family) >= 3, "guard, main process, workers"
        process.send_signal(signal.SIGINT)
        time.sleep(3)
        assert process.poll() is None, "the first one waits for the frame in flight"
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=AT_ONCE)
        assert process.returncode == 4, stderr
        assert until(lambda: not any(alive(one) for one in family), 5)
    finally:
        process.kill()
        process.wait()
    report = json.loads(stdout)
    assert_conserved(report)
    assert MIDDLE in {row["frame"] for row in report["not_attempted"]}


def alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
