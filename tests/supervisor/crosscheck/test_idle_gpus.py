"""When the cards of a plan are looked at, and what counts as untouched."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dflwrap.common.events import Event, EventKind
from dflwrap.common.plan import Plan
from dflwrap.common.telemetry import DeviceSummary, TelemetrySummary
from dflwrap.supervisor.crosscheck.idle_gpus import FRAMES, SECONDS, TAKEN, CardWatch

FREE = 6 << 30
IDLE = DeviceSummary(0, "Card", free_min=FREE, free_max=FREE + TAKEN - 1, ours_seen=False)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def watch(*cards: DeviceSummary, devices: tuple[int, ...] = (0,)) -> tuple[CardWatch, Clock]:
    clock = Clock()
    return CardWatch(Plan(devices=devices), lambda: TelemetrySummary(devices=cards), clock), clock


def started(worker: str) -> Event:
    return Event(EventKind.WORKER_STARTED, 0.0, worker=worker)


def test_the_cards_are_looked_at_once_after_some_frames_and_some_seconds() -> None:
    cards, clock = watch(IDLE)
    clock.now += SECONDS  # before the first frame no time counts
    assert not cards.frames(FRAMES)
    clock.now += SECONDS
    assert cards.frames(0)
    assert not cards.frames(5)
    few, clock = watch(IDLE)
    assert not few.frames(FRAMES - 1)
    clock.now += 10 * SECONDS
    assert not few.frames(0)
    assert few.frames(1)


def test_a_plan_for_the_cpu_is_never_looked_at() -> None:
    cards, clock = watch(IDLE, devices=())
    cards.frames(1)
    clock.now += SECONDS
    assert not cards.frames(FRAMES)


@pytest.mark.parametrize(
    "card",
    [
        replace(IDLE, ours_seen=True),
        replace(IDLE, ours_seen=None),
        replace(IDLE, free_max=FREE + TAKEN),
        replace(IDLE, free_min=None, free_max=None),
    ],
)
def test_only_a_card_without_any_trace_of_use_counts_as_untouched(card: DeviceSummary) -> None:
    assert watch(IDLE)[0].untouched()
    assert not watch(card)[0].untouched()
    assert not watch(replace(IDLE, index=1))[0].untouched(), "nothing is known of the plan's card"
    assert not watch(IDLE, replace(card, index=1), devices=(0, 1))[0].untouched()


def test_without_telemetry_nothing_is_claimed() -> None:
    assert not CardWatch(Plan(devices=(0,)), lambda: None).untouched()


def test_cards_without_a_worker_are_left_out_where_workers_run_on_others() -> None:
    cards, _ = watch(IDLE, devices=(0, 1, 2))
    assert cards.left_out() == (), "black box: nobody says where the workers run"
    cards.event(started("GPU0.1"))
    cards.event(started("GPU2"))
    cards.event(started("CPU"))
    assert cards.left_out() == (1,)


def width(device: object, workers: object) -> Event:
    return Event(EventKind.WIDTH_CHANGED, 0.0, data={"device": device, "workers": workers})


def test_a_card_that_waits_for_memory_is_not_left_out() -> None:
    cards, _ = watch(IDLE, devices=(0, 1))
    cards.event(width("GPU1", 0))
    cards.event(started("GPU0.0"))
    assert cards.left_out() == ()
    cards.event(width("GPU1", 1))
    assert cards.left_out() == (1,), "it is to have a worker, and none starts"
    for hostile in (None, 7, ["GPU1"], "CPU", "GPUx"):
        cards.event(width(hostile, 0))
    assert cards.left_out() == (1,)


def test_what_happens_on_a_card_that_waits_shows_no_use_of_the_others() -> None:
    """Another program comes and goes there."""
    busy = replace(IDLE, index=1, free_max=FREE + 8 * TAKEN)
    cards, _ = watch(IDLE, busy, devices=(0, 1))
    assert not cards.untouched()
    cards.event(width("GPU1", 0))
    assert cards.untouched().endswith("is on GPU 0")
