"""Opens the GPU reader that fits this machine: NVML behind timeouts, on Windows with the performance counter."""

from __future__ import annotations

import sys

from dflwrap.telemetry.base import GpuReader, NoGpu
from dflwrap.telemetry.bounded import CALL_TIMEOUT, START_TIMEOUT, BoundedReader
from dflwrap.telemetry.nvml import NvmlReader
from dflwrap.telemetry.windows_pdh import SHARED, PdhCounter, PdhFilledReader


def open_gpu(*, start_timeout: float = START_TIMEOUT, call_timeout: float = CALL_TIMEOUT) -> GpuReader:
    """A reader that never raises and never blocks longer than its timeouts (seconds).

    Without an NVIDIA GPU it is one whose `why_not` says so.
    """
    reader = BoundedReader(_make, start_timeout=start_timeout, call_timeout=call_timeout)
    return reader if reader.refused is None else NoGpu(reader.refused)


def _make() -> GpuReader:
    reader: GpuReader = NvmlReader()
    if sys.platform == "win32":
        try:
            return PdhFilledReader(reader, PdhCounter(), PdhCounter(SHARED))
        except OSError:
            return reader
    return reader
