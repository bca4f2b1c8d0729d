"""Video memory per process on Windows, from the performance counter `GPU Process Memory` (PDH, by ctypes).

Under WDDM the driver does not own video memory, so NVML answers "N/A" for every process; the graphics kernel
of Windows keeps the figures (Windows 10 1709 and later). Importable everywhere, readable on Windows only.
"""

from __future__ import annotations

import ctypes
import re
import sys
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from dflwrap.telemetry.base import DeviceDescription, DeviceSample, GpuReader, ProcessMemory

DEDICATED = r"\GPU Process Memory(*)\Dedicated Usage"
SHARED = r"\GPU Process Memory(*)\Shared Usage"
"""The English names: PDH also knows it on localised systems through PdhAddEnglishCounterW."""

_INSTANCE = re.compile(
    r"^pid_(?P<pid>\d+)_luid_(?P<high>0x[0-9a-f]+)_(?P<low>0x[0-9a-f]+)_phys_(?P<phys>\d+)", re.IGNORECASE
)
_PDH_FMT_LARGE = 0x00000400
_PDH_MORE_DATA = 0x800007D2
_VALID = (0, 1)
"""PDH_CSTATUS_VALID_DATA and PDH_CSTATUS_NEW_DATA."""


class _ValueUnion(ctypes.Union):
    _fields_ = (("long", ctypes.c_int32), ("double", ctypes.c_double), ("large", ctypes.c_int64))


class _Value(ctypes.Structure):
    _fields_ = (("status", ctypes.c_uint32), ("value", _ValueUnion))


class _Item(ctypes.Structure):
    _fields_ = (("name", ctypes.c_wchar_p), ("value", _Value))


def parse_instance(name: str) -> tuple[int, str, int] | None:
    """Process id, adapter (its LUID as "high:low") and physical adapter of a counter instance's name.

    Like "pid_1234_luid_0x00000000_0x0000D1C2_phys_0"; None for anything else.
    """
    match = _INSTANCE.match(name.strip())
    if match is None:
        return None
    adapter = f"{int(match['high'], 16):x}:{int(match['low'], 16):x}"
    return int(match["pid"]), adapter, int(match["phys"])


def by_process(items: Iterable[tuple[str, int]]) -> dict[int, int]:
    """Bytes by process id from (instance name, bytes), summed over adapters."""
    sums: dict[int, int] = {}
    for name, value in items:
        parsed = parse_instance(name)
        if parsed is not None and value >= 0:
            sums[parsed[0]] = sums.get(parsed[0], 0) + value
    return sums


class PdhCounter:
    """A counter, open. Raises OSError where it does not exist (not Windows, an old Windows)."""

    _query: ctypes.c_void_p
    _counter: ctypes.c_void_p

    def __init__(self, name: str = DEDICATED) -> None:
        """Raises OSError."""
        if sys.platform != "win32":
            raise OSError("performance counters exist on Windows only")
        self._pdh: Any = ctypes.WinDLL("pdh")
        self._query = ctypes.c_void_p()
        self._counter = ctypes.c_void_p()
        _check(self._pdh.PdhOpenQueryW(None, None, ctypes.byref(self._query)))
        try:
            _check(self._pdh.PdhAddEnglishCounterW(self._query, name, None, ctypes.byref(self._counter)))
        except OSError:
            self.close()
            raise

    def read(self) -> dict[int, int]:
        """Bytes by process id. Raises OSError."""
        _check(self._pdh.PdhCollectQueryData(self._query))
        size, count = ctypes.c_uint32(0), ctypes.c_uint32(0)
        arguments = (self._counter, _PDH_FMT_LARGE, ctypes.byref(size), ctypes.byref(count))
        status = self._pdh.PdhGetFormattedCounterArrayW(*arguments, None) & 0xFFFFFFFF
        if status != _PDH_MORE_DATA:
            _check(status)
            return {}
        # The names' text follows the items in the same buffer.
        buffer = ctypes.create_string_buffer(size.value)
        _check(self._pdh.PdhGetFormattedCounterArrayW(*arguments, buffer))
        items = ctypes.cast(buffer, ctypes.POINTER(_Item))
        return by_process(
            (items[i].name or "", items[i].value.value.large)
            for i in range(count.value)
            if items[i].value.status in _VALID
        )

    def close(self) -> None:
        if self._query:
            self._pdh.PdhCloseQuery(self._query)
            self._query = ctypes.c_void_p()


class PdhFilledReader:
    """Another reader's samples, with the memory of processes filled in where it had none.

    The counter's adapters cannot be matched with NVML's devices, so a process that is listed on several
    devices keeps None there rather than counting twice.
    """

    def __init__(self, reader: GpuReader, dedicated: PdhCounter, shared: PdhCounter) -> None:
        self._reader = reader
        self._counters: tuple[PdhCounter, PdhCounter] | None = (dedicated, shared)

    @property
    def why_not(self) -> str | None:
        return self._reader.why_not

    def describe(self) -> tuple[DeviceDescription, ...]:
        return self._reader.describe()

    def sample(self) -> tuple[DeviceSample, ...]:
        samples = self._reader.sample()
        if self._counters is None:
            return samples
        dedicated, shared = self._counters
        try:
            return fill(samples, dedicated.read(), shared.read())
        except OSError:
            return samples

    def close(self) -> None:
        self._reader.close()
        for counter in self._counters or ():
            counter.close()
        self._counters = None


def fill(
    samples: tuple[DeviceSample, ...], memory: dict[int, int], shared: dict[int, int]
) -> tuple[DeviceSample, ...]:
    """The samples with `memory` and `shared` (bytes by process id) where a process's memory is None."""
    listed: dict[int, int] = {}
    for sample in samples:
        for process in sample.processes or ():
            listed[process.pid] = listed.get(process.pid, 0) + 1

    def filled(process: ProcessMemory) -> ProcessMemory:
        if process.used is None and listed[process.pid] == 1:
            return ProcessMemory(process.pid, memory.get(process.pid), shared.get(process.pid))
        return process

    return tuple(
        sample
        if sample.processes is None
        else replace(sample, processes=tuple(filled(process) for process in sample.processes))
        for sample in samples
    )


def _check(status: int) -> None:
    if status & 0xFFFFFFFF:
        raise OSError(f"PDH error 0x{status & 0xFFFFFFFF:08X}")
