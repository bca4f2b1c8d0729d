"""Waits end: when met, when their bound is over, when told to."""

from __future__ import annotations

import threading

from dflwrap.planning.waiting import retry_startup, wait_for_disk, wait_for_vram


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
    assert waited.met and waited.seconds < 30


def test_a_wait_keeps_to_its_bound() -> None:
    waited = wait_for_disk(lambda: 1, 2, bound=0.3, first=0.05, longest=60)
    assert (waited.met, waited.last) == (False, 1)
    assert 0.25 < waited.seconds < 10


def test_a_wait_ends_at_once_when_told() -> None:
    stop = threading.Event()
    threading.Timer(0.1, stop.set).start()
    waited = wait_for_vram(lambda: None, 1, bound=60, first=30, longest=30, stop=stop)
    assert waited.interrupted and not waited.met and waited.seconds < 25


def test_a_driver_that_starts_late_is_waited_for() -> None:
    calls = []

    def init() -> int:
        calls.append(1)
        if len(calls) < 2:
            raise RuntimeError("not loaded yet")
        return len(calls)

    assert retry_startup(init, lambda e: isinstance(e, RuntimeError), bound=5) == 2
