"""What was measured over one attempt, in short: the words that telemetry, planning and the supervisor share.

Plain frozen data. All memory figures are bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from dflwrap.common.memory import MemoryFacts


@dataclass(frozen=True, slots=True)
class ForeignProcess:
    """A process that is not ours and holds video memory."""

    pid: int
    name: str
    used: int | None
    """None where the platform does not tell (NVML on Windows WDDM)."""


@dataclass(frozen=True, slots=True)
class DeviceSummary:
    """One GPU over one attempt. None: not measured."""

    index: int
    name: str = ""
    total: int = 0
    free_before: int | None = None
    """Free when the recorder started, before the extractor took anything."""
    free_min: int | None = None
    free_last: int | None = None
    """The last sample: at the death of the attempt if it died, else now."""
    ours_peak: int | None = None
    """Most memory that the extractor's processes held together."""
    ours_last: int | None = None
    """What they held at the last sample."""
    temperature_max: int | None = None
    """Degrees Celsius."""
    throttled: tuple[str, ...] = ()
    """Reasons seen, e.g. "sw_thermal_slowdown"; idle and the application's own clock setting left out."""
    xids: tuple[int, ...] = ()
    lost: bool = False
    """The driver said that the device is gone."""
    foreign: tuple[ForeignProcess, ...] = ()
    free_max: int | None = None
    worker_peak: int | None = None
    """Most memory that one process of the extractor held, with what stood in for it in RAM (`spilled_peak`)."""
    ours_seen: bool | None = None
    """A process of the extractor was on the card; None where the driver lists no processes."""
    spilled_peak: int | None = None
    """Most RAM that stood in for video memory of the extractor while the card was full (Windows); None: not told."""

    @property
    def free_without_us(self) -> int | None:
        """Memory that would be free now if the extractor held none; None if nothing was measured."""
        if self.free_last is None:
            return self.free_before
        if self.ours_last is not None:
            return self.free_last + self.ours_last
        return max(self.free_last, self.free_before or 0)


@dataclass(frozen=True, slots=True)
class TelemetrySummary:
    """The samples of one attempt, condensed. Everything is optional: no GPU, no driver, no rights."""

    devices: tuple[DeviceSummary, ...] = ()
    ram_total: int | None = None
    ram_available_before: int | None = None
    ram_available_min: int | None = None
    oom_kills: int | None = None
    """Processes that the kernel's out-of-memory killer ended during the attempt, by its own count."""
    worker_rss_peak: int | None = None
    """Largest resident set of one process of the extractor's tree."""
    disk_free: dict[str, int] = field(default_factory=dict)
    """Last free space by role ("input", "output", "temp")."""

    @property
    def memory(self) -> MemoryFacts:
        return MemoryFacts(self.ram_available_min, self.ram_total, self.oom_kills)

    def device(self, index: int) -> DeviceSummary | None:
        return next((device for device in self.devices if device.index == index), None)


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """A GPU that is present."""

    index: int
    name: str
    total_memory: int
    drives_display: bool = False
