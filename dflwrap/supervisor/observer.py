"""What is measured beside the attempts, and the waiting that depends on it."""

from __future__ import annotations

import queue
import time
from dataclasses import replace
from pathlib import Path

from dflwrap.common.memory import MemoryFacts
from dflwrap.common.retrying import wait_for_bytes
from dflwrap.common.storage import short_of_inodes
from dflwrap.common.telemetry import DeviceInfo, TelemetrySummary
from dflwrap.ledger.ledger import Ledger
from dflwrap.planning.decision import DiskCondition, VramCondition, Wait
from dflwrap.planning.fit import GpuHeadroom
from dflwrap.supervisor.process.tree import ProcessTree
from dflwrap.supervisor.stop_request import Control
from dflwrap.telemetry.base import DeviceSample, GpuReader, Sample
from dflwrap.telemetry.host import HostReader, free_space, total_space
from dflwrap.telemetry.limits import count_since, oom_kills
from dflwrap.telemetry.recorder import Recorder

WRITE_EVERY = 5.0
"""Seconds between two writes of gathered samples into the ledger: each write is flushed to the disk."""


class Observer:
    """One recorder per attempt; samples reach the ledger from the supervisor's own thread."""

    def __init__(self, ledger: Ledger, folders: dict[str, Path], gpu: GpuReader) -> None:
        self._ledger, self._folders, self._gpu = ledger, folders, gpu
        self._samples: queue.SimpleQueue[Sample] = queue.SimpleQueue()
        self._attempt: int | None = None
        self._recorder: Recorder | None = None
        self._summary: TelemetrySummary | None = None
        self._next_write = 0.0
        self._kills_before: int | None = None

    def devices(self) -> tuple[DeviceInfo, ...]:
        return tuple(DeviceInfo(d.index, d.name, d.total, d.drives_display) for d in self._gpu.describe())

    def rooms(self) -> tuple[GpuHeadroom, ...]:
        """Free video memory of each GPU now."""
        display = {d.index: d.drives_display for d in self._gpu.describe()}
        return tuple(
            GpuHeadroom(s.index, s.total, s.free, display.get(s.index, False))
            for s in self._gpu.sample()
            if s.total is not None and s.free is not None
        )

    def driver(self) -> str:
        """Version of the NVIDIA driver; empty without one."""
        return next((d.driver for d in self._gpu.describe()), "")

    @property
    def why_no_gpu(self) -> str | None:
        return self._gpu.why_not

    def begin(self, attempt: int) -> None:
        """Start sampling; the first sample shows the machine before the attempt."""
        self._attempt = attempt
        self._kills_before = oom_kills()
        self._recorder = Recorder(self._gpu, HostReader(self._folders), self._samples.put)
        self._recorder.start(first_sample_within=1.0)

    def watch(self, tree: ProcessTree) -> None:
        """Called about once a second while an attempt runs."""
        if self._recorder is not None:
            self._recorder.watch(tree.pid)
        if time.monotonic() >= self._next_write:
            self._write()

    def steady(self) -> None:
        if self._recorder is not None:
            self._recorder.steady()

    def end(self) -> None:
        if self._recorder is not None:
            # Read after the end: a process may be killed between two samples.
            kills = count_since(self._kills_before, oom_kills())
            self._summary = replace(self._recorder.stop(), oom_kills=kills)
            self._recorder = None
        self._write()
        self._attempt = None

    def _write(self) -> None:
        self._next_write = time.monotonic() + WRITE_EVERY
        samples = []
        for _ in range(self._samples.qsize()):
            samples.append(self._samples.get_nowait())
        if samples:
            self._ledger.add_samples(self._attempt, [(s.time, s.to_dict()) for s in samples])

    def latest(self) -> Sample | None:
        """The latest sample of the running attempt."""
        return self._recorder.latest if self._recorder is not None else None

    def gpus(self) -> tuple[DeviceSample, ...]:
        """The latest readings of the running attempt."""
        latest = self._recorder.latest if self._recorder is not None else None
        return tuple(latest.devices) if latest is not None else ()

    def close(self) -> None:
        self._gpu.close()

    def summary(self) -> TelemetrySummary | None:
        """Of the last attempt."""
        return self._summary

    def memory(self) -> MemoryFacts | None:
        """Of the last attempt."""
        return self._summary.memory if self._summary is not None else None

    def so_far(self) -> TelemetrySummary | None:
        """Of the running attempt."""
        return self._recorder.summary() if self._recorder is not None else None

    def wait(self, step: Wait, control: Control) -> bool:
        """Wait until the condition holds. False when the timeout passed or the user stopped the run."""
        match step.until:
            case VramCondition() as vram:
                needed = vram.free

                def read_free() -> int | None:
                    return self._free_vram(vram.device)
            case DiskCondition() as disk:
                folder = self._folders.get(disk.role)
                total = total_space(folder) if folder else None
                needed = min(disk.free, total // 10) if total else disk.free

                def read_free() -> int | None:
                    return _free_for_files(folder) if folder else None

        return wait_for_bytes(
            read_free,
            needed,
            bound=step.bound,
            first=step.first,
            longest=step.longest,
            stop=control.stop_event,
        )

    def _free_vram(self, device: int) -> int | None:
        return next((s.free for s in self._gpu.sample() if s.index == device), None)


def _free_for_files(folder: Path) -> int | None:
    """Free bytes, none of them where the disk takes few further files."""
    return 0 if short_of_inodes(folder) else free_space(folder)
