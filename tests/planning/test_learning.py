"""The first plan and what attempts teach: careful on an unknown card, wide on a known one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from ladder_walk import context

from dflwrap.common.memory import GIB
from dflwrap.common.plan import Plan
from dflwrap.common.telemetry import DeviceInfo, DeviceSummary, TelemetrySummary
from dflwrap.planning.fit import GpuHeadroom
from dflwrap.planning.inputs import AttemptRecord
from dflwrap.planning.learning import Learner
from dflwrap.planning.store import PeakStore

CARD = (DeviceInfo(0, "Card 0", 8 * GIB),)
ROOM = (GpuHeadroom(0, 8 * GIB, int(7.5 * GIB)),)
GPU = Plan(devices=(0,))


def learner(folder: Path, **more: Any) -> Learner:
    return Learner(
        PeakStore(folder / "peaks.json"), build="dfl 46fc239", driver="550", longest_side=1920, **more
    )


def first(learner: Learner, frames: int = 50_000):  # type: ignore[no-untyped-def]
    return learner.first_plan(
        GPU, cores=8, open_frames=frames, devices=CARD, rooms=ROOM, ram_available=32 * GIB
    )


def seen(ours: float) -> TelemetrySummary:
    before, used = int(7.5 * GIB), int(ours * GIB)
    card = DeviceSummary(
        0, "Card 0", 8 * GIB, before, before - used, before - used, used, used, worker_peak=used
    )
    return TelemetrySummary((card,), ram_available_before=32 * GIB, worker_rss_peak=GIB)


def test_what_a_worker_needed_is_known_next_time(tmp_path: Path) -> None:
    teacher = learner(tmp_path, elastic=True)
    start = first(teacher)
    assert (start.plan.workers, start.plan.batch_size, start.worker_peak) == (16, 0, None)
    record = AttemptRecord(1, start.plan, None, frames_given=400, frames_gained=400)
    run, sentence = teacher.learn(record, seen(2.0), context(start.plan, worker_peak=None, cores=8))
    assert (run.worker_peak, sentence) == (2 * GIB, None)
    assert first(learner(tmp_path)).worker_peak == 2 * GIB


def test_what_was_refused_is_known_next_time_too(tmp_path: Path) -> None:
    """The peak is seen twice a second, and a worker asks for more within a moment."""
    teacher = learner(tmp_path, elastic=True)
    record = AttemptRecord(1, GPU, None, frames_given=400, frames_gained=400)
    run, _ = teacher.learn(record, seen(3.1), context(GPU, worker_peak=None), int(5.5 * GIB))
    assert run.worker_peak == int(5.5 * GIB)
    assert first(learner(tmp_path)).worker_peak == int(5.5 * GIB)


def test_a_fixed_width_is_what_is_known_to_fit(tmp_path: Path) -> None:
    start = first(learner(tmp_path))
    assert (start.plan.workers, start.plan.batch_size) == (1, 0)
    record = AttemptRecord(1, start.plan, None, frames_given=400, frames_gained=400)
    run, sentence = learner(tmp_path).learn(record, seen(2.0), context(start.plan, cores=8))
    assert run.widest.workers == 3 and sentence is not None and "measured" in sentence


def test_the_users_own_number_is_never_changed(tmp_path: Path) -> None:
    teacher = learner(tmp_path, asked_workers=2)
    start = first(teacher)
    assert start.plan.workers == 2
    record = AttemptRecord(1, start.plan, None, frames_given=400, frames_gained=400)
    run, sentence = teacher.learn(record, seen(2.0), context(start.plan))
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
