"""Host readings through psutil: RAM, swap, disks, and the extractor's process tree."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

from dflwrap.telemetry.base import HostSample, ProcessSample
from dflwrap.telemetry.limits import usable_memory

WALK_EVERY = 2.0
"""Seconds between two searches for new processes of the tree, at least."""
WALK_SHARE = 400.0
"""A search reads every process of the machine: it may take a 400th of the time (0.25 % of a core)."""
LONGEST_PAUSE = 60.0
"""Seconds between two searches, at most."""
DISK_EVERY = 5.0
"""Seconds between two measurements of free room."""


class HostReader:
    """Reads the machine and one process tree. No method raises."""

    def __init__(self, folders: Mapping[str, Path] | None = None) -> None:
        """folders: by role ("input", "output", "temp"); a folder that does not exist yet counts as the one
        above it."""
        self._folders = dict(folders or {})
        self._root: psutil.Process | None = None
        self._tree: dict[int, psutil.Process] = {}
        self._walk_due = 0.0
        self._cpu: dict[int, float] = {}
        self._cpu_time: float | None = None
        self._disk: dict[str, int] = {}
        self._disk_due = 0.0

    def watch(self, pid: int | None) -> None:
        """Read the tree of this process from now on (None: of none)."""
        self._root, self._tree, self._cpu, self._cpu_time = None, {}, {}, None
        self._walk_due = 0.0
        if pid is not None:
            with contextlib.suppress(psutil.Error, OSError):
                self._root = psutil.Process(pid)

    def sample(self) -> HostSample:
        memory = swap = None
        with contextlib.suppress(psutil.Error, OSError, RuntimeError):
            memory = usable_memory()
        with contextlib.suppress(psutil.Error, OSError, RuntimeError):
            swap = psutil.swap_memory()
        self._walk()
        processes, cpu = self._processes()
        return HostSample(
            ram_total=None if memory is None else memory.total,
            ram_available=None if memory is None else memory.available,
            swap_total=None if swap is None else int(swap.total),
            swap_free=None if swap is None else int(swap.free),
            disk_free=self._disks(),
            cpu_percent=cpu,
            processes=processes,
        )

    def _walk(self) -> None:
        """Look for processes of the tree that are new; a child of a dead parent stays known."""
        now = time.monotonic()
        if self._root is None or now < self._walk_due:
            return
        began = time.thread_time()
        with contextlib.suppress(psutil.Error, OSError):
            for process in (self._root, *self._root.children(recursive=True)):
                self._tree.setdefault(process.pid, process)
        pause = (time.thread_time() - began) * WALK_SHARE
        self._walk_due = now + min(max(WALK_EVERY, pause), LONGEST_PAUSE)

    def _processes(self) -> tuple[tuple[ProcessSample, ...], float | None]:
        samples, cpu = [], {}
        for pid, process in list(self._tree.items()):
            try:
                with process.oneshot():
                    times, memory = process.cpu_times(), process.memory_info()
            except (psutil.Error, OSError):
                del self._tree[pid]
                continue
            samples.append(ProcessSample(pid, int(memory.rss)))
            cpu[pid] = times.user + times.system
        now = time.monotonic()
        percent = None
        if self._cpu_time is not None and now > self._cpu_time:
            # A new process counts with all it used: it began after the sample before.
            used = sum(max(0.0, seconds - self._cpu.get(pid, 0.0)) for pid, seconds in cpu.items())
            percent = 100 * used / (now - self._cpu_time)
        if self._root is not None:
            self._cpu, self._cpu_time = cpu, now
        return tuple(samples), percent

    def _disks(self) -> dict[str, int]:
        now = time.monotonic()
        if now >= self._disk_due:
            self._disk_due = now + DISK_EVERY
            found = {role: free_space(folder) for role, folder in self._folders.items()}
            self._disk = {role: free for role, free in found.items() if free is not None}
        return dict(self._disk)


def free_space(folder: Path) -> int | None:
    """Free bytes for this user where `folder` is or would be; None if it cannot be told."""
    usage = _usage(folder)
    return usage[0] if usage else None


def total_space(folder: Path) -> int | None:
    """Bytes of the disk where `folder` is or would be; None if it cannot be told."""
    usage = _usage(folder)
    return usage[1] if usage else None


def _usage(folder: Path) -> tuple[int, int] | None:
    for candidate in (folder, *folder.parents):
        try:
            usage = psutil.disk_usage(str(candidate))
        except OSError:
            continue
        return int(usage.free), int(usage.total)
    return None
