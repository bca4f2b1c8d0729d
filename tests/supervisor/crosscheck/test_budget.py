"""What all looks of a run may cost together, over restarts."""

from __future__ import annotations

from pathlib import Path

import pytest

from dflwrap.frames.judgement import Entry
from dflwrap.ledger.ledger import Ledger
from dflwrap.ledger.records import NewFrame
from dflwrap.supervisor.crosscheck.budget import MOST_WATCHED, CrossCheckBudget


def ledger_of(path: Path, frames: int) -> Ledger:
    ledger = Ledger(path)
    ledger.add_frames(
        NewFrame(f"{n:05d}.png", f"{n:05d}", 1, 1, Entry.LINK, True, 0, "") for n in range(frames)
    )
    return ledger


@pytest.mark.parametrize(("frames", "bound"), [(1, 20), (500, 20), (2000, 20), (5000, 50)])
def test_twenty_frames_or_one_percent(tmp_path: Path, frames: int, bound: int) -> None:
    ledger = ledger_of(tmp_path / "ledger.sqlite", frames)
    assert CrossCheckBudget(ledger).left == bound
    ledger.close()


def test_a_restart_brings_no_new_budget(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    ledger = ledger_of(path, 100)
    budget = CrossCheckBudget(ledger)
    budget.spend(5, watching=True)
    budget.spend(10, watching=False)
    assert budget.first_time("bound") and not budget.first_time("bound")
    ledger.close()
    ledger = Ledger(path)
    again = CrossCheckBudget(ledger)
    assert again.left == 5 and not again.first_time("bound")
    again.spend(6, watching=False)
    assert CrossCheckBudget(ledger).left == 0
    ledger.close()


def test_a_look_that_found_the_extractor_wrong_is_given_back(tmp_path: Path) -> None:
    ledger = ledger_of(tmp_path / "ledger.sqlite", 100)
    for _ in range(3 * MOST_WATCHED):
        budget = CrossCheckBudget(ledger)
        assert budget.left == 20 and budget.more_watching
        budget.spend(10, watching=True)
        budget.give_back(10, watching=True)
    ledger.close()


def test_the_watch_starts_a_second_extractor_so_often_at_most(tmp_path: Path) -> None:
    ledger = ledger_of(tmp_path / "ledger.sqlite", 20_000)
    for _ in range(MOST_WATCHED):
        assert CrossCheckBudget(ledger).more_watching
        CrossCheckBudget(ledger).spend(10, watching=True)
    assert not CrossCheckBudget(ledger).more_watching
    ledger.close()
