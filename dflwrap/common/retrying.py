"""Trying again, and waiting for, what passes by itself, on `tenacity`; each has a bound, and `stop` ends it at once."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from dflwrap.common.waits import Flag, StopFlag, wait_until

if TYPE_CHECKING:
    import tenacity  # where it is needed at last: a third of what a decoder's start costs otherwise

T = TypeVar("T")

HELD_OPEN_ERRNOS = frozenset({errno.EBUSY, errno.EAGAIN, errno.ETXTBSY})
HELD_OPEN_ERRNOS_WINDOWS = HELD_OPEN_ERRNOS | {errno.EACCES}
"""There `open()` goes through the C runtime, which turns a sharing violation into EACCES and keeps no winerror."""
HELD_OPEN_WINERRORS = frozenset({5, 32, 33})
"""Access denied (a scanner, or a delete that is pending), sharing violation, lock violation."""


def retry_held_open(function: Callable[[], T], *, bound: float = 10.0, stop: StopFlag | None = None) -> T:
    """Call until it does not fail because another process holds the file (scanner, indexer, cloud sync).

    Raises what `function` raised last when `bound` seconds are over, and everything else at once.
    """
    try:
        return (
            function()
        )  # without tenacity's 0.1 ms a call (measured): every face of a faceset comes through here
    except OSError as error:
        if not is_held_open(error):
            raise
    return retrying(is_held_open, bound, 0.05, 1.0, stop)(function)


def retrying(
    transient: Callable[[BaseException], bool],
    bound: float,
    first: float,
    longest: float,
    stop: StopFlag | None = None,
) -> tenacity.Retrying:
    """For errors that are `transient`: waits of `first` seconds, doubling up to `longest`."""
    import tenacity

    event = stop if stop is not None else Flag()
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(transient),
        wait=tenacity.wait_exponential(multiplier=first, max=longest),
        stop=tenacity.stop_after_delay(bound) | stop_when_set(event),
        sleep=sleeper(event),
        reraise=True,
    )


def stop_when_set(event: StopFlag) -> tenacity.stop.stop_base:
    """As tenacity's `stop_when_event_set`, for flags of ours too."""
    import tenacity

    class WhenSet(tenacity.stop.stop_base):
        def __call__(self, retry_state: tenacity.RetryCallState) -> bool:
            return event.is_set()

    return WhenSet()


def sleeper(event: StopFlag) -> Callable[[float], None]:
    """Sleeps in slices, until `event` is set."""

    def sleep(seconds: float) -> None:
        wait_until(event.is_set, seconds)

    return sleep


def is_held_open(error: BaseException) -> bool:
    """True for what may mean that another process holds the file: it can pass by itself."""
    if not isinstance(error, OSError):
        return False
    winerror = getattr(error, "winerror", None)
    if winerror is not None:
        return winerror in HELD_OPEN_WINERRORS
    return error.errno in (HELD_OPEN_ERRNOS_WINDOWS if os.name == "nt" else HELD_OPEN_ERRNOS)


def wait_for_bytes(
    read_free: Callable[[], int | None],
    needed: int,
    *,
    bound: float,
    first: float = 1.0,
    longest: float = 15.0,
    stop: StopFlag | None = None,
) -> bool:
    """Until `read_free()` gives at least `needed` bytes: of video memory, of a disk. False: it did not, or `stop`.

    Looks after `first` seconds, doubling up to `longest`, and last at `bound`. A reading of None (no telemetry)
    counts as not met.
    """
    import tenacity

    event = stop if stop is not None else Flag()
    start = time.monotonic()

    def short_of_it(reading: int | None) -> bool:
        return reading is None or reading < needed

    waiting = tenacity.Retrying(
        retry=tenacity.retry_if_result(short_of_it),
        wait=_within(bound, start, tenacity.wait_exponential(multiplier=first, max=longest)),
        stop=tenacity.stop_after_delay(bound) | stop_when_set(event),
        sleep=sleeper(event),
        retry_error_callback=_last_reading,
    )
    return not short_of_it(waiting(read_free))


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
