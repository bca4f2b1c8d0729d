"""Rungs go back up after enough healthy frames, carefully."""

from __future__ import annotations

from dataclasses import replace

from ladder_walk import Walk, card, failure, start

from dflwrap.common.memory import GIB
from dflwrap.common.plan import Plan
from dflwrap.common.telemetry import TelemetrySummary
from dflwrap.planning.climb import CLIMB_AFTER, after_success

OOM = failure("gpu-oom-tensor", "gpu-memory", "ResourceExhaustedError")
FREE = TelemetrySummary(devices=(card(7.0, 7.5, ours_last=GIB // 2, free_last=7 * GIB),))
FULL = TelemetrySummary(devices=(card(0.3, 0.5),))
WIDE = Plan(devices=(0,), workers=4)


def climb(walk: Walk, telemetry: TelemetrySummary | None) -> bool:
    """One more healthy attempt of the plan's batch; True if the run goes wider."""
    walk.healthy(walk.plan.batch_size or 1000)
    before, following = walk.plan, after_success(walk.history, telemetry, walk.plan, walk.context)
    if following is not None:
        walk.plan = following.plan
        walk.sentences.append(following.sentence)
    return following is not None and "no headroom yet" not in following.sentence and walk.plan != before


def test_a_card_filled_at_night_and_freed_in_the_morning_is_used_in_full_again() -> None:
    walk = start(WIDE, worker_peak=GIB)
    walk.telemetry = FULL
    while walk.plan.devices:
        walk.fail(OOM, gained=1)
    assert "cpu" in [r.value for r in walk.rungs]
    for _ in range(5):
        assert not climb(walk, FULL), "still full: stay on the CPU"
    widths = []
    for _ in range(20):
        if climb(walk, FREE):
            widths.append((walk.plan.devices, walk.plan.workers))
    assert widths == [((0,), 1), ((0,), 2), ((0,), 4)]
    assert walk.plan == WIDE
    assert "7.5 of 8.0 GiB" in walk.sentences[-1] and "2 workers -> 4" in walk.sentences[-1]


def test_too_few_healthy_frames_do_not_widen() -> None:
    walk = start(WIDE)
    walk.fail(OOM)
    walk.plan = Plan(devices=(0,), workers=1, batch_size=CLIMB_AFTER - 1)
    assert not climb(walk, None)
    assert climb(walk, None)


def test_an_extractor_that_takes_no_gpu_is_given_none() -> None:
    """The built-in extractor has taken over from DeepFaceLab on a card."""
    walk = start(WIDE)
    walk.fail(OOM)
    walk.plan = Plan(workers=2, batch_size=300)
    walk.context = replace(
        walk.context, extractor="builtin", supported_fields=frozenset({"workers", "batch_size"})
    )
    for _ in range(20):
        climb(walk, FREE)
        assert not walk.plan.devices, walk.sentences[-1]


def test_each_failed_climb_doubles_the_patience() -> None:
    walk = start(WIDE)
    walk.fail(OOM)
    walk.fail(OOM)
    needed = []
    for _ in range(4):
        attempts = 1
        while not climb(walk, None):
            attempts += 1
        needed.append(attempts)
        narrow = walk.plan.workers // 2
        walk.fail(OOM)
        walk.plan = Plan(devices=(0,), workers=narrow, batch_size=300)
    assert needed == sorted(needed) and needed[-1] >= 4 * needed[0]


def test_while_there_is_no_room_the_run_asks_less_and_less_often() -> None:
    walk = start(WIDE, worker_peak=GIB)
    walk.plan = Plan(devices=(), workers=4, threads=1, batch_size=300)
    sizes = []
    for _ in range(6):
        assert not climb(walk, FULL)
        sizes.append(walk.plan.batch_size)
    assert sizes == [600, 1200, 2400, 2400, 2400, 2400]
    assert climb(walk, FREE)
    assert walk.plan.batch_size == 300, "the wider plan is on probation itself"


def test_an_excluded_card_stays_out() -> None:
    walk = start(Plan(devices=(0,), workers=2))
    walk.fail(failure("no-kernel-image", "cuda-library"))
    assert walk.plan.devices == ()
    for _ in range(10):
        climb(walk, FREE)
    assert walk.plan.devices == ()
    assert walk.plan.batch_size == 0, "no reason to hand out small batches when nothing can widen"


def test_what_was_lowered_comes_back_step_by_step() -> None:
    walk = start(Plan(devices=(0, 1), workers=1), gpus=2)
    walk.plan = Plan(devices=(0,), workers=1, batch_size=300, weights_on_cpu=True, max_side=960)
    seen = []
    while climb(walk, None):
        seen.append((walk.plan.weights_on_cpu, walk.plan.max_side, walk.plan.devices))
    assert seen == [(False, 960, (0,)), (False, 0, (0,)), (False, 0, (0, 1))]
    assert walk.plan == walk.context.widest


def test_a_failed_attempt_never_widens() -> None:
    walk = start(WIDE)
    walk.plan = Plan(devices=(0,), workers=1)
    walk.fail(OOM, gained=5000)
    assert after_success(walk.history, None, walk.plan, walk.context) is None
