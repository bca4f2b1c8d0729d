"""Frames that are told of while the pool works: DeepFaceLab has listed its input folder by then."""
# mypy: ignore-errors

import copy
import pathlib

from .shared import control_file


def take_pattern(entries):
    """A copy of the first entry of DeepFaceLab's list, None where there is none; an entry that is no frame goes."""
    pattern = copy.deepcopy(entries[0]) if entries else None
    entries[:] = [entry for entry in entries if entry.filepath.name != control_file.NO_FRAME]
    return pattern


class FrameStream:
    """Makes entries of DeepFaceLab's list out of the control file's `frames`.

    Each is a copy of the first (untouched) entry with another path: the class of the entries may differ between forks.
    """

    def __init__(self, frames, pattern, is_open, console):
        """frames: the FrameQueue. pattern: an entry of DeepFaceLab's. is_open: more will be told of."""
        self._frames, self._pattern, self._console = frames, pattern, console
        frames.untried.more_to_come = is_open and pattern is not None

    def take(self, message):
        """Do what a message says; the number of frames that were added."""
        added = 0
        if message["type"] == control_file.FRAMES and self._pattern is not None:
            folder = message.get("folder")
            entries = [self._entry(name, folder) for _, name in message["names"]]
            added = len(self._frames.untried.come(entries))
            self._lengthen_bar(added)
        elif message["type"] == control_file.FRAMES_END:
            self._frames.untried.more_to_come = False
        return added

    def _entry(self, name, folder):
        entry = copy.deepcopy(self._pattern)
        if folder is None:
            entry.filepath = entry.filepath.with_name(name)
        else:
            entry.filepath = pathlib.Path(control_file.path_of(folder, name))
        return entry

    def _lengthen_bar(self, added):
        bar = getattr(self._console, "pg_bar", None)
        if isinstance(getattr(bar, "total", None), int):
            bar.total += added
