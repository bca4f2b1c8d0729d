"""The run folder `<output>_dflwrap/` beside the faceset: whose it is, its lock, and what in it may be deleted.

Its mark `dflwrap.json` is written before anything else. Only what the ledger records as made by us is
ever deleted, and no link is followed for it; the user may keep files of his own in any part of it.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from dflwrap import __version__
from dflwrap.common.durable import sync
from dflwrap.common.errors import DflwrapError, NeedsUserError
from dflwrap.common.storage import FULL_ERRNOS, cannot_write
from dflwrap.common.text import display
from dflwrap.common.trees import (
    hidden_by,
    is_file,
    is_folder,
    is_link,
    make_folders,
    remove_if_empty,
    remove_tree,
)
from dflwrap.ledger.ledger import Ledger
from dflwrap.ledger.schema import is_ledger

SUFFIX = "_dflwrap"
MARK = "dflwrap.json"
FORMAT = "dflwrap run folder"
_MOST_MARK = 65536
"""Bytes: a larger file is no mark of ours."""
_DATABASE = "run.db"
_LOCK = "run.lock"
_BEGUN_WITH = (_DATABASE, *(f"{_DATABASE}{end}" for end in ("-wal", "-shm", "-journal")))
"""Files that a run makes before it does anything."""
_WRITTEN = frozenset(
    {MARK, _LOCK, *_BEGUN_WITH, "attempts", "quarantine", "set_aside", "earlier"}
    | {"dflwrap.log", "dflwrap.log.1", "dflwrap.log.2", "dflwrap.log.3", "stop.request", "stop.request.part"}
    | {"report.json", "report.json.part", "report.reserve", "report.html", "report-share.zip"}
)
"""What dflwrap writes in the folder itself: behind a link of that name it would write elsewhere."""
WORK = ("in", "repaired", "out", "out_debug")
"""Folders of an attempt that are emptied when it has ended; its logs, plan and events stay."""


class RunFolder:
    """Paths of one run. Holding an instance between `lock` and `unlock` means owning the run."""

    def __init__(self, output_dir: Path) -> None:
        """Raises DflwrapError for an output folder that nothing can stand beside (a root)."""
        if not output_dir.name or output_dir.name == "..":
            raise DflwrapError(
                f"The output cannot be the root of a disk: {display(str(output_dir))}. "
                "Give a folder of its own with --output-dir."
            )
        self._output = output_dir
        self.path = output_dir.with_name(output_dir.name + SUFFIX)
        self.database = self.path / _DATABASE
        self.attempts = self.path / "attempts"
        self.quarantine = self.path / "quarantine"
        self.set_aside = self.path / "set_aside"
        self.report = self.path / "report.json"
        self.page = self.path / "report.html"
        self._lock = FileLock(self.path / _LOCK, timeout=0)
        self._made: tuple[Path, ...] = ()
        self._output_made: tuple[Path, ...] = ()
        self._kept = False
        self._cleared = False
        self.on_kept: Callable[[Path], None] = lambda path: None
        """Told this folder when `keep` is first called."""

    def lock(self) -> None:
        """Create and mark the folder, and own it.

        Raises DflwrapError when another dflwrap does, when the folder is not ours (then nothing in it is
        touched), or on no access.
        """
        try:
            if os.path.lexists(self.path) and not is_folder(self.path):
                raise DflwrapError(
                    f"The run folder's path is already in use: {display(str(self.path))} is not a folder. "
                    "Move it away, or choose another --output-dir."
                )
            self._made = make_folders(self.path)
            self._check_ours()
            self._mark()
            self.attempts.mkdir(exist_ok=True)
            self._lock.acquire()
        except Timeout:
            raise DflwrapError(
                f"Another dflwrap is working on this faceset: {display(str(self.path))}. "
                "Wait until it has finished, or stop it first."
            ) from None
        except OSError as error:
            if error.errno in FULL_ERRNOS:
                raise cannot_write(self.path, error) from error
            raise NeedsUserError(
                "output-not-writable",
                f"The run folder cannot be written: {display(str(self.path))} ({error.strerror or error}).",
                ("Check the permissions of its parent folder.", "Or choose another --output-dir."),
            ) from None

    def _check_ours(self) -> None:
        names = sorted(os.listdir(self.path))  # noqa: PTH208 - names only
        if names and not self._is_marked() and not is_ledger(self.database):
            if names == [MARK] and not (self.path / MARK).lstat().st_size:
                return  # a power cut fell into the writing of the mark
            shown = ", ".join(display(name) for name in names[:3])
            raise DflwrapError(
                f"The run folder's path is already in use: {display(str(self.path))} holds files that are not "
                f"dflwrap's ({shown}{', ...' if len(names) > 3 else ''}). Nothing in it was touched. "
                "Rename that folder, or choose another --output-dir."
            )
        for name in names:
            if name in _WRITTEN and is_link(self.path / name):
                raise DflwrapError(
                    f"A part of the run folder is a link: {display(str(self.path / name))}. dflwrap does not "
                    "write or delete through links. Put what it leads to in its place, or remove it."
                )

    def _is_marked(self) -> bool:
        mark = self.path / MARK
        try:
            info = mark.lstat()
            if not stat.S_ISREG(info.st_mode) or info.st_size > _MOST_MARK:
                return False
            content = json.loads(mark.read_bytes())
        except (OSError, ValueError, RecursionError):
            return False
        return isinstance(content, dict) and content.get("format") == FORMAT

    def _mark(self) -> None:
        if self._is_marked():
            return
        content = {"format": FORMAT, "dflwrap": __version__}
        with (self.path / MARK).open("wb") as file:
            file.write(json.dumps(content).encode() + b"\n")
            file.flush()
            sync(file.fileno())

    def lock_again(self) -> None:
        """After the disk was away: the lock that is held may be one on a disk that is no more.

        Raises NeedsUserError.
        """
        self._lock.release()
        try:
            self._lock.acquire()
        except Timeout:
            raise NeedsUserError(
                "file-in-use",
                f"Another dflwrap has taken over this faceset: {display(str(self.path))}.",
                ("Wait until it has finished.",),
            ) from None
        except OSError as error:
            raise cannot_write(self.path, error) from error

    def unlock(self) -> None:
        self._lock.release()
        if self._cleared:
            try:
                (self.path / _LOCK).unlink(missing_ok=True)
                remove_if_empty(self._made)
            except OSError:
                pass  # someone else has begun in it

    @property
    def permanent(self) -> frozenset[str]:
        """Names in it that belong to the folder, not to one run."""
        return frozenset({MARK, _LOCK})

    # -- a call that did nothing ---------------------------------------------------------------

    def make_output(self) -> None:
        """Make the faceset's folder where there is none. Raises OSError."""
        self._output_made = make_folders(self._output)

    @property
    def kept(self) -> bool:
        """Something was done: the folder is not for `undo` to remove."""
        return self._kept

    def keep(self) -> None:
        """From here on something is done."""
        if not self._kept:
            self._kept = True
            self.on_kept(self.path)

    def undo(self) -> None:
        """While it is owned: remove what this call has made (both folders, mark, ledger), if it did nothing.

        What the user, or another program, has put there meanwhile keeps the whole folder. Completed by
        `unlock`. A folder that stood there before is never touched.
        """
        if self._kept:
            return
        remove_if_empty(self._output_made)
        if self.path not in self._made:
            return
        try:
            expected = {MARK, _LOCK, self.attempts.name, *_BEGUN_WITH}
            if not expected.issuperset(os.listdir(self.path)) or is_link(self.attempts):  # noqa: PTH208
                return
            self.attempts.rmdir()  # fails where it holds anything
            for name in (*_BEGUN_WITH, MARK):
                (self.path / name).unlink(missing_ok=True)
        except OSError:
            return
        self._cleared = True

    # -- what is ours to delete ----------------------------------------------------------------

    def new_attempt(self, ledger: Ledger) -> tuple[int, Path]:
        """Number and folder (new, empty) of the next attempt. Raises NeedsUserError."""
        number = ledger.next_attempt()
        while os.path.lexists(self._attempt_folder(number)):  # the user's, or of a run that died early
            number += 1
        ledger.put(_ATTEMPTS, sorted({*_numbers(ledger), number}))
        folder = self._attempt_folder(number)
        try:
            folder.mkdir()
        except OSError as error:
            raise cannot_write(folder, error) from error
        return number, folder

    def clear_work(self, ledger: Ledger) -> None:
        """Remove the work folders of recorded attempts; logs, plans and events stay.

        Everything in them is ours: links, converted copies, faces that were not whole. What cannot be
        removed stays: no later attempt gets that folder.
        """
        for number in {*_numbers(ledger), *(attempt.number for attempt in ledger.attempts())}:
            clear_attempt(self._attempt_folder(number))

    def _attempt_folder(self, number: int) -> Path:
        return self.attempts / f"{number:04d}"

    def scratch(self, ledger: Ledger) -> Path:
        """The folder for work beside the attempts (not made yet); what is in it is ours to remove."""
        name, number = ledger.get(_SCRATCH), 1
        if not isinstance(name, str) or not name.startswith("witness") or not name.isalnum():
            name = "witness"
            while os.path.lexists(self.path / name):
                number += 1
                name = f"witness{number}"
            ledger.put(_SCRATCH, name)
        return self.path / name


_ATTEMPTS = "made: attempts"
_SCRATCH = "made: scratch"
"""Keys of the ledger: numbers of the attempt folders, and the name of the scratch folder, that we have made."""


def _numbers(ledger: Ledger) -> list[int]:
    numbers = ledger.get(_ATTEMPTS)
    return [n for n in numbers if type(n) is int and n > 0] if isinstance(numbers, list) else []


def clear_attempt(folder: Path) -> None:
    """Remove the work folders of one ended attempt of ours, as far as that is possible."""
    if is_link(folder):
        return
    for name in WORK:
        with suppress(OSError):
            remove_tree(folder / name)


def run_folder_of(output_dir: Path) -> Path:
    """The run folder of a faceset."""
    return RunFolder(output_dir).path


def find_run(path: Path) -> tuple[RunFolder, Path]:
    """The run folder that `path` means, and its faceset. Raises DflwrapError where there is no run."""
    path = path.absolute()
    hidden = ""
    for faceset in _candidates(path):
        if not faceset.name:
            continue
        folder = RunFolder(faceset)
        if is_file(folder.database):
            return folder, faceset
        hidden = hidden or hidden_by(folder.database)
    if hidden:
        raise DflwrapError(
            f"{display(str(path))} cannot be looked at ({hidden}). Check the permissions of its run folder and of "
            "the folders above it."
        )
    raise DflwrapError(
        f"No run of dflwrap is known there: {display(str(path))}. "
        f"Give a faceset that dflwrap made, the run folder beside it (<faceset>{SUFFIX}), or its report.json."
    )


def is_run(path: Path) -> bool:
    """`path` means one run, by its faceset, its run folder or its report; not a folder with runs below it."""
    try:
        find_run(path)
    except DflwrapError:
        return False
    return True


def find_runs(path: Path) -> tuple[tuple[RunFolder, Path], ...]:
    """Every run that `path` means, each with its faceset: that of `find_run`, then those of facesets below `path`.

    So a job is meant by the folder that holds its facesets (`OUT/personA`, with `OUT/personA_dflwrap` beside it).
    Sorted by name; links are not followed below `path`. Raises DflwrapError where there is no run.
    """
    path = path.absolute()
    found = {folder.path: (folder, faceset) for folder, faceset in _runs_below(path, MOST_RUNS_DEPTH)}
    try:
        own = find_run(path)
    except DflwrapError:
        if not found:
            raise
        return tuple(found.values())
    return (own, *(run for name, run in found.items() if name != own[0].path))


MOST_RUNS_DEPTH = 2
"""Folders below one another that runs are looked for in: `extract DATA --layout per-person` has them in
`DATA/aligned`."""


def _runs_below(path: Path, depth: int) -> Iterator[tuple[RunFolder, Path]]:
    try:
        with os.scandir(path) as listing:
            names = sorted(entry.name for entry in listing if entry.is_dir(follow_symlinks=False))
    except OSError:
        return
    for name in names:
        stem = name.removesuffix(SUFFIX)
        if stem and stem != name:
            run = RunFolder(path / stem)
            if is_file(run.database):
                yield run, path / stem
    if depth > 1 and not path.name.endswith(SUFFIX):
        for name in names:
            if not name.endswith(SUFFIX):
                yield from _runs_below(path / name, depth - 1)


def _candidates(path: Path) -> list[Path]:
    """Faceset folders that `path` may stand for, the likeliest first."""
    found = []
    for folder in (path, path.parent):
        if folder.name.endswith(SUFFIX):
            found.append(folder.with_name(folder.name.removesuffix(SUFFIX)))
        if folder is path:
            found.append(path)
    return found
