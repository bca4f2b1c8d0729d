"""The way back up: after enough healthy frames a narrowed run goes wider again, one step at a time.

An overnight run should not stay slow because someone played a game at nine. A step that fails costs one
attempt, so the healthy frames asked for double with each failed climb. Rungs back up have no name of
their own: `NextPlan.rungs` is empty.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

from dflwrap.common.memory import GIB
from dflwrap.common.plan import Plan
from dflwrap.common.telemetry import TelemetrySummary
from dflwrap.planning.decision import NextPlan
from dflwrap.planning.fit import ASSUMED_GPU_PEAK, PEAK_MARGIN, count, reserve
from dflwrap.planning.inputs import AttemptRecord, RunContext, with_alone_marked
from dflwrap.planning.steps import gpus, on_probation, plan_words

CLIMB_AFTER = 250
"""Healthy frames before the first step up: two minutes at the 2 frames/s of a CPU."""
MOST_DOUBLINGS = 5
LONGEST_PROBATION = 2400
"""Frames per attempt while there is no room to go wider: at 2 frames/s a restart (12 s) every 20 minutes."""


def after_success(
    history: tuple[AttemptRecord, ...],
    telemetry: TelemetrySummary | None,
    plan: Plan,
    context: RunContext,
) -> NextPlan | None:
    """A wider plan for the next attempt after the healthy attempt `history[-1]`, or None: continue as it is."""
    history = tuple(record for record in with_alone_marked(history, context) if not record.alone)
    if not history or not history[-1].healthy:
        return None
    if all(record.healthy for record in history) and _begun_with_care(plan, context.widest):
        # Never narrowed, only begun with care: what was measured since says that it may run wider.
        words = f"attempt {history[-1].number}: {plan_words(plan)} -> {plan_words(context.widest)}"
        return NextPlan(
            context.widest, (), f"{words}: no failure so far{_free_note(context.widest, telemetry)}"
        )
    healthy = _healthy_frames(history)
    if healthy < CLIMB_AFTER * 2 ** min(MOST_DOUBLINGS, _failed_climbs(history)):
        return None
    step = _step(plan, telemetry, context)
    if step is None:
        return _longer_attempts(history[-1], plan)
    wider, words = step
    same_width = replace(wider, batch_size=0) == replace(context.widest, batch_size=0)
    wider = replace(wider, batch_size=context.widest.batch_size)
    if not same_width and _step(wider, None, context) is not None:
        wider = on_probation(wider, context)
    sentence = f"attempt {history[-1].number}: {words}: {healthy} frames without a failure"
    return NextPlan(wider, (), sentence + _free_note(wider, telemetry))


def _begun_with_care(plan: Plan, widest: Plan) -> bool:
    """Fewer workers or frames than the widest plan, on the same devices with the same settings."""
    likewise = replace(widest, workers=plan.workers, threads=plan.threads, batch_size=plan.batch_size)
    return plan != widest and plan == likewise and plan.workers <= widest.workers


def _longer_attempts(record: AttemptRecord, plan: Plan) -> NextPlan | None:
    """No room yet: ask less often, each start costs."""
    if not 0 < plan.batch_size < LONGEST_PROBATION:
        return None
    longer = min(LONGEST_PROBATION, plan.batch_size * 2)
    words = f"{plan.batch_size} frames per attempt -> {longer}: no headroom yet for more workers"
    return NextPlan(replace(plan, batch_size=longer), (), f"attempt {record.number}: {words}")


Step = tuple[Plan, str]
"""A wider plan, and its words."""


def _step(plan: Plan, telemetry: TelemetrySummary | None, context: RunContext) -> Step | None:
    """The next step towards the widest plan: one thing at a time, and nothing after it while it has no room."""
    ascent = _Ascent(plan, telemetry, context)
    if ascent.off_the_gpus:
        return ascent.back_to_gpus()
    if ascent.weights_moved:
        return ascent.weights_back()
    if ascent.scaled_down:
        return ascent.whole_frames()
    if ascent.few_workers:
        return ascent.more_workers()
    if ascent.missing_gpus:
        return ascent.more_gpus()
    return ascent.longer_batches()


@dataclass(frozen=True, slots=True)
class _Ascent:
    plan: Plan
    telemetry: TelemetrySummary | None
    context: RunContext

    @property
    def wide(self) -> Plan:
        return self.context.widest

    def _room(self, device: int, workers: int) -> bool:
        return _room(self.telemetry, device, workers, self.context)

    @property
    def missing_gpus(self) -> tuple[int, ...]:
        """Those of the widest plan that may be used, and are not. None where the built-in extractor took over."""
        if "devices" not in self.context.supported_fields:
            return ()
        usable = self.context.usable()
        return tuple(d for d in self.wide.devices if d in usable and d not in self.plan.devices)

    @property
    def off_the_gpus(self) -> bool:
        return not self.plan.devices and bool(self.missing_gpus)

    def back_to_gpus(self) -> Step | None:
        back = tuple(d for d in self.missing_gpus if self._room(d, 1))
        if not back:
            return None
        wide = self.wide
        returned = replace(
            self.plan, devices=back, workers=1, threads=wide.threads, weights_on_cpu=wide.weights_on_cpu
        )
        return returned, f"CPU -> {gpus(back)}"

    @property
    def weights_moved(self) -> bool:
        return self.plan.weights_on_cpu and not self.wide.weights_on_cpu

    def weights_back(self) -> Step | None:
        if all(self._room(d, self.plan.workers) for d in self.plan.devices):
            return replace(self.plan, weights_on_cpu=False), "weights back on the GPU"
        return None

    @property
    def scaled_down(self) -> bool:
        return bool(self.plan.max_side) and self.plan.max_side != self.wide.max_side

    def whole_frames(self) -> Step:
        whole = f"{self.wide.max_side} px" if self.wide.max_side else "as they are"
        words = f"longest side {self.plan.max_side} px -> {whole}"
        return replace(self.plan, max_side=self.wide.max_side), words

    @property
    def _most_workers(self) -> int:
        """Workers on a card and workers on the CPU are not comparable."""
        alike = bool(self.plan.devices) == bool(self.wide.devices)
        return self.wide.workers if alike else self.plan.workers

    @property
    def few_workers(self) -> bool:
        return self.plan.workers < self._most_workers

    def more_workers(self) -> Step | None:
        plan, wide = self.plan, self.wide
        workers = min(self._most_workers, plan.workers * 2)
        if not all(self._room(d, workers) for d in plan.devices):
            return None
        shared = wide.threads and not plan.devices
        threads = max(1, self.context.cores // workers) if shared else wide.threads
        words = f"{count(plan.workers, 'worker')} -> {workers}"
        return replace(plan, workers=workers, threads=threads), words

    def more_gpus(self) -> Step | None:
        back = tuple(d for d in self.missing_gpus if self._room(d, self.plan.workers))
        if not back:
            return None
        devices = tuple(sorted(self.plan.devices + back))
        return replace(self.plan, devices=devices), f"{gpus(self.plan.devices)} -> {gpus(devices)}"

    def longer_batches(self) -> Step | None:
        if self.plan.batch_size == self.wide.batch_size:
            return None
        return self.plan, f"{self.plan.batch_size} frames per attempt -> {self.wide.batch_size or 'all'}"


def _room(telemetry: TelemetrySummary | None, index: int, workers: int, context: RunContext) -> bool:
    """Whether so many workers fit on this GPU. Not measured: yes; a failed climb costs one attempt."""
    device = telemetry.device(index) if telemetry is not None else None
    without_us = None if device is None else device.free_without_us
    if device is None or without_us is None:
        return True
    drives_display = any(d.index == index and d.drives_display for d in context.devices)
    usable = without_us - reserve(device.total, drives_display)
    each = int(context.worker_peak * PEAK_MARGIN) if context.worker_peak else ASSUMED_GPU_PEAK
    if workers == 1 and not context.worker_peak:
        # A small card may hold one worker although it has less than what is assumed of one.
        each = min(each, int(device.total * 0.8) - reserve(device.total, drives_display))
    return usable >= workers * each


def _healthy_frames(history: tuple[AttemptRecord, ...]) -> int:
    """Frames gained on the present width, since the last failure or change."""
    frames, now = 0, replace(history[-1].plan, batch_size=0)
    for record in reversed(history):
        if not record.healthy or replace(record.plan, batch_size=0) != now:
            break
        frames += record.frames_gained
    return frames


def _failed_climbs(history: tuple[AttemptRecord, ...]) -> int:
    """Wider plans that failed: a healthy attempt followed by a failed one on another width."""
    return sum(
        before.healthy
        and not after.healthy
        and replace(before.plan, batch_size=0) != replace(after.plan, batch_size=0)
        for before, after in pairwise(history)
    )


def _free_note(plan: Plan, telemetry: TelemetrySummary | None) -> str:
    devices = [d for d in (telemetry.devices if telemetry else ()) if d.index in plan.devices]
    free = [(d, room) for d in devices if (room := d.free_without_us) is not None]
    return "".join(f", GPU {d.index} has {room / GIB:.1f} of {d.total / GIB:.1f} GiB" for d, room in free)
