"""A computer that sleeps in the middle of the night: nobody is late for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from support import DOUBLE, assert_conserved, small_frames, start_dflwrap, until

from dflwrap.supervisor.liveness.awake_clock import PAUSE, AwakeClock

MIDDLE = "00003.png"


def test_a_gap_between_two_looks_counts_as_one_pause_at_most() -> None:
    readings = iter([100.0, 100.1, 101.1, 20_000.0, 20_000.1, 20_010.0])
    clock = AwakeClock(lambda: next(readings))
    first = clock.now()
    assert clock.now() - first == pytest.approx(1.0)
    assert clock.now() - first == pytest.approx(1.0 + PAUSE), "it slept"
    assert clock.now() - first == pytest.approx(1.1 + PAUSE)
    assert clock.now() - first == pytest.approx(1.1 + 2 * PAUSE), "slow turns add up: no hang lasts forever"


@pytest.mark.skipif(os.name == "nt", reason="the double's faults are POSIX")
def test_a_run_that_slept_in_a_frame_goes_on_with_it(tmp_path: Path) -> None:
    """All processes stand still, as when the computer is suspended: with that, the frame takes longer than it
    may (10 of 8 s); without it, it does not (5 s)."""
    frame_timeout, asleep, slow = 8, 7, 10
    small_frames(tmp_path / "frames", 4)
    (tmp_path / "script.json").write_text(json.dumps({MIDDLE: {"fault": "slow", "seconds": slow}}))
    process = start_dflwrap(
        *("extract", "--json", "--image-size", "256", "--cpu-only"),
        *("--input-dir", tmp_path / "frames", "--output-dir", tmp_path / "aligned"),
        *("--dfl-root", DOUBLE, "--dfl-python", sys.executable, "--extractor", "dfl"),
        *("--frame-timeout", str(frame_timeout), "--workers", "1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={
            "DFLWRAP_DOUBLE_SCRIPT": str(tmp_path / "script.json"),
            "XDG_CACHE_HOME": str(tmp_path / "cache"),
        },
    )
    try:
        assert until((tmp_path / "script.json.fired").exists, 120)
        time.sleep(0.5)  # by now dflwrap has heard of the frame
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        for one in family:
            one.suspend()
        time.sleep(asleep)
        for one in family:
            one.resume()
        stdout, stderr = process.communicate(timeout=300)
    finally:
        process.kill()
        process.wait()
    report = json.loads(stdout)
    assert_conserved(report)
    assert (process.returncode, report["frames"]["extracted"]) == (0, 4), stderr.decode()
    assert [attempt["cause"] for attempt in report["attempts"]] == [None], report["decisions"]
    events = (tmp_path / "aligned_dflwrap" / "attempts" / "0001" / "events.jsonl").read_text()
    assert "worker_lost" not in events
