"""Waiting that a Ctrl-C gets through: in slices, each with a limit. docs/waits.md lists every wait.

On Windows no lock, queue or event of Python is interrupted by Ctrl-C; the signal's handler runs when the
main thread comes back to Python (cpython #80116, #125541).
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

from dflwrap.common.errors import StoppedError

T = TypeVar("T")

SLICE = 0.2
"""Seconds that Python code may be kept from running by one wait."""


class StopFlag(Protocol):
    """What ends a wait early: a `Flag`, or a threading.Event that no signal handler sets."""

    def is_set(self) -> bool: ...


def never() -> bool:
    """Nobody asks for a stop."""
    return False


class Flag:
    """An event that a signal handler may set.

    threading.Event is not one: its lock may be held by the very code that the handler interrupts, which then
    waits for itself forever.
    """

    def __init__(self, within: StopFlag | None = None) -> None:
        """within: where that is set, this one is too."""
        self._set, self._within = False, within

    def set(self) -> None:
        self._set = True

    def is_set(self) -> bool:
        return self._set or (self._within is not None and self._within.is_set())

    def wait(self, seconds: float) -> bool:
        """True as soon as it is set, False after `seconds`."""
        return wait_until(self.is_set, seconds)


def wait_until(happened: Callable[[], bool], seconds: float, stopping: Callable[[], bool] = never) -> bool:
    """True as soon as it has happened; False after `seconds`, or when `stopping` says so."""
    deadline = time.monotonic() + seconds
    pause = 0.001
    while not happened():
        left = deadline - time.monotonic()
        if left <= 0 or stopping():
            return happened()
        time.sleep(min(pause, left))
        pause = min(2 * pause, SLICE / 4)
    return True


def join(thread: threading.Thread, seconds: float, stopping: Callable[[], bool] = never) -> bool:
    """True once the thread has ended; False after `seconds`, or when `stopping` says so."""
    deadline = time.monotonic() + seconds
    while thread.is_alive():
        left = deadline - time.monotonic()
        if left <= 0 or stopping():
            return False
        thread.join(min(SLICE, left))
    return True


def take(
    items: queue.SimpleQueue[T] | queue.Queue[T], seconds: float, stopping: Callable[[], bool] = never
) -> T:
    """The next item. Raises queue.Empty after `seconds`, or when `stopping` says so."""
    deadline = time.monotonic() + seconds
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or stopping():
            return items.get_nowait()
        try:
            return items.get(timeout=min(SLICE, left))
        except queue.Empty:
            continue


def heeding(stopping: Callable[[], bool], items: Iterable[T]) -> Iterator[T]:
    """The items, until `stopping` says so: then it raises StoppedError."""
    for item in items:
        if stopping():
            raise StoppedError
        yield item
