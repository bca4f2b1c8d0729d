"""Folders whose growth is a sign of life."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

LOOK_EVERY = 3.0
"""Seconds between two looks at the output folders; longer where a look is slow."""
LOOK_SHARE = 0.01
"""Share of the time that looks may cost: a folder can hold 100,000 faces."""
LONGEST_PAUSE = 60.0
"""Seconds between two looks at most. A look during which the computer slept was not slow."""


class OutputFolders:
    """Tells whether files appeared, vanished or were written since the last look. One scan, not recursive."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = tuple(folders)
        self._seen = self._scan()
        self._next = 0.0

    def changed(self, now: float) -> bool:
        """Look, if it is time to (`now`: seconds on any steady clock)."""
        if now < self._next:
            return False
        began = time.perf_counter()
        seen = self._scan()
        pause = (time.perf_counter() - began) / LOOK_SHARE
        self._next = now + min(max(LOOK_EVERY, pause), LONGEST_PAUSE)
        changed = seen != self._seen
        self._seen = seen
        return changed

    def _scan(self) -> tuple[int, int, int]:
        """Number of files, newest change (ns), bytes in all."""
        count = newest = size = 0
        for folder in self._folders:
            try:
                with os.scandir(folder) as entries:
                    for entry in entries:
                        count += 1
                        try:
                            status = entry.stat(follow_symlinks=False)
                        except OSError:
                            continue
                        newest, size = max(newest, status.st_mtime_ns), size + status.st_size
            except OSError:
                continue
        return count, newest, size


def folder_size(folder: Path) -> int:
    """Bytes in a folder tree; what vanishes meanwhile counts nothing."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(root, name)).st_size  # noqa: PTH118
            except OSError:
                continue
    return total
