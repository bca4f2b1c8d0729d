"""What this process may really use: cores and RAM under the limits of a container (Linux control groups).

`os.cpu_count()` and psutil show the whole machine; in a container with a limit, a plan made for the machine is
killed. Version 2 and version 1 of control groups are read; elsewhere, and without limits, the machine counts.
"""

from __future__ import annotations

import contextlib
import math
import os
from dataclasses import dataclass
from pathlib import Path

import psutil

CGROUP_ROOT = Path("/sys/fs/cgroup")
SELF = Path("/proc/self/cgroup")
VMSTAT = Path("/proc/vmstat")
_UNLIMITED = 2**60
"""Version 1 writes a number near 2**63 where there is no limit."""


@dataclass(frozen=True, slots=True)
class Memory:
    """RAM in bytes: that of the machine or of the container, whichever is less."""

    total: int
    available: int


def usable_cores(root: Path = CGROUP_ROOT, self_file: Path = SELF) -> int:
    """Cores this process may use: its affinity, and the container's CPU quota rounded up; at least 1."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on Windows and macOS
    cores = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    for folder in _folders(root, self_file, "cpu"):
        quota = _quota(folder)
        if quota is not None:
            cores = min(cores, max(1, math.ceil(quota)))
    return max(1, cores)


def usable_memory(root: Path = CGROUP_ROOT, self_file: Path = SELF) -> Memory:
    """RAM this process may use. Raises nothing that psutil does not raise."""
    machine = psutil.virtual_memory()
    total, available = int(machine.total), int(machine.available)
    for folder in _folders(root, self_file, "memory"):
        found = _memory(folder)
        if found is not None:
            total, available = min(total, found.total), min(available, found.available)
    return Memory(total, available)


def oom_kills(root: Path = CGROUP_ROOT, self_file: Path = SELF, vmstat: Path = VMSTAT) -> int | None:
    """Processes that the kernel's out-of-memory killer has ended so far; None where it does not tell.

    Of this process's own control group, which the extractor shares; of the whole machine where that is not
    counted. Other killers (earlyoom, systemd-oomd, a person) are not in it.
    """
    for folder in _folders(root, self_file, "memory"):
        for name in ("memory.events", "memory.oom_control"):
            count = _counter(folder / name, "oom_kill")
            if count is not None:
                return count
    return _counter(vmstat, "oom_kill")


def count_since(before: int | None, now: int | None) -> int | None:
    """What was counted between two readings; None where one of them is not known."""
    return None if before is None or now is None or now < before else now - before


def _counter(path: Path, name: str) -> int | None:
    words = _words(path)
    return _number(dict(zip(words[::2], words[1::2], strict=False)).get(name, ""))


def _folders(root: Path, self_file: Path, controller: str) -> list[Path]:
    """The folders of this process's groups, its own first, then those above it: each may set a limit."""
    found: list[Path] = []
    try:
        lines = self_file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return found
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers == "":
            base = root
        elif controller in controllers.split(","):
            base = root / controller
        else:
            continue
        parts = [part for part in path.split("/") if part not in ("", ".", "..")]
        # In a container the path may be the host's, and the container's own group is mounted at the root.
        found += [base.joinpath(*parts[:length]) for length in range(len(parts), -1, -1)]
    return found


def _quota(folder: Path) -> float | None:
    """Cores by cpu.max (version 2) or cpu.cfs_quota_us (version 1)."""
    both = _words(folder / "cpu.max")
    if len(both) == 2:
        quota, period = _number(both[0]), _number(both[1])
    else:
        quota = _number("".join(_words(folder / "cpu.cfs_quota_us")))
        period = _number("".join(_words(folder / "cpu.cfs_period_us")))
    return quota / period if quota and period and quota > 0 else None


def _memory(folder: Path) -> Memory | None:
    for limit_name, used_name, cache in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        limit = _number("".join(_words(folder / limit_name)))
        used = _number("".join(_words(folder / used_name)))
        if limit is None or used is None or not 0 < limit < _UNLIMITED:
            continue
        words = _words(folder / "memory.stat")
        stat = dict(zip(words[::2], words[1::2], strict=False))
        held = used - (_number(stat.get(cache, "")) or 0)  # file cache is given back when needed
        return Memory(limit, max(0, limit - max(0, held)))
    return None


def _words(path: Path) -> list[str]:
    with contextlib.suppress(OSError, UnicodeError):
        return path.read_text(encoding="ascii").split()
    return []


def _number(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None
