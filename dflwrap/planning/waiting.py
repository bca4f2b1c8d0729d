"""Waiting for what passes: video memory, room on the disk, a driver that starts.

Impure helpers on `tenacity`; every wait has a bound, and `stop` (an event) ends it at once. What to wait for
and what to do afterwards is the policy's matter.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import tenacity

from dflwrap.common.retrying import retrying, sleeper, stop_when_set
from dflwrap.common.waits import Flag, StopFlag

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Waited:
    """How a wait ended."""

    met: bool
    seconds: float
    last: int | None
    """The last reading, bytes; None if it could not be read."""
    interrupted: bool = False


def wait_for_vram(
    read_free: Callable[[], int | None],
    needed: int,
    *,
    bound: float,
    first: float = 1.0,
    longest: float = 15.0,
    stop: StopFlag | None = None,
    note: Callable[[int | None, float], None] | None = None,
) -> Waited:
    """Until `read_free()` gives at least `needed` bytes; looks after `first` s, doubling up to `longest`.

    A reading of None (no telemetry) counts as not met. note(reading, seconds so far) is told each look.
    """
    return _until(read_free, needed, bound, first, longest, stop, note)


def wait_for_disk(
    read_free: Callable[[], int | None],
    needed: int,
    *,
    bound: float,
    first: float = 5.0,
    longest: float = 60.0,
    stop: StopFlag | None = None,
    note: Callable[[int | None, float], None] | None = None,
) -> Waited:
    """As `wait_for_vram`, for the free bytes of a folder."""
    return _until(read_free, needed, bound, first, longest, stop, note)


def retry_startup(
    function: Callable[[], T],
    transient: Callable[[BaseException], bool],
    *,
    bound: float = 5.0,
    stop: StopFlag | None = None,
) -> T:
    """Call until it does not fail with a `transient` error: a driver that is still starting or resetting.

    Raises what `function` raised last when `bound` seconds are over, and everything else at once.
    """
    return retrying(transient, bound, 0.2, 2.0, stop)(function)


def _until(
    read: Callable[[], int | None],
    needed: int,
    bound: float,
    first: float,
    longest: float,
    stop: StopFlag | None,
    note: Callable[[int | None, float], None] | None,
) -> Waited:
    event = stop if stop is not None else Flag()
    start = time.monotonic()

    def look() -> int | None:
        reading = read()
        if note is not None:
            note(reading, time.monotonic() - start)
        return reading

    def short_of_it(reading: int | None) -> bool:
        return reading is None or reading < needed

    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_result(short_of_it),
        wait=_within(bound, start, tenacity.wait_exponential(multiplier=first, max=longest)),
        stop=tenacity.stop_after_delay(bound) | stop_when_set(event),
        sleep=sleeper(event),
        retry_error_callback=_last_reading,
    )
    last = retrying(look)
    seconds = time.monotonic() - start
    met = not short_of_it(last)
    return Waited(met, seconds, last, interrupted=event.is_set() and not met)


def _last_reading(state: tenacity.RetryCallState) -> int | None:
    outcome = state.outcome
    if outcome is None:
        return None
    reading: int | None = outcome.result()
    return reading


def _within(
    bound: float, start: float, inner: Callable[[tenacity.RetryCallState], float]
) -> Callable[[tenacity.RetryCallState], float]:
    """Never sleep past the bound: the last look is at its end."""

    def wait(state: tenacity.RetryCallState) -> float:
        left = bound - (time.monotonic() - start)
        return max(0.01, min(inner(state), left))

    return wait
