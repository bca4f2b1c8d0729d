"""Where nothing works, or a driver fails, the frames are not to blame: few are suspected, then the run stops."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from played_cards import extract
from support import assert_conserved

from dflwrap.planning.blame import MOST_SUSPECTS

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the double's faults are POSIX")

FRAMES = 8


@pytest.mark.parametrize(
    ("fault", "options", "most"),
    [
        # One attempt as it is, two that the policy changes.
        ("raise", ("--workers", "2"), 3),
        ("segfault", ("--workers", "2"), 3),
        # A black box shows one suspect per attempt: each costs one until there are too many.
        ("segfault", ("--workers", "1", "--no-agent"), 2 + MOST_SUSPECTS),
    ],
)
def test_where_every_frame_fails_few_are_suspected_and_none_is_quarantined(
    tmp_path: Path, fault: str, options: tuple[str, ...], most: int
) -> None:
    script = {"*.png": fault, "options": {"no_response": 2}}
    done = extract(tmp_path, None, FRAMES, script, "--cpu-only", *options)
    assert done.code == 3, done.stderr
    assert_conserved(done.report)
    assert done.report["frames"]["quarantined"] == 0, done.report["decisions"]
    assert done.report["frames"]["not_attempted"] == FRAMES
    assert len(done.report["attempts"]) <= most, done.report["decisions"]


@pytest.mark.parametrize(
    ("bad", "quarantined"), [((2, 5, 8, 11), 0), pytest.param((2, 5, 8), 3, marks=pytest.mark.slow)]
)
def test_a_drivers_failure_is_the_frames_own_for_a_few_of_them_only(
    tmp_path: Path, bad: tuple[int, ...], quarantined: int
) -> None:
    """More of them, each failing twice while others succeed: a card on its way out looks just so."""
    error = {"fault": "raise", "text": "CUDA_ERROR_LAUNCH_FAILED: unspecified launch failure"}
    script: dict[str, Any] = {f"*{number:05d}.png": error for number in bad}
    script["options"] = {"frame_seconds": 0.3}  # so that the copies are tried while others succeed
    done = extract(tmp_path, None, 28, script, "--cpu-only", "--workers", "1")
    assert_conserved(done.report)
    assert done.code == (1 if quarantined else 3), done.stderr
    assert done.report["frames"]["extracted"] == 28 - len(bad)
    assert done.report["frames"]["quarantined"] == quarantined, done.report["decisions"]
