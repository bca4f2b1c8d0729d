"""Waits end: when met, when their bound is over, when told to."""

from __future__ import annotations

import errno
import threading
import time

import pytest

from dflwrap.planning.waiting import retry_held_open, retry_startup, wait_for_disk, wait_for_vram


def test_memory_that_comes_back_ends_the_wait() -> None:
    readings = iter([10, None, 50, 100, 0])
    seen: list[int | None] = []
    waited = wait_for_vram(
        lambda: next(readings), 100, bound=5, first=0.01, longest=0.02, note=lambda r, _: seen.append(r)
    )
    assert (waited.met, waited.last, waited.interrupted) == (True, 100, False)
    assert seen == [10, None, 50, 100]


def test_memory_that_is_there_is_not_waited_for() -> None:
    waited = wait_for_vram(lambda: 7, 7, bound=60)
    assert waited.met and waited.seconds < 0.5


def test_a_wait_keeps_to_its_bound() -> None:
    waited = wait_for_disk(lambda: 1, 2, bound=0.3, first=0.05, longest=60)
    assert (waited.met, waited.last) == (False, 1)
    assert 0.25 < waited.seconds < 1


def test_a_wait_ends_at_once_when_told() -> None:
    stop = threading.Event()
    threading.Timer(0.1, stop.set).start()
    waited = wait_for_vram(lambda: None, 1, bound=60, first=30, longest=30, stop=stop)
    assert waited.interrupted and not waited.met and waited.seconds < 5


def test_a_file_held_open_is_tried_again() -> None:
    calls = []

    def move() -> str:
        calls.append(1)
        if len(calls) < 4:
            raise OSError(errno.EBUSY, "held by a scanner")
        return "moved"

    assert retry_held_open(move, bound=5) == "moved"
    assert len(calls) == 4


def test_a_sharing_violation_of_windows_is_known_by_its_number() -> None:
    error = OSError("in use")
    error.winerror = 32  # type: ignore[attr-defined]
    calls = []

    def move() -> None:
        calls.append(1)
        if len(calls) == 1:
            raise error

    retry_held_open(move, bound=5)
    assert len(calls) == 2


def test_other_errors_are_not_retried_and_the_bound_holds() -> None:
    calls = []

    def gone() -> None:
        calls.append(1)
        raise FileNotFoundError(errno.ENOENT, "gone")

    with pytest.raises(FileNotFoundError):
        retry_held_open(gone)
    assert len(calls) == 1

    def held() -> None:
        raise OSError(errno.EBUSY, "held for ever")

    start = time.monotonic()
    with pytest.raises(OSError, match="for ever"):
        retry_held_open(held, bound=0.3)
    assert time.monotonic() - start < 3


def test_a_driver_that_starts_late_is_waited_for() -> None:
    calls = []

    def init() -> int:
        calls.append(1)
        if len(calls) < 2:
            raise RuntimeError("not loaded yet")
        return len(calls)

    assert retry_startup(init, lambda e: isinstance(e, RuntimeError), bound=5) == 2
