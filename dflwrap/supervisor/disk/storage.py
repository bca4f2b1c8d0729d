"""The folders that a run stands on: whether their disks are there, and which frames they do not hand out.

Blame: a frame is never quarantined for its disk. A folder that is gone stops the work until it is back
(`folder_wait`); a frame that the user removed meanwhile, or that lies on a bad sector, is `not_attempted`.
"""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from dflwrap.common.errors import NeedsUserError
from dflwrap.common.storage import is_device_error, is_missing, read_error
from dflwrap.common.text import display
from dflwrap.common.trees import resolved
from dflwrap.common.waits import never, wait_until
from dflwrap.ledger.ledger import Ledger
from dflwrap.ledger.records import FrameRow, Outcome
from dflwrap.planning.yields import spread

ANSWER_BOUND = 60.0
"""Seconds in which a disk answers what its folder holds: one that spins up takes ten, a dead share never does."""
LOOK_EVERY = 1.0
"""Seconds between two looks while an attempt runs."""
MOST_SAMPLES = 16
"""Names by which a folder is known again after its disk has got another number."""
FEW_UNREAD = 3
"""So many frames with read errors may lie on bad sectors; more, and no other that can be read: the disk fails."""

INPUT_GONE = "input-dir-missing"
OUTPUT_GONE = "output-dir-missing"
REMOVED_NOW = "frame-removed"
UNREADABLE = "disk-read-error"


class FolderGoneError(NeedsUserError):
    """A folder of the run is not there, or its disk does not answer. It may come back."""


@dataclass(slots=True)
class KnownFolder:
    """A folder as it was; what stands at its path later may be another."""

    path: Path
    names: tuple[str, ...] = ()
    """Files that were in it: with one of them there it is the same folder, whatever its numbers."""
    tell_by_inode: bool = False
    """Another folder of the same disk at this path is not it, either."""
    device: int = -1
    inode: int = -1

    @classmethod
    def remember(cls, path: Path, names: Sequence[str] = (), *, tell_by_inode: bool = False) -> KnownFolder:
        """Where it, or all that is known of it, is gone already, it counts as gone until one of `names` is there."""
        known = cls(path, tuple(names), tell_by_inode)
        if not names or any(os.path.lexists(path / name) for name in names):
            with suppress(OSError):
                info = path.stat()
                known.device, known.inode = info.st_dev, info.st_ino
        return known

    def why_gone(self) -> str | None:
        """Why this is not the folder any more, in words that follow its name, or None. May block on a dead share."""
        try:
            with os.scandir(self.path) as listing:  # first: it makes an automounter mount, `stat` does not
                next(listing, None)
            info = self.path.stat()
        except OSError as error:
            return "is not there any more" if is_missing(error) else f"cannot be read ({error.strerror})"
        if not stat.S_ISDIR(info.st_mode):
            return "is not a folder any more"
        same_disk, same_folder = info.st_dev == self.device, info.st_ino == self.inode
        if same_disk and (same_folder or not self.tell_by_inode):
            return None
        if any(os.path.lexists(self.path / name) for name in self.names):
            self.device, self.inode = info.st_dev, info.st_ino  # plugged in again, under another number
            return None
        return "is another folder of that name" if same_disk else "is not mounted (its disk is not there)"


class _Look:
    """One look at all folders, in a thread of its own: a dead share may never answer."""

    def __init__(self, storage: Storage) -> None:
        self.began = time.monotonic()
        self.answer: FolderGoneError | None = None
        self.done = threading.Event()
        self._storage = storage
        threading.Thread(target=self._run, name="storage", daemon=True).start()

    def _run(self) -> None:
        try:
            self.answer = self._storage.look()
        finally:
            self.done.set()


@dataclass(slots=True)
class Storage:
    """Watches the folders of one run."""

    input_dir: Path
    output_dir: Path
    database: Path
    ledger: Ledger
    stopping: Callable[[], bool] = never
    """The user stops the run: no disk is waited for."""
    _folders: list[tuple[str, KnownFolder]] = field(default_factory=list)
    _unreadable: list[Path] = field(default_factory=list)
    """Frames that must be readable again before the disk counts as back."""
    _read_errors: set[int] = field(default_factory=set)
    """Frames that could not be read once."""
    _under_way: _Look | None = None
    _next_look: float = 0.0
    _last: FolderGoneError | None = None
    _away: FolderGoneError | None = None
    """What `away` saw, though it may be back by now."""

    def remember(self, names: Sequence[str]) -> None:
        """Take the folders as they are now for those of the run. names: files of frames that are there."""
        samples = spread(names, MOST_SAMPLES)
        folders = [("input", KnownFolder.remember(self.input_dir, samples, tell_by_inode=True))]
        targets: dict[Path, list[str]] = {}
        for name in samples:  # frames may be links to another disk
            target = resolved(self.input_dir / name)
            if read_error(target, whole=False) is None:
                targets.setdefault(target.parent, []).append(target.name)
        targets.pop(resolved(self.input_dir), None)
        folders += [("input", KnownFolder.remember(parent, names)) for parent, names in targets.items()]
        faces = sorted(self.ledger.face_names())[:MOST_SAMPLES]
        folders.append(("output", KnownFolder.remember(self.output_dir, faces)))
        folders.append(("output", KnownFolder.remember(self.database.parent, (self.database.name,))))
        self._folders = folders

    def look(self) -> FolderGoneError | None:
        """The first folder that is gone. May block on a dead share: `gone` does not."""
        for role, folder in self._folders:
            why = folder.why_gone()
            if why is None and role == "output" and folder.path == self.database.parent:
                why = None if self.database.exists() else "does not hold the run any more"
            if why is not None:
                return _error(role, folder.path, why)
        wanted = self._unreadable
        errors = [read_error(path, whole=True) for path in wanted]
        failing = [error for error in errors if error is not None and is_device_error(error)]
        if failing and len(failing) == len(errors):
            return _failing(self.input_dir, failing[0])
        if self._unreadable is wanted:
            self._unreadable = []  # back again: not read once a second for the rest of the run
        return None

    def away(self) -> bool:
        """Whether a folder is gone, as far as is known now; for a caller that must not wait."""
        look, now = self._under_way, time.monotonic()
        if look is not None and look.done.is_set():
            self._last, self._under_way = look.answer, None
        elif look is not None and now - look.began > ANSWER_BOUND:
            self._last = self._silent()
        elif look is None and now >= self._next_look:
            self._under_way, self._next_look = _Look(self), now + LOOK_EVERY
        self._away = self._last or self._away
        return self._last is not None

    def why_away(self) -> FolderGoneError:
        """Why `away` was True last, also where everything is back by now."""
        return self.gone() or self._away or self._silent()

    def gone(self, *, bound: float = ANSWER_BOUND) -> FolderGoneError | None:
        """Look now; a disk that does not answer within `bound` seconds is gone."""
        look = self._under_way
        if look is None or look.done.is_set():  # what it saw may be old
            look = self._under_way = _Look(self)
        else:  # begun before now: one more, if it answers at all
            if not wait_until(look.done.is_set, bound, self.stopping):
                return self._silent()
            look = self._under_way = _Look(self)
        if not wait_until(look.done.is_set, bound, self.stopping):
            return self._silent()
        self._last, self._under_way = look.answer, None
        return look.answer

    def _silent(self) -> FolderGoneError:
        return _error("input", self.input_dir, "does not answer")

    def why_not_read(self, rows: Iterable[FrameRow], *, whole: bool) -> list[tuple[FrameRow, OSError]]:
        """Those of `rows` that the operating system does not hand out, though nothing else is wrong with them.

        whole: read each to its end.
        """
        found = []
        for row in rows:
            error = read_error(self.input_dir / row.file_name, whole=whole)
            if error is not None and (is_missing(error) or is_device_error(error)):
                found.append((row, error))
        return found

    def settle(self, unread: Sequence[tuple[FrameRow, OSError]]) -> list[str]:
        """Account for frames that were not handed out; what to tell the user of it.

        Raises FolderGoneError where the whole folder, or its disk, is to blame: then they stay open.
        """
        if not unread:
            return []
        gone = self.gone()
        if gone is not None:
            raise gone
        missing = [row for row, error in unread if is_missing(error)]
        failing = [(row, error) for row, error in unread if not is_missing(error)]
        self.ledger.settle_many(
            (row.id, Outcome.NOT_ATTEMPTED, None, REMOVED_NOW, "removed during the run") for row in missing
        )
        told = [f"{_names(missing)}: removed during the run"] if missing else []
        if len(failing) > FEW_UNREAD and not self._others_read({row.file_name for row, _ in failing}):
            self._unreadable = [self.input_dir / row.file_name for row, _ in failing[: FEW_UNREAD + 1]]
            raise _failing(self.input_dir, failing[0][1])
        given_up, again = [], []
        for row, error in failing:
            words = f"its disk could not read it ({error.strerror})"
            if row.id in self._read_errors:
                given_up.append((row.id, Outcome.NOT_ATTEMPTED, None, UNREADABLE, words))
                told.append(f"{row.name}: not attempted: {words}")
            else:
                again.append((row.id, UNREADABLE, words))
                told.append(f"{row.name}: {words}; to be retried")
            self._read_errors.add(row.id)
        with self.ledger.transaction():
            self.ledger.settle_many(given_up)
            self.ledger.count_failures(again)
        return told

    def _others_read(self, failing: set[str]) -> bool:
        """Whether a frame that did not fail can be read: then single files are damaged, not the whole disk."""
        names = [row.file_name for row in self.ledger.open_frames() if row.file_name not in failing]
        names = names or [
            name for _, folder in self._folders[:1] for name in folder.names if name not in failing
        ]
        return any(
            read_error(self.input_dir / name, whole=True) is None for name in spread(names, FEW_UNREAD)
        )


def _names(rows: Sequence[FrameRow]) -> str:
    return rows[0].name if len(rows) == 1 else f"{len(rows)} frames ({rows[0].name} and others)"


_RESUME = "Then run the same command again to resume: no frame was blamed."


def _error(role: str, path: Path, why: str) -> FolderGoneError:
    steps = ("Plug the disk in again, connect the share, or put the folder back.", _RESUME)
    sentence = f"The {role} folder {why}: {display(str(path))}."
    return FolderGoneError(INPUT_GONE if role == "input" else OUTPUT_GONE, sentence, steps)


def _failing(path: Path, error: OSError) -> FolderGoneError:
    return FolderGoneError(
        UNREADABLE,
        f"The disk of the input folder cannot be read: {error.strerror}: {display(str(path))}.",
        (
            "Check the disk, its cable or the network; copy the frames to another disk if it keeps failing.",
            _RESUME,
        ),
    )
