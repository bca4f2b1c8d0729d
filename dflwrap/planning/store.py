"""What one worker needed on this machine, remembered between runs (the user's cache folder, JSON).

Losing the file costs nothing but a careful start, so whatever is wrong with it is no error: it is read as
empty, and rewritten.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

VERSION = 1
MOST_ENTRIES = 200
SIDE_BUCKETS = (640, 1280, 1920, 2560, 3840, 7680)
"""Longest sides in pixels; a frame counts as the next larger one."""


@dataclass(frozen=True, slots=True)
class PeakKey:
    """What the memory of a worker depends on."""

    device: str
    """Name of the GPU, or "CPU"."""
    driver: str
    extractor: str
    """Name and build, e.g. "deepfacelab 46fc239 tf2.4.0"."""
    longest_side: int
    """Pixels."""

    def text(self) -> str:
        side = next((s for s in SIDE_BUCKETS if self.longest_side <= s), 10**5)
        return "|".join((self.device, self.driver, self.extractor, str(side)))


@dataclass(frozen=True, slots=True)
class Peak:
    """Most memory that one worker held, bytes; None = not measured."""

    vram: int | None = None
    ram: int | None = None


class Remembered:
    """A table of entries in a file of the user's cache. Every failure of the disk is swallowed: it is a convenience."""

    table: str
    """What the file and its table are named."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or Path(platformdirs.user_cache_dir("dflwrap")) / f"{self.table}.json"

    def _read(self) -> dict[str, Any]:
        try:
            data = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        if not isinstance(data, dict) or data.get("version") != VERSION:
            return {}
        entries = data.get(self.table)
        return entries if isinstance(entries, dict) else {}

    def _keep(self, entries: dict[str, Any]) -> bool:
        """The newest entries; False if they could not be written."""
        newest = dict(list(entries.items())[-MOST_ENTRIES:])
        return _write(self.path, {"version": VERSION, self.table: newest})


class PeakStore(Remembered):
    """Remembered peaks."""

    table = "peaks"

    def get(self, key: PeakKey) -> Peak | None:
        entry = self._read().get(key.text())
        return _peak(entry) if entry is not None else None

    def remember(self, key: PeakKey, peak: Peak) -> bool:
        """Keep the larger of what is known and `peak`; False if it could not be written."""
        entries = self._read()
        old = _peak(entries.pop(key.text(), None)) or Peak()
        kept = Peak(_larger(old.vram, peak.vram), _larger(old.ram, peak.ram))
        entries[key.text()] = {"vram": kept.vram, "ram": kept.ram}
        return self._keep(entries)


def _write(path: Path, data: dict[str, Any]) -> bool:
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=".json")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(data, file, indent=1)
        Path(temporary).replace(path)
    except OSError:
        if temporary is not None:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
        return False
    return True


def _peak(entry: object) -> Peak | None:
    if not isinstance(entry, dict):
        return None
    return Peak(_bytes(entry.get("vram")), _bytes(entry.get("ram")))


def _bytes(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _larger(a: int | None, b: int | None) -> int | None:
    known = [x for x in (a, b) if x is not None]
    return max(known) if known else None
