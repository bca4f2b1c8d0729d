"""Black-box mode: what became of each frame is read from the private output folder.

DFL writes a frame's faces first and its debug picture last, so a whole debug picture says that the frame
was looked at to the end. What it does not prove: that the landmark stage did not fail silently (DFL
swallows every exception there); only the agent can tell.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

from dflwrap.common.events import Event, EventKind
from dflwrap.frames.names import stem_and_suffix

LOOK_SHARE = 0.01
"""Share of the time that listing the folders may cost: with 20,000 pictures one takes some ten milliseconds."""
LONGEST_PAUSE = 10.0
"""Seconds between two looks at most."""


class OutputWatcher:
    """Turns new whole debug pictures into `frame_done` events."""

    def __init__(self, output: Path, frames: Iterable[str]) -> None:
        self._output = output
        self._debug = output.with_name(output.name + "_debug")
        self._open = {stem_and_suffix(name)[0]: name for name in frames}
        self._next = 0.0

    @property
    def first_open(self) -> str | None:
        """The first frame in DFL's order that has not come back: with one worker, the one in work."""
        return min(self._open.values(), default=None)

    def poll(self, *, at_once: bool = False) -> list[Event]:
        """What is new. Looks as often as that costs little, or `at_once`."""
        began = time.perf_counter()
        if began < self._next and not at_once:
            return []
        events = self._look()
        now = time.perf_counter()
        self._next = now + min((now - began) / LOOK_SHARE, LONGEST_PAUSE)
        return events

    def _look(self) -> list[Event]:
        done = [stem for stem in self._stems(self._debug) if stem in self._open]
        if not done:
            return []
        done = [stem for stem in done if is_whole(self._debug / f"{stem}.jpg")]
        faces = self._faces()
        now = time.time()
        return [
            Event(
                EventKind.FRAME_DONE,
                now,
                None,
                self._open.pop(stem),
                {"faces": sorted(faces.get(stem, []), key=_index)},
            )
            for stem in sorted(done)
        ]

    def _stems(self, folder: Path) -> list[str]:
        try:
            return [name[:-4] for name in os.listdir(folder) if name.endswith(".jpg")]  # noqa: PTH208
        except OSError:
            return []

    def _faces(self) -> dict[str, list[str]]:
        faces: dict[str, list[str]] = {}
        for face in self._stems(self._output):
            stem, _, index = face.rpartition("_")
            if index.isascii() and index.isdigit():
                faces.setdefault(stem, []).append(f"{face}.jpg")
        return faces


def _index(name: str) -> int:
    return int(name[:-4].rpartition("_")[2])


def is_whole(path: Path) -> bool:
    """True when the file ends as a JPEG does."""
    try:
        with path.open("rb") as file:
            if file.seek(0, 2) < 4:
                return False
            file.seek(-2, 2)
            return file.read(2) == b"\xff\xd9"
    except OSError:
        return False
