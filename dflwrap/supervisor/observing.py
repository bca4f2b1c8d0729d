"""What is measured beside the attempts, and the waiting that depends on it."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Protocol

import psutil

from dflwrap.ledger.ledger import Ledger
from dflwrap.planning.decision import DiskCondition, VramCondition, Wait
from dflwrap.planning.types import TelemetrySummary
from dflwrap.planning.waiting import wait_for_disk, wait_for_vram
from dflwrap.supervisor.control import Control
from dflwrap.supervisor.tree import ProcessTree, Vitals

SAMPLE_EVERY = 5.0
"""Seconds between two samples of the process tree that are kept in the ledger."""


class GpuReader(Protocol):
    """The one figure that waiting needs."""

    def free_memory(self, device: int) -> int | None:
        """Free bytes of a GPU now; None where it cannot be read."""
        ...


class Observer:
    """Records vitals of the tree and of the host during attempts; waits for conditions between them."""

    def __init__(self, ledger: Ledger, folders: dict[str, Path], gpu: GpuReader | None = None) -> None:
        self._ledger = ledger
        self._folders = folders
        self._gpu = gpu
        self._attempt: int | None = None
        self._next = 0.0
        self._ram_before: int | None = None
        self._ram_min: int | None = None
        self._rss_peak = 0

    def begin(self, attempt: int) -> None:
        self._attempt, self._next, self._rss_peak = attempt, 0.0, 0
        self._ram_before = self._ram_min = int(psutil.virtual_memory().available)

    def end(self) -> None:
        self._attempt = None

    def vitals(self, tree: ProcessTree, vitals: Vitals) -> None:
        available = int(psutil.virtual_memory().available)
        self._ram_min = min(self._ram_min or available, available)
        self._rss_peak = max(self._rss_peak, vitals.rss_largest)
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + SAMPLE_EVERY
        body = {
            "processes": vitals.processes,
            "cpu_seconds": round(vitals.cpu_seconds, 2),
            "rss": vitals.rss,
            "rss_largest": vitals.rss_largest,
            "ram_available": available,
            "disk_free": self._disk_free(),
        }
        self._ledger.add_sample(self._attempt, time.time(), body)

    def summary(self) -> TelemetrySummary:
        return TelemetrySummary(
            ram_total=int(psutil.virtual_memory().total),
            ram_available_before=self._ram_before,
            ram_available_min=self._ram_min,
            worker_rss_peak=self._rss_peak or None,
            disk_free=self._disk_free(),
        )

    def _disk_free(self) -> dict[str, int]:
        free = {}
        for role, folder in self._folders.items():
            try:
                free[role] = shutil.disk_usage(folder).free
            except OSError:
                continue
        return free

    def wait(self, step: Wait, control: Control) -> bool:
        """Wait until the condition holds. False when the bound passed or the user stopped the run."""
        until = step.until
        match until:
            case VramCondition():
                device = until.device
                waited = wait_for_vram(
                    lambda: self._gpu.free_memory(device) if self._gpu else None,
                    until.free,
                    bound=step.bound,
                    first=step.first,
                    longest=step.longest,
                    stop=control.stop_event,
                )
            case DiskCondition():
                role = until.role
                waited = wait_for_disk(
                    lambda: self._disk_free().get(role),
                    until.free,
                    bound=step.bound,
                    first=step.first,
                    longest=step.longest,
                    stop=control.stop_event,
                )
        return waited.met
