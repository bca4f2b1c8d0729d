"""The first plan and what attempts teach: careful on an unknown card, wide on a known one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ladder_walk import context

from dflwrap.common.memory import GIB
from dflwrap.common.plan import Plan
from dflwrap.common.telemetry import DeviceInfo, DeviceSummary, TelemetrySummary
from dflwrap.planning.climb import after_success
from dflwrap.planning.fit import GpuHeadroom
from dflwrap.planning.inputs import AttemptRecord
from dflwrap.planning.learning import Learner
from dflwrap.planning.store import PeakStore

CARD = (DeviceInfo(0, "Card 0", 8 * GIB),)
ROOM = (GpuHeadroom(0, 8 * GIB, int(7.5 * GIB)),)
GPU = Plan(devices=(0,))


def learner(folder: Path, **more: int) -> Learner:
    return Learner(
        PeakStore(folder / "peaks.json"), build="dfl 46fc239", driver="550", longest_side=1920, **more
    )


def first(learner: Learner, frames: int = 50_000):  # type: ignore[no-untyped-def]
    return learner.first_plan(
        GPU, cores=8, open_frames=frames, devices=CARD, rooms=ROOM, ram_available=32 * GIB
    )


def seen(ours: float) -> TelemetrySummary:
    before, used = int(7.5 * GIB), int(ours * GIB)
    card = DeviceSummary(0, "Card 0", 8 * GIB, before, before - used, before - used, used, used)
    return TelemetrySummary((card,), ram_available_before=32 * GIB, worker_rss_peak=GIB)


def test_an_unknown_card_is_measured_by_one_worker_then_used_in_full_and_known_next_time(
    tmp_path: Path,
) -> None:
    teacher = learner(tmp_path)
    start = first(teacher)
    assert (start.plan.workers, start.widest.workers, start.worker_peak) == (1, 1, None)
    assert 0 < start.plan.batch_size < 100
    run = context(start.widest, worker_peak=None, cores=8)
    probe = AttemptRecord(1, start.plan, None, frames_given=40, frames_gained=40)
    run, sentence = teacher.learn(probe, seen(2.0), run)
    assert run.worker_peak == 2 * GIB
    assert run.widest.workers == 3 and run.widest.batch_size == 0
    assert sentence is not None and "measured" in sentence
    wider = after_success((probe,), seen(2.0), start.plan, run)
    assert wider is not None and wider.plan == run.widest
    assert "1 worker on GPU 0, 40 frames -> 3 workers on GPU 0, all frames" in wider.sentence
    again = first(learner(tmp_path))
    assert again.plan == again.widest
    assert (again.plan.workers, again.worker_peak) == (3, 2 * GIB)


def test_a_card_with_room_for_one_goes_on_with_all_frames_after_the_measure(tmp_path: Path) -> None:
    teacher = learner(tmp_path)
    start = first(teacher)
    probe = AttemptRecord(1, start.plan, None, frames_given=40, frames_gained=40)
    run, _ = teacher.learn(probe, seen(6.0), context(start.widest, cores=8))
    following = after_success((probe,), seen(6.0), start.plan, run)
    assert following is not None
    assert (following.plan.workers, following.plan.batch_size) == (1, 0)


def test_a_short_run_is_not_held_up_by_measuring(tmp_path: Path) -> None:
    assert first(learner(tmp_path), frames=200).plan.batch_size == 0


def test_the_users_own_number_is_never_changed(tmp_path: Path) -> None:
    teacher = learner(tmp_path, asked_workers=2)
    start = first(teacher)
    assert start.plan == start.widest and start.plan.workers == 2
    record = AttemptRecord(1, start.plan, None, frames_given=400, frames_gained=400)
    run, sentence = teacher.learn(record, seen(2.0), context(start.widest))
    assert run.widest.workers == 2 and sentence is None


def test_an_attempt_that_hardly_worked_teaches_nothing(tmp_path: Path) -> None:
    teacher, run = learner(tmp_path), context(GPU)
    record = AttemptRecord(1, GPU, "gpu-oom-tensor", frames_given=400, frames_gained=2)
    assert teacher.learn(record, seen(2.0), run) == (run, None)
    assert teacher.learn(replace(record, frames_gained=200), None, run) == (run, None)
    assert first(learner(tmp_path)).worker_peak is None


def test_what_runs_without_failure_is_not_narrowed_by_arithmetic(tmp_path: Path) -> None:
    wide = Plan(devices=(0,), workers=4)
    record = AttemptRecord(1, wide, None, frames_given=400, frames_gained=400)
    run, _ = learner(tmp_path).learn(record, seen(7.2), context(wide))
    assert run.widest.workers == 4


def test_big_frames_on_the_cpu_are_remembered_by_their_ram(tmp_path: Path) -> None:
    teacher = learner(tmp_path)
    record = AttemptRecord(1, Plan(workers=2), None, frames_given=100, frames_gained=100)
    heavy = TelemetrySummary(ram_available_before=8 * GIB, worker_rss_peak=3 * GIB)
    teacher.learn(record, heavy, context(Plan(workers=2), gpus=0))
    again = learner(tmp_path).first_plan(Plan(), cores=8, open_frames=9, ram_available=8 * GIB)
    assert again.plan.workers == 2 and again.fit.limit == "ram"
