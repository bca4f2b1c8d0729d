"""Workers on which nothing works, or that hang before anything comes back: named, in bounded time, no frame blamed."""

from __future__ import annotations

from pathlib import Path

import pytest
from played_cards import extract
from support import assert_conserved

BOUNDS = ("--startup-timeout", "10", "--frame-timeout", "5")


def test_a_worker_that_starts_slowly_is_replaced_in_place(tmp_path: Path) -> None:
    """Its start takes longer than a frame may: the loss of the only worker is no hang of the others."""
    script = {"worker_start": {"fault": "slow", "seconds": 7}, "00003.png": {"fault": "kill", "times": 1}}
    done = extract(tmp_path, None, 4, script, "--cpu-only", "--workers", "1", "--frame-timeout", "5")
    assert done.code == 0, done.stderr
    assert done.report["frames"]["extracted"] == 4
    assert len(done.report["attempts"]) == 1, done.report["decisions"]


def test_a_card_on_which_everything_fails_costs_no_frame_beside_a_well_one(tmp_path: Path) -> None:
    script = {"*.png": {"fault": "raise", "worker": "CPU0"}, "options": {"frame_seconds": 0.1}}
    done = extract(tmp_path, None, 40, script, "--cpu-only", "--workers", "2")
    assert done.code == 0, done.stderr
    assert done.report["frames"]["extracted"] == 40
    assert len(done.report["attempts"]) == 1, done.report["decisions"]
    assert any(
        "CPU0 fails every frame; disabled for this attempt" in decision["sentence"]
        for decision in done.report["decisions"]
    )


@pytest.mark.parametrize("stage", ["worker_start", pytest.param("first_frame", marks=pytest.mark.slow)])
def test_workers_that_hang_are_named_and_no_frame_is_blamed(tmp_path: Path, stage: str) -> None:
    done = extract(tmp_path, None, 4, {stage: {"fault": "hang"}}, "--cpu-only", "--workers", "2", *BOUNDS)
    assert done.code == 3, done.stderr
    assert_conserved(done.report)
    assert done.report["frames"]["quarantined"] == 0
    assert done.report["frames"]["not_attempted"] == 4
    causes = [attempt["cause"] for attempt in done.report["attempts"]]
    assert set(causes) == {"extractor-deadlocked"} and len(causes) <= 3, causes
    assert done.report["run"]["stop"]["cause"] == "extractor-deadlocked"
    assert done.report["run"]["stop"]["steps"]
