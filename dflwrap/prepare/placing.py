"""Files into the output: nothing there is ever replaced, and the originals are only read."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from dflwrap.common.errors import DflwrapError, NeedsUserError
from dflwrap.common.storage import FULL_ERRNOS, disk_full
from dflwrap.common.text import display
from dflwrap.common.trees import is_folder, is_link, remove_if_empty, remove_tree, resolved
from dflwrap.frames.batch import link_frame
from dflwrap.prepare.manifest import WORK

_LOCK = ".in-use.lock"
_NO_LOCKS = frozenset(
    getattr(errno, name) for name in ("ENOSYS", "ENOLCK", "EOPNOTSUPP", "ENOTSUP") if hasattr(errno, name)
)


@contextmanager
def held(output: Path) -> Iterator[None]:
    """While `output` is written into: a second dflwrap would move files in that this one has half written.

    May be entered again by who holds it. Raises DflwrapError where another one does, OSError.
    """
    work = output / WORK
    work.mkdir(parents=True, exist_ok=True)
    lock = FileLock(work / _LOCK, timeout=0, is_singleton=True)
    try:
        lock.acquire()
    except Timeout:
        raise DflwrapError(
            f"Another dflwrap prepares this folder just now: {display(str(output))}. Wait until it has finished."
        ) from None
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno not in _NO_LOCKS:
            raise
    try:
        yield
    finally:
        last = lock.lock_counter <= 1
        if last and os.name != "nt":  # there a file that is open cannot be removed
            _tidy(work)
        lock.release()
        if last and os.name == "nt":
            _tidy(work)


def _tidy(work: Path) -> None:
    """Nothing but the lock is left of it."""
    with suppress(OSError):
        if os.listdir(work) == [_LOCK]:  # noqa: PTH208 - a name alone
            (work / _LOCK).unlink(missing_ok=True)
    remove_if_empty((work,))


def remove_work(output: Path) -> None:
    """What was not whole yet, or is done with. Raises OSError."""
    work = output / WORK
    if not is_folder(work) or is_link(work):
        return
    for path in work.iterdir():
        if path.name != _LOCK:
            remove_tree(path) if is_folder(path) else path.unlink()


def link(source: Path, target: Path) -> None:
    """A hard link, which outlives the original's folder; else a symbolic link, else a copy.

    Raises OSError, DflwrapError.
    """
    if _stands_already(source, target):
        return
    try:
        os.link(resolved(source), target)
    except (OSError, NotImplementedError):
        link_frame(source, target)


def move_in(part: Path, target: Path) -> None:
    """A file of ours that is whole, under its name. Raises OSError, DflwrapError."""
    if _stands_already(part, target):
        part.unlink()
    else:
        part.rename(target)


def _stands_already(source: Path, target: Path) -> bool:
    """Left by a start that ended before it was written down. Raises DflwrapError where it is something else."""
    if not os.path.lexists(target):
        return False
    try:
        if target.samefile(source) or target.read_bytes() == source.read_bytes():
            return True
    except OSError:
        pass
    raise DflwrapError(
        f"A file that dflwrap has not made is in the way: {display(str(target))}. Move it, or give a new folder."
    )


def in_words(error: OSError, output: Path) -> DflwrapError:
    """A write that failed."""
    if error.errno in FULL_ERRNOS:
        return disk_full(output, f": {display(str(output))}")
    what = display(str(error.filename or output))
    return NeedsUserError(
        "output-not-writable",
        f"{what} cannot be written: {error.strerror}.",
        ("Look at the permissions of the output folder, or give another one.",),
    )
