"""Small pictures within a budget of bytes and of time; every image is decoded in a child process."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dflwrap.common.trees import is_link
from dflwrap.frames.conversion import ConversionError, Converter, SourceUnreadError, Thumbnail

BUDGET = 1_500_000
"""Bytes of all pictures of a page together, as they stand in it."""
FRAME_SIDE, FACE_SIDE = 240, 112
"""Pixels of the longest side."""
QUALITY = 62
"""Of WebP: a face of 112 pixels takes 2 to 3 KB."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What stands in the page."""

    uri: str
    width: int
    height: int
    alt: str
    caption: str = ""
    note: str = ""


class Album:
    """Makes pictures until the budget or the time is used up; what cannot be shown is left out."""

    def __init__(self, converter: Converter, seconds: float, budget: int = BUDGET) -> None:
        self._converter, self._left = converter, budget
        self._until = time.monotonic() + seconds
        self._seen: dict[tuple[Path, int], Thumbnail | None] = {}

    @property
    def used_up(self) -> bool:
        """No further picture will come."""
        return time.monotonic() > self._until or self._left <= 0

    def look(self, path: Path, side: int) -> Thumbnail | None:
        """The picture without a place in the page: for its sharpness. None where it cannot be had."""
        key = (path, side)
        if key not in self._seen:
            self._seen[key] = None
            if time.monotonic() <= self._until and path.is_file() and not is_link(path):
                with suppress(ConversionError, SourceUnreadError, OSError, ValueError):
                    self._seen[key] = self._converter.thumbnail(path, side, QUALITY)
        return self._seen[key]

    def add(self, path: Path, side: int, *, alt: str, caption: str = "", note: str = "") -> Picture | None:
        """A picture for the page; None where it cannot be had, or has no room."""
        found = self.look(path, side)
        if found is None:
            return None
        uri = f"data:image/webp;base64,{found.webp}"
        if len(uri) > self._left:
            return None
        self._left -= len(uri)
        return Picture(uri, found.width, found.height, alt, caption, note)
