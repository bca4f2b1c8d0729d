"""Frames that are told of while the pool works: DeepFaceLab has listed its input folder by then."""
# mypy: ignore-errors

import copy

from .shared import control_file


class FrameStream:
    """Makes entries of DeepFaceLab's list out of the control file's `frames`.

    Each is a copy of the first (untouched) entry with another path: the class of the entries may differ between forks.
    """

    def __init__(self, frames, entries, is_open, console):
        """frames: the FrameQueue. entries: what DeepFaceLab has listed. is_open: more will be told of."""
        self._frames, self._console = frames, console
        frames.untried.more_to_come = is_open and bool(entries)
        self._pattern = copy.deepcopy(entries[0]) if frames.untried.more_to_come else None

    def take(self, message):
        """Do what a message says; the number of frames that were added."""
        added = 0
        if message["type"] == control_file.FRAMES and self._pattern is not None:
            added = len(self._frames.untried.come([self._entry(name) for _, name in message["names"]]))
            self._lengthen_bar(added)
        elif message["type"] == control_file.FRAMES_END:
            self._frames.untried.more_to_come = False
        return added

    def _entry(self, name):
        entry = copy.deepcopy(self._pattern)
        entry.filepath = entry.filepath.with_name(name)
        return entry

    def _lengthen_bar(self, added):
        bar = getattr(self._console, "pg_bar", None)
        if isinstance(getattr(bar, "total", None), int):
            bar.total += added
