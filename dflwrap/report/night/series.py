"""Telemetry and progress as curves of a bounded number of points, whatever the length of the night."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from dflwrap.ledger.history import Point
from dflwrap.report.night.values import GIB, items, number, table, text

MOST_POINTS = 600
"""Points of a curve."""
MOST_DEVICES = 4
GAP = 4
"""Points that are missing in a row before a curve is broken."""

Value = float | None


@dataclass(slots=True)
class Curve:
    """One line of a chart."""

    label: str
    unit: str
    values: list[Value] = field(default_factory=list)
    """One for each moment of its chart; None breaks the line."""


@dataclass(slots=True)
class Chart:
    """Curves over the same moments, seconds since the epoch."""

    id: str
    title: str
    unit: str
    times: list[float] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)
    steps: bool = False
    """Drawn as steps: the value holds until the next moment."""


@dataclass(slots=True)
class _Sum:
    """One figure over the samples of a bin."""

    how: str
    """"mean" | "max" | "min"."""
    total: float = 0.0
    count: int = 0

    def add(self, value: float) -> None:
        if self.how == "mean":
            self.total += value
        elif not self.count:
            self.total = value
        else:
            self.total = max(self.total, value) if self.how == "max" else min(self.total, value)
        self.count += 1

    @property
    def value(self) -> float:
        return self.total / self.count if self.how == "mean" else self.total


_CHARTS = (
    ("gpu", "Graphics card: use and temperature", ""),
    ("vram", "Video memory in use", "GiB"),
    ("cpu", "CPU use of the extractor", "cores"),
    ("memory", "Main memory that is free", "GiB"),
    ("disk", "Disk space that is free", "GiB"),
)
Key = tuple[str, str, str, str]
"""Chart, label, unit, how."""


class Telemetry:
    """Adds samples up in bins of equal length; holds one figure a bin and curve."""

    def __init__(self, bin_seconds: float) -> None:
        self._bin = max(1.0, bin_seconds)
        self._bins: dict[int, dict[Key, _Sum]] = {}
        self.devices: dict[int, DeviceUse] = {}
        """By index, over the whole run."""
        self.least_memory: float | None = None
        """Bytes of main memory that were free at the worst moment."""
        self.least_disk: dict[str, float] = {}
        """By role: bytes that were free at the worst moment."""

    def add(self, moment: float, sample: dict[str, Any]) -> None:
        bins = self._bins.setdefault(int(moment // self._bin), {})
        for device in items(sample.get("devices"))[:MOST_DEVICES]:
            self._add_device(bins, table(device))
        host = table(sample.get("host"))
        cpu = number(host.get("cpu_percent"))
        if cpu is not None:
            _put(bins, ("cpu", "CPU", "cores", "mean"), cpu / 100)
        free = number(host.get("ram_available"))
        if free is not None:
            _put(bins, ("memory", "free", "GiB", "min"), free / GIB)
            self.least_memory = free if self.least_memory is None else min(free, self.least_memory)
        for role, room in list(table(host.get("disk_free")).items())[:4]:
            room, role = number(room), text(role, 20)
            if room is not None:
                _put(bins, ("disk", _ROLES.get(role, role), "GiB", "min"), room / GIB)
                self.least_disk[role] = min(room, self.least_disk.get(role, room))

    def _add_device(self, bins: dict[Key, _Sum], device: dict[str, Any]) -> None:
        index = number(device.get("index"))
        if index is None:
            return
        use = self.devices.setdefault(int(index), DeviceUse(int(index)))
        use.name, use.total = (
            text(device.get("name"), 80) or use.name,
            number(device.get("total")) or use.total,
        )
        name = f"GPU {int(index)}"
        for key, chart, unit, how in _OF_A_DEVICE:
            value = number(device.get(key))
            if value is None:
                continue
            use.add(key, value)
            shown = value / GIB if unit == "GiB" else value
            _put(bins, (chart, f"{name} {_LABELS[key]}".strip(), unit, how), shown)
        reasons = [text(reason, 40) for reason in items(device.get("throttle"))]
        use.throttled.update(reason for reason in reasons if reason and reason not in _HARMLESS)

    def charts(self) -> list[Chart]:
        """Those that have anything to show."""
        numbers = _with_gaps(sorted(self._bins))
        found = []
        for id_, title, unit in _CHARTS:
            keys = sorted({key for bins in self._bins.values() for key in bins if key[0] == id_})
            if not keys:
                continue
            chart = Chart(id_, title, unit, [round((n + 0.5) * self._bin, 1) for n in numbers])
            for key in keys:
                values = [self._bins.get(n, {}).get(key) for n in numbers]
                chart.curves.append(
                    Curve(key[1], key[2], [None if v is None else round(v.value, 2) for v in values])
                )
            found.append(chart)
        return found


@dataclass(slots=True)
class DeviceUse:
    """One card over the whole run; memory in bytes, None where it was not measured."""

    index: int
    name: str = ""
    total: float = 0.0
    busy: _Sum = field(default_factory=lambda: _Sum("mean"))
    """Percent."""
    most_used: float | None = None
    hottest: float | None = None
    """Degrees Celsius."""
    throttled: set[str] = field(default_factory=set)

    def add(self, key: str, value: float) -> None:
        """A reading of NVML's by the sample's key."""
        if key == "utilisation":
            self.busy.add(value)
        elif key == "temperature":
            self.hottest = max(value, self.hottest or value)
        else:
            self.most_used = max(value, self.most_used or value)


_OF_A_DEVICE = (
    ("utilisation", "gpu", "%", "mean"),
    ("temperature", "gpu", "°C", "max"),
    ("used", "vram", "GiB", "max"),
)
_LABELS = {"utilisation": "use", "temperature": "temperature", "used": ""}
_ROLES = {"input": "of the frames", "output": "of the faceset", "temp": "for temporary files"}
_HARMLESS = frozenset({"gpu_idle", "application_clocks", "display_clocks"})


def _put(bins: dict[Key, _Sum], key: Key, value: float) -> None:
    bins.setdefault(key, _Sum(key[3])).add(value)


def _with_gaps(numbers: Sequence[int]) -> list[int]:
    """Where bins are missing in a row, one empty bin: it breaks the line."""
    found: list[int] = []
    for number_ in numbers:
        if found and number_ - found[-1] > GAP:
            found.append(found[-1] + 1)
        found.append(number_)
    return found


def rate(points: Sequence[Point], starts: Iterable[float], busy: float) -> Chart:
    """Frames per second between points; starts: of the sessions, between which nothing was done. busy: seconds."""
    chart = Chart("rate", "Speed", "frames/s", curves=[Curve("speed", "frames/s")])
    begun, values = sorted(starts), chart.curves[0].values
    least = busy / MOST_POINTS
    last: Point | None = None
    for point in points:
        if last is not None and any(last.time < start <= point.time for start in begun):
            chart.times.append(point.time)
            values.append(None)
            last = None
        if last is None:
            last = point
        elif point.time - last.time >= max(1.0, least):
            chart.times.append(round(point.time, 1))
            values.append(round(max(0, point.done - last.done) / (point.time - last.time), 2))
            last = point
    return chart
