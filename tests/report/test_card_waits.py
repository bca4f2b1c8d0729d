"""A card that waited for its memory within an attempt: told where the time went, not as a start that took long."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from nights import Night, make_night

from dflwrap.common.events import Event, EventKind
from dflwrap.ledger.ledger import Ledger
from dflwrap.report.night.facts import Facts
from dflwrap.report.night.gathering import gather
from dflwrap.report.page.answers import answers
from dflwrap.report.page.rendering import render

HOUR = 3600.0


def width(moment: float, device: Any, workers: Any) -> Event:
    return Event(EventKind.WIDTH_CHANGED, moment, data={"device": device, "workers": workers})


def changed(night: Night, *widths: tuple[float, Any, Any], ready: float | None = None) -> Facts:
    """The night's first attempt, of four hours, with these: hours after its start, device, workers."""
    ledger = Ledger(night.database)
    start = ledger.attempts()[0].started
    events = [width(start + hours * HOUR, device, workers) for hours, device, workers in widths]
    if ready is not None:
        events.append(Event(EventKind.WORKER_STARTED, start + ready * HOUR, "GPU0.0"))
    ledger.add_events(1, events)
    ledger.close()
    return gather(night.database, alive=False, seconds=20, pictures=False)


@pytest.fixture
def night(tmp_path: Path) -> Night:
    return make_night(tmp_path, [f"{number:05d}.png" for number in range(1, 41)])


def said(facts: Facts) -> dict[str, str]:
    return {answer.id: answer.answer for answer in answers(facts)}


def test_waiting_for_a_card_that_is_full_is_no_starting(night: Night) -> None:
    facts = changed(night, (0.0, "GPU0", 0), (1.0, "GPU0", 1), ready=1.1)
    assert facts.line.spent.card_waits == {0: pytest.approx(HOUR)}
    assert facts.line.spent.starting < 0.2 * HOUR + 1000
    told = said(facts)
    assert "GPU 0 waited 1 h 00 min of 8 h 00 min for its memory." in told["slow"]
    assert "; it waited 1 h 00 min of 8 h 00 min for its memory" in told["card"]
    assert "GPU 0 waited 1 h 00 min for its memory: close other programs that use it." in told["change"]
    waits = [band for band in facts.line.bands if band.label == "GPU 0: waiting for its memory"]
    assert [(band.kind, round(band.end - band.start)) for band in waits] == [("wait", HOUR)]
    assert "GPU 0 waited 1 h 00 min for its memory" in render(facts)


def test_a_night_without_a_wait_says_nothing_of_one(night: Night) -> None:
    facts = changed(night, (0.0, "GPU0", 1), (2.0, "GPU0", 3))
    assert facts.line.spent.card_waits == {}
    assert not [words for words in said(facts).values() if "for its memory" in words]


def test_one_that_has_not_ended_counts_up_to_the_end_of_the_attempt(night: Night) -> None:
    facts = changed(night, (0.0, "GPU0", 1), (3.0, "GPU0", 0), (3.0, "CPU", 2))
    attempt = facts.attempts[0]
    assert attempt.ended is not None
    assert facts.line.spent.card_waits == {0: pytest.approx(attempt.ended - attempt.started - 3 * HOUR)}


def test_the_plan_of_an_attempt_is_told_by_how_wide_it_was(night: Night) -> None:
    page = render(changed(night, (0.0, "GPU0", 1), (1.0, "GPU0", 3), (2.0, "GPU0", 0), (2.0, "CPU", 2)))
    assert "GPU 0 with up to 3 workers, CPU with up to 2 workers" in page
    (chart,) = [one for one in changed(night).line.charts if one.id == "width"]
    card = next(curve for curve in chart.curves if curve.label == "GPU 0")
    assert card.values[:2] == [None, 1.0], "what was told, not what was planned at most"


def test_widths_of_nonsense_are_passed_over(night: Night) -> None:
    nonsense = [None, -1, True, 10**9, "2", [1]]
    facts = changed(night, *((0.5, "GPU0", one) for one in nonsense), (0.5, 7, 0), (0.5, "GPU9" * 99, 0))
    assert facts.line.spent.card_waits == {}
    assert render(facts)
