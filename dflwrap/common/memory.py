"""What was measured of the main memory over one attempt, and whether it was short."""

from __future__ import annotations

from dataclasses import dataclass

GIB = 1024**3
PLENTY = 4 * GIB
"""Free bytes (a worker of DFL holds 0.8 GB) at which no process is killed because memory ran out; of a machine or
container under twice as large, half of it."""
KILLERS_SHARE = 0.15
"""Share of the memory left at which killers other than the kernel's act: earlyoom at 10 % by default, systemd-oomd
by the pressure that comes with it. One sample a second may miss the lowest point, hence some more."""


@dataclass(frozen=True, slots=True)
class MemoryFacts:
    """Bytes; of the machine or of the container, whichever is less. None: not measured."""

    available_min: int | None = None
    total: int | None = None
    oom_kills: int | None = None
    """Processes that the kernel's out-of-memory killer ended meanwhile, by its own count."""

    @property
    def short(self) -> bool | None:
        """Whether memory was short enough to kill for it; None where nothing tells."""
        if self.oom_kills:
            return True
        if self.available_min is None:
            return None
        plenty = PLENTY if self.total is None else min(PLENTY, self.total // 2)
        if self.oom_kills == 0 and self.total is not None:  # then at most another killer than the kernel's
            plenty = min(plenty, int(self.total * KILLERS_SHARE))
        return self.available_min < plenty

    @property
    def sentence(self) -> str:
        """Like "at least 21.0 of 23.5 GiB of memory were free"; "" where nothing was measured."""
        words = []
        if self.oom_kills:
            count = "a process" if self.oom_kills == 1 else f"{self.oom_kills} processes"
            words.append(f"the kernel's out-of-memory killer ended {count}")
        if self.available_min is not None:
            total = "" if self.total is None else f" of {self.total / GIB:.1f}"
            least = "only" if self.short else "at least"
            words.append(f"{least} {self.available_min / GIB:.1f}{total} GiB of memory were free")
        return "; ".join(words)
