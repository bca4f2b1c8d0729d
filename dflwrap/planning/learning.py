"""The first plan, and what each attempt teaches about the width that fits.

Holds no policy: it measures (what one worker needed), remembers (the store), and moves `RunContext.widest`,
the plan that `after_success` climbs to.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from dflwrap.common.plan import Plan
from dflwrap.common.telemetry import DeviceInfo, TelemetrySummary
from dflwrap.planning.fit import (
    Fit,
    GpuHeadroom,
    fit_workers,
    measured_peak,
    rooms_of,
)
from dflwrap.planning.inputs import AttemptRecord, RunContext
from dflwrap.planning.store import Peak, PeakKey, PeakStore

ENOUGH_FRAMES = 10
"""Frames gained before a peak is believed: memory grows with the first frames that hold faces."""


@dataclass(frozen=True, slots=True)
class FirstPlan:
    """The plan that a run begins with, and the one that it may come to."""

    plan: Plan
    """To start with, and for `RunContext.widest`."""
    fit: Fit
    worker_peak: int | None
    """For `RunContext.worker_peak`."""


class Learner:
    """One per run. Raises nothing: without measures or a store everything is as if unknown."""

    def __init__(
        self,
        store: PeakStore,
        *,
        build: str,
        driver: str = "",
        longest_side: int = 0,
        asked_workers: int | None = None,
        elastic: bool = False,
    ) -> None:
        """build: name and version of the extractor. longest_side: of the frames, pixels. asked_workers: the
        user's choice, which is never changed. elastic: the width of a card's workers changes while an attempt runs.
        """
        self._elastic = elastic
        self._store, self._build, self._driver, self._side = store, build, driver, longest_side
        self._asked = asked_workers

    def first_plan(
        self,
        plan: Plan,
        *,
        cores: int,
        open_frames: int,
        devices: tuple[DeviceInfo, ...] = (),
        rooms: tuple[GpuHeadroom, ...] = (),
        ram_available: int | None = None,
    ) -> FirstPlan:
        """Workers and threads for `plan`'s devices by what is remembered, else by careful assumptions."""
        peak = self._remembered(plan, devices)
        first, fit = fit_workers(
            plan,
            cores=cores,
            rooms=rooms,
            ram_available=ram_available,
            worker_vram=peak.vram,
            worker_ram=peak.ram,
            asked=self._asked,
            frames=open_frames,
            elastic=self._elastic,
        )
        return FirstPlan(first, fit, peak.vram)

    def learn(
        self,
        record: AttemptRecord,
        telemetry: TelemetrySummary | None,
        context: RunContext,
        refused: int | None = None,
    ) -> tuple[RunContext, str | None]:
        """After any attempt: the context with what it taught, and a sentence if the widest plan moved.

        refused: video memory (bytes) that a worker held and was refused beside it: it needs as much.
        """
        if telemetry is None or record.alone or record.frames_gained < ENOUGH_FRAMES:
            return context, None
        measured, ram = measured_peak(telemetry, record.plan), telemetry.worker_rss_peak
        known = [peak for peak in (measured, refused if record.plan.devices else None) if peak]
        vram = max(known, default=None)
        for key in self._keys(record.plan.devices, context.devices):
            self._store.remember(key, Peak(vram, ram))
        if vram is not None:
            vram = max(vram, context.worker_peak or 0)
            context = replace(context, worker_peak=vram)
        fixed = self._asked is not None or (self._elastic and bool(record.plan.devices))
        if fixed or record.plan.devices != context.widest.devices:
            return context, None
        ram_free = telemetry.ram_available_before
        rooms = rooms_of(context.devices, telemetry)
        if record.plan.devices and (vram is None or not rooms):
            return context, None
        widest, fit = fit_workers(
            context.widest,
            cores=context.cores,
            rooms=rooms,
            ram_available=ram_free,
            worker_vram=vram,
            worker_ram=ram,
        )
        if record.healthy and widest.workers < record.plan.workers:
            return context, None  # it ran, whatever the arithmetic says
        if widest.workers == context.widest.workers:
            return context, None
        sentence = f"attempt {record.number}: the most that fits is now {fit.sentence}"
        return replace(context, widest=widest), sentence

    def _remembered(self, plan: Plan, devices: tuple[DeviceInfo, ...]) -> Peak:
        """The largest peak over the plan's devices; unknown on one of them means unknown."""
        peaks = [self._store.get(key) for key in self._keys(plan.devices, devices)]
        known = [peak for peak in peaks if peak is not None]
        if len(known) < len(peaks) or not known:
            return Peak()
        vrams, rams = [p.vram for p in known if p.vram], [p.ram for p in known if p.ram]
        return Peak(max(vrams, default=None), max(rams, default=None))

    def _keys(self, indices: tuple[int, ...], devices: tuple[DeviceInfo, ...]) -> list[PeakKey]:
        if not indices:
            return [PeakKey("CPU", "", self._build, self._side)]
        names = {device.index: device.name for device in devices}
        return [
            PeakKey(names.get(i, f"GPU {i}"), self._driver, self._build, self._side) for i in sorted(indices)
        ]
