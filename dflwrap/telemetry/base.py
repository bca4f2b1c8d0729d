"""What telemetry says and who says it: samples as plain data, readers as interfaces.

Memory in bytes, temperatures in degrees Celsius, power in watts, clocks in MHz, utilisation in percent.
None always means "not available here", never zero.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class ProcessMemory:
    """Video memory of one process; None where the platform does not tell (NVML on Windows WDDM)."""

    pid: int
    used: int | None
    shared: int | None = None
    """RAM that the GPU uses for it (Windows WDDM); what was meant for video memory and did not fit is in it."""


@dataclass(frozen=True, slots=True)
class DeviceDescription:
    """A GPU, as far as it does not change. Indices are NVML's: the order of the PCI bus."""

    index: int
    name: str
    uuid: str
    total: int
    driver: str
    drives_display: bool


@dataclass(frozen=True, slots=True)
class DeviceSample:
    """One GPU at one moment."""

    index: int
    name: str
    total: int | None = None
    used: int | None = None
    free: int | None = None
    utilisation: int | None = None
    memory_utilisation: int | None = None
    temperature: int | None = None
    power: float | None = None
    clock_sm: int | None = None
    clock_memory: int | None = None
    throttle: tuple[str, ...] | None = None
    """Active clock-event reasons by name, e.g. "sw_thermal_slowdown"."""
    ecc_uncorrected: int | None = None
    """Uncorrectable errors since the driver was loaded."""
    processes: tuple[ProcessMemory, ...] | None = None
    xids: tuple[int, ...] = ()
    """Xid errors reported since the sample before."""
    lost: bool = False
    """The driver says that the device is gone or needs a reset."""


@dataclass(frozen=True, slots=True)
class ProcessSample:
    """One process of the extractor's tree."""

    pid: int
    rss: int


@dataclass(frozen=True, slots=True)
class HostSample:
    """The machine, and the extractor's process tree on it."""

    ram_total: int | None = None
    ram_available: int | None = None
    swap_total: int | None = None
    swap_free: int | None = None
    """On Windows the page file: with RAM, the commit limit."""
    disk_free: dict[str, int] = field(default_factory=dict)
    """By role: "input", "output", "temp"."""
    cpu_percent: float | None = None
    """CPU of the tree since the sample before; 100 = one core. None on the first look."""
    processes: tuple[ProcessSample, ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """Everything at one moment. `time` is seconds since the epoch."""

    time: float
    devices: tuple[DeviceSample, ...]
    host: HostSample

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


class GpuReader(Protocol):
    """A source of GPU readings. No method raises; what cannot be read is None or empty."""

    @property
    def why_not(self) -> str | None:
        """Why there is nothing to read, for the user; None while there is."""

    def describe(self) -> tuple[DeviceDescription, ...]: ...

    def sample(self) -> tuple[DeviceSample, ...]: ...

    def close(self) -> None: ...


class NoGpu:
    """The reader of a machine without an NVIDIA GPU, or without a driver that answers."""

    def __init__(self, why_not: str) -> None:
        self._why_not = why_not

    @property
    def why_not(self) -> str | None:
        return self._why_not

    def describe(self) -> tuple[DeviceDescription, ...]:
        return ()

    def sample(self) -> tuple[DeviceSample, ...]:
        return ()

    def close(self) -> None:
        return
