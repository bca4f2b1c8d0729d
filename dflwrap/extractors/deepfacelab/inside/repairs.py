"""Second tries of frames that failed: as copies that the supervisor prepares while the others go on.

A frame is asked for with a `repair_wanted` event; the answer is a file in the folder DFLWRAP_REPAIRED: the
copy under the frame's own name (whole as soon as it is there), or `<name>.refused` where none can be made.
"""
# mypy: ignore-errors
# ruff: noqa: PTH110, PTH118

import os
import pathlib
import time

REFUSED = ".refused"


class Repairs:
    def __init__(self, settings, reporter):
        self._folder, self._bound = settings.repaired, settings.repair_timeout
        self._reporter = reporter
        self._asked = {}  # frame name -> when
        self._waiting = []  # [(slot, data, report)]: not handed out before their copies are there

    @property
    def waiting(self):
        return bool(self._waiting)

    def ask(self, data):
        """Ask for a copy of a frame. False if nobody answers, or it was asked for before."""
        name = data.filepath.name
        if not self._folder or name in self._asked:
            return False
        self._asked[name] = time.monotonic()
        self._reporter.emit("repair_wanted", frame=name)
        return True

    def wait_for(self, slot, data, report):
        """Ask, and keep the frame here until its copy is there. False as `ask`."""
        if not self.ask(data):
            return False
        self._waiting.append((slot, data, report))
        return True

    def answered(self, data):
        """Whether there is nothing more to wait for."""
        since = self._asked.get(data.filepath.name)
        if since is None or time.monotonic() - since > self._bound:
            return True
        path = self._path(data)
        return os.path.exists(path) or os.path.exists(path + REFUSED)

    def swap(self, data):
        """Let a frame point to its copy, if there is one."""
        if data.filepath.name in self._asked and os.path.exists(self._path(data)):
            data.filepath = pathlib.Path(self._path(data))
        return data

    def ready(self):
        """The next frame whose copy is there, or None."""
        for index, (_slot, data, _report) in enumerate(self._waiting):
            if os.path.exists(self._path(data)):
                del self._waiting[index]
                return self.swap(data)
        return None

    def given_up(self):
        """[(slot, data, report)] of the frames that get no copy; they are not waited for any more."""
        lost = [item for item in self._waiting if self.answered(item[1]) and not self._has_copy(item[1])]
        self._waiting = [item for item in self._waiting if item not in lost]
        return lost

    def is_copy(self, data):
        return bool(self._folder) and data.filepath == pathlib.Path(self._path(data))

    def _has_copy(self, data):
        return os.path.exists(self._path(data))

    def _path(self, data):
        return os.path.join(self._folder, data.filepath.name)
