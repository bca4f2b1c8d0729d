"""Second tries of frames that failed: as copies that the supervisor prepares while the others continue.

A frame is asked for with a `repair_wanted` event; the answer is a file in the folder DFLWRAP_REPAIRED: the
copy under the frame's own name (whole as soon as it is there), or `<name>.no` where none can be made. Where the disk
takes not even that, the control file says it.

A copy's failure proves something only on a worker that is known to be well: a fresh one, or one whose last
frame succeeded. Only such failures are reported as `repaired`.
"""
# mypy: ignore-errors
# ruff: noqa: PTH107, PTH118, PTH208

import os
import pathlib
import time

REFUSED = ".no"
LOOK_EVERY = 0.2
"""Seconds between two looks into the folder: it may lie on a network drive."""


class RetryCopies:
    """Copies of failed frames, asked of the supervisor for one retry."""

    def __init__(self, settings, reporter, output):
        """`settings.repaired`: "" = nobody prepares frames. output: where faces are written, or None."""
        self._folder, self._bound = settings.repaired, settings.repair_timeout
        self._reporter, self._output = reporter, output
        self._asked = {}  # frame name -> when
        self._refused = set()  # names, by the control file
        self._proving = set()  # names of copies that were handed to a worker known to be well
        self._there, self._looked = frozenset(), 0.0

    def ask(self, data):
        """Ask for a copy of a frame. False if nobody answers, or it was asked for before."""
        name = data.filepath.name
        if not self._folder or name in self._asked:
            return False
        self._asked[name] = time.monotonic()
        self._reporter.emit("repair_wanted", frame=name)
        return True

    def answered(self, data):
        """Whether there is nothing more to wait for."""
        since = self._asked.get(data.filepath.name)
        late = since is None or time.monotonic() - since > self._bound
        refused = data.filepath.name in self._refused or data.filepath.name + REFUSED in self._files()
        return late or refused or self.has_copy(data)

    def refused(self, name):
        """The control file says that no copy comes."""
        self._refused.add(name)

    def has_copy(self, data):
        return data.filepath.name in self._asked and data.filepath.name in self._files()

    def second_try(self, data, proves):
        """The frame to hand out: its copy, if there is one. What the first try wrote is removed.

        proves: the worker that gets it is known to be well.
        """
        self.remove_faces(data)
        if self.has_copy(data):
            data.filepath = pathlib.Path(self._folder) / data.filepath.name
            if proves:
                self._proving.add(data.filepath.name)
        return data

    def is_copy(self, data):
        return bool(self._folder) and data.filepath == pathlib.Path(self._folder) / data.filepath.name

    def was_proof(self, data):
        """Whether what became of the frame became of its copy, on a worker known to be well."""
        return self.is_copy(data) and data.filepath.name in self._proving

    def _files(self):
        now = time.monotonic()
        if now - self._looked > LOOK_EVERY:
            self._looked = now
            try:
                self._there = frozenset(os.listdir(self._folder))
            except OSError:
                self._there = frozenset()
        return self._there

    def remove_faces(self, data):
        """Faces that the first try wrote before it failed would be taken for the second one's."""
        index = 0
        while self._output is not None:
            try:
                os.remove(os.path.join(str(self._output), f"{data.filepath.stem}_{index}.jpg"))
            except OSError:
                return
            index += 1
