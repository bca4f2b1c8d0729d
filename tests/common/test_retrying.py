"""What passes by itself is tried again, or waited for; each wait ends: when met, at its bound, when told to."""

from __future__ import annotations

import errno
import threading
import time

import pytest

from dflwrap.common.retrying import retry_held_open, retrying, wait_for_bytes


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
        raise OSError(errno.EBUSY, "held forever")

    start = time.monotonic()
    with pytest.raises(OSError, match="forever"):
        retry_held_open(held, bound=0.3)
    assert time.monotonic() - start < 9


def test_bytes_that_come_back_end_the_wait() -> None:
    readings = iter([10, None, 50, 100, 0])
    assert wait_for_bytes(lambda: next(readings), 100, bound=5, first=0.01, longest=0.02)
    assert next(readings) == 0, "it stopped looking when it had what it waited for"


def test_bytes_that_are_there_are_not_waited_for() -> None:
    start = time.monotonic()
    assert wait_for_bytes(lambda: 7, 7, bound=60, first=60)
    assert time.monotonic() - start < 30


def test_a_wait_keeps_to_its_bound_and_looks_at_its_end() -> None:
    looks: list[float] = []
    start = time.monotonic()

    def short() -> int:
        looks.append(time.monotonic() - start)
        return 1

    assert not wait_for_bytes(short, 2, bound=0.3, first=0.05, longest=60)
    assert 0.25 < looks[-1] < 10


def test_a_wait_ends_at_once_when_told() -> None:
    stop = threading.Event()
    threading.Timer(0.1, stop.set).start()
    start = time.monotonic()
    assert not wait_for_bytes(lambda: None, 1, bound=60, first=30, longest=30, stop=stop)
    assert time.monotonic() - start < 25


def test_a_driver_that_starts_late_is_waited_for() -> None:
    calls = []

    def init() -> int:
        calls.append(1)
        if len(calls) < 2:
            raise RuntimeError("not loaded yet")
        return len(calls)

    assert retrying(lambda e: isinstance(e, RuntimeError), 5.0, 0.2, 2.0)(init) == 2
