"""--stop-at by the clock on the wall, --max-hours by one that nobody sets."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from dflwrap.common.errors import DflwrapError
from dflwrap.unattended.deadline import Deadline, next_time, passed_time

EVENING = datetime(2026, 11, 27, 22, 15, 40)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("23:00", datetime(2026, 11, 27, 23, 0)),
        ("07:30", datetime(2026, 11, 28, 7, 30)),
        ("7:30", datetime(2026, 11, 28, 7, 30)),
        ("00:00", datetime(2026, 11, 28)),
        ("22:15", datetime(2026, 11, 28, 22, 15)),
        ("22:16", datetime(2026, 11, 27, 22, 16)),
    ],
)
def test_a_time_of_day_means_the_next_one(text: str, wanted: datetime) -> None:
    assert next_time(text, EVENING) == wanted


@pytest.mark.parametrize(
    "text", ["24:00", "7", "7.30", "7:3", "12:60", "noon", "-1:00", "٠٧:٣٠", "7:30pm", "a" * 200]
)
def test_what_is_no_time_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(DflwrapError, match=r"is not a time of day. Write it like 07:30") as raised:
        next_time(text, EVENING)
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 160


@pytest.mark.parametrize("hours", [-1.0, float("nan"), float("inf"), 1e9])
def test_hours_that_will_not_do_are_refused(hours: float) -> None:
    with pytest.raises(DflwrapError, match="--max-hours"):
        Deadline.of("", hours)


def made(stop_at: str, hours: float, passed: float = 100.0) -> Deadline:
    deadline = Deadline.of(stop_at, hours, lambda: EVENING, lambda: passed)
    assert deadline is not None
    return deadline


def test_nothing_asked_for_is_no_deadline() -> None:
    assert Deadline.of("", 0.0) is None


def test_the_clock_on_the_wall_decides_also_when_it_was_set_or_the_computer_slept() -> None:
    deadline = made("07:30", 0)
    assert deadline.reached(lambda: datetime(2026, 11, 28, 7, 29, 59), lambda: 1e9) == ""
    for moment in (datetime(2026, 11, 28, 7, 30), datetime(2026, 11, 28, 11, 2), datetime(2027, 1, 1)):
        assert deadline.reached(lambda m=moment: m, lambda: 0.0) == "it is 07:30 (--stop-at)"  # type: ignore[misc]
    assert deadline.reached(lambda: EVENING - timedelta(hours=3), lambda: 0.0) == "", "set back: not yet"


def test_hours_are_counted_on_a_clock_that_nobody_sets() -> None:
    deadline = made("", 2.5)
    assert deadline.reached(lambda: datetime(2030, 1, 1), lambda: 100 + 2.5 * 3600 - 1) == ""
    assert deadline.reached(lambda: EVENING, lambda: 100 + 2.5 * 3600) == "2.5 hours are over (--max-hours)"
    assert made("", 1).reached(lambda: EVENING, lambda: 1e9) == "1 hour is over (--max-hours)"


def test_what_comes_first_ends_it() -> None:
    deadline = made("07:30", 1)
    assert "--max-hours" in deadline.reached(lambda: datetime(2026, 11, 27, 23, 30), lambda: 5000)
    assert "--stop-at" in deadline.reached(lambda: datetime(2026, 11, 28, 8, 0), lambda: 200)


def test_it_says_when_it_will_be() -> None:
    assert (
        made("07:30", 0).words(EVENING) == "Stops tomorrow at 07:30 at the latest; the same command resumes."
    )
    assert made("23:00", 2).words(EVENING) == (
        "Stops at 23:00 or after 2 hours at the latest; the same command resumes."
    )


def test_the_clock_that_nobody_sets_goes_forward() -> None:
    first = passed_time()
    assert passed_time() >= first > 0
