"""Samples added up to what the policy looks at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from dflwrap.common.telemetry import DeviceSummary, ForeignProcess, TelemetrySummary
from dflwrap.telemetry.base import DeviceSample, HostSample, Sample

FULL_BELOW = 16
"""A card is full with less than this part of its memory free. Only then does shared memory mean a spill: a little
of it (pinned buffers) is always used."""
HARMLESS_THROTTLE = frozenset({"gpu_idle", "application_clocks", "display_clocks"})

NameForeign = Callable[[DeviceSample, frozenset[int]], tuple[ForeignProcess, ...]]


class Tally:
    """A running sum; a sample costs some comparisons. Not thread-safe: the recorder holds a lock."""

    def __init__(self) -> None:
        self._devices: dict[int, DeviceSummary] = {}
        self._host = TelemetrySummary()
        self._ours: set[int] = set()

    def add(self, sample: Sample, foreign: NameForeign) -> None:
        """foreign: names the processes of a device that are not ours; asked when free memory is lowest."""
        self._ours.update(process.pid for process in sample.host.processes)
        ours = frozenset(self._ours)
        for device in sample.devices:
            known = self._devices.get(device.index) or DeviceSummary(device.index, device.name)
            self._devices[device.index] = _added(known, device, ours, foreign)
        self._host = _with_host(self._host, sample.host)

    def summary(self) -> TelemetrySummary:
        return replace(self._host, devices=tuple(self._devices[index] for index in sorted(self._devices)))


def _added(
    known: DeviceSummary, sample: DeviceSample, ours: frozenset[int], foreign: NameForeign
) -> DeviceSummary:
    lowest = sample.free is not None and (known.free_min is None or sample.free <= known.free_min)
    held = _held(sample, ours)
    if held is None and known.ours_peak is not None and sample.processes is not None:
        held = 0 if not any(process.pid in ours for process in sample.processes) else None
    throttled = {*known.throttled, *(sample.throttle or ())} - HARMLESS_THROTTLE
    return replace(
        known,
        total=sample.total or known.total,
        free_before=sample.free if known.free_before is None else known.free_before,
        free_min=sample.free if lowest else known.free_min,
        free_last=sample.free if sample.free is not None else known.free_last,
        ours_peak=_most(known.ours_peak, held),
        ours_last=held,
        temperature_max=_most(known.temperature_max, sample.temperature),
        throttled=tuple(sorted(throttled)),
        xids=known.xids + sample.xids,
        lost=known.lost or sample.lost,
        foreign=foreign(sample, ours) if lowest else known.foreign,
        free_max=_most(known.free_max, sample.free),
        ours_seen=_seen(known.ours_seen, sample, ours),
        spilled_peak=_most(known.spilled_peak, _spilled(sample, ours)),
        worker_peak=_most(known.worker_peak, _largest(sample, ours)),
    )


def _held(sample: DeviceSample, ours: frozenset[int]) -> int | None:
    """Memory of our processes; None if the platform does not tell, or while none of them is listed."""
    mine = [process.used for process in sample.processes or () if process.pid in ours]
    known = [used for used in mine if used is not None]
    return sum(known) if mine and len(known) == len(mine) else None


def _spilled(sample: DeviceSample, ours: frozenset[int]) -> int | None:
    """Bytes of our processes that Windows keeps in RAM because the card is full."""
    shared = [process.shared for process in sample.processes or () if process.pid in ours]
    told = [size for size in shared if size is not None]
    if not told or sample.free is None or not sample.total:
        return None
    return sum(told) if sample.free < sample.total // FULL_BELOW else 0


def _largest(sample: DeviceSample, ours: frozenset[int]) -> int | None:
    """Memory of the largest of our processes, with its RAM that stands in where the card is full."""
    full = sample.free is not None and sample.total and sample.free < sample.total // FULL_BELOW
    sizes = [
        process.used + ((process.shared or 0) if full else 0)
        for process in sample.processes or ()
        if process.pid in ours and process.used is not None
    ]
    return max(sizes, default=None)


def _seen(known: bool | None, sample: DeviceSample, ours: frozenset[int]) -> bool | None:
    if sample.processes is None:
        return known
    return bool(known) or any(process.pid in ours for process in sample.processes)


def _with_host(known: TelemetrySummary, sample: HostSample) -> TelemetrySummary:
    available = sample.ram_available
    largest = max((process.rss for process in sample.processes), default=None)
    return replace(
        known,
        ram_total=sample.ram_total if sample.ram_total is not None else known.ram_total,
        ram_available_before=available if known.ram_available_before is None else known.ram_available_before,
        ram_available_min=_least(known.ram_available_min, available),
        worker_rss_peak=_most(known.worker_rss_peak, largest),
        disk_free={**known.disk_free, **sample.disk_free},
    )


def _most(a: int | None, b: int | None) -> int | None:
    known = [figure for figure in (a, b) if figure is not None]
    return max(known) if known else None


def _least(a: int | None, b: int | None) -> int | None:
    known = [figure for figure in (a, b) if figure is not None]
    return min(known) if known else None
