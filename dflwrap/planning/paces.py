"""How fast frames were extracted on this machine, remembered between runs, for a forecast."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from dflwrap.planning.store import PeakKey, Remembered

LEAST_FRAMES = 20
"""Of a run, before its pace tells anything."""


@dataclass(frozen=True, slots=True)
class Measured:
    """How quick the last run on this device was."""

    extractor: str
    device: str
    rate: float
    """Frames per second, all workers together."""


class PaceStore(Remembered):
    """Remembered paces; a later run of the same kind replaces the one before."""

    table = "paces"

    def remember(self, extractor: str, device: str, longest_side: int, rate: float, frames: int) -> bool:
        """longest_side: of the frames, pixels. rate: frames/s. False where it is not kept."""
        if frames < LEAST_FRAMES or not rate > 0:
            return False
        entries = self._read()
        key = PeakKey(device, "", extractor, longest_side).text()
        entries.pop(key, None)
        entries[key] = {"extractor": extractor, "device": device, "rate": rate, "at": time.time()}
        return self._keep(entries)

    def latest(self, longest_side: int) -> Measured | None:
        """The last one measured with frames of about this size."""
        side = PeakKey("", "", "", longest_side).text().rpartition("|")[2]
        for key, entry in reversed(self._read().items()):
            if key.rpartition("|")[2] != side or not isinstance(entry, dict):
                continue
            rate = entry.get("rate")
            if isinstance(rate, float) and math.isfinite(rate) and rate > 0:
                return Measured(str(entry.get("extractor", "")), str(entry.get("device", "")), rate)
        return None
