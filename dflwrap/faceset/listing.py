"""The files of a faceset folder with their sizes and times, in few bytes each: there may be a hundred thousand."""

from __future__ import annotations

import os
import stat
from array import array
from collections.abc import Callable, Iterable
from pathlib import Path

from dflwrap.common.waits import heeding, never
from dflwrap.frames.names import stem_and_suffix

FACE_SUFFIXES = frozenset({".jpg", ".jpeg"})
PAK = "faceset.pak"
"""The one file that DeepFaceLab's pack makes of a faceset."""

Stamp = tuple[int, int]
"""Size in bytes and modification time in ns."""


class Listing:
    """A folder as it was listed; what was recognised is taken out, and the rest looked at."""

    def __init__(self, folder: Path, stopping: Callable[[], bool] = never) -> None:
        """Raises OSError where it cannot be listed, StoppedError when `stopping` says so."""
        self.folder = folder
        self.pak = False
        """There is a packed faceset."""
        self._places: dict[str, int] = {}
        self._sizes, self._times = array("q"), array("q")
        with os.scandir(folder) as entries:
            # One at a time: each keeps half a kilobyte of what it is asked.
            for entry in heeding(stopping, entries):
                self.pak |= entry.name == PAK
                size, time = _stamp(entry)
                self._places[entry.name] = len(self._sizes)
                self._sizes.append(size)
                self._times.append(time)

    def stamp(self, name: str) -> Stamp | None:
        """None for what is not there, is no file (a link is none), or cannot be looked at."""
        place = self._places.get(name)
        if place is None or self._sizes[place] < 0:
            return None
        return self._sizes[place], self._times[place]

    def take_out(self, name: str) -> None:
        del self._places[name]

    def take_out_same(self, stamps: Iterable[tuple[str, int, int]]) -> None:
        """Take out the files that are as recorded: (name, size, modification time in ns)."""
        for name, *recorded in stamps:
            if self.stamp(name) == tuple(recorded):
                self.take_out(name)

    def faces(self) -> list[str]:
        """Names of what is left and may be a face, sorted."""
        return sorted(name for name in self._places if stem_and_suffix(name)[1] in FACE_SUFFIXES)


def _stamp(entry: os.DirEntry[str]) -> Stamp:
    """A size of -1 for what is no file, or cannot be looked at."""
    try:
        info = entry.stat(follow_symlinks=False)
    except OSError:
        return -1, 0
    if not stat.S_ISREG(info.st_mode):
        return -1, 0
    is_recordable = abs(info.st_mtime_ns) < 2**63  # the year is one that a ledger can hold
    return info.st_size, info.st_mtime_ns if is_recordable else 0
