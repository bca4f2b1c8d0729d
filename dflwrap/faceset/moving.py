"""Moving a file so that nothing is ever overwritten and nothing is half there."""

from __future__ import annotations

import errno
import filecmp
import glob
import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from dflwrap.common.durable import sync
from dflwrap.common.retrying import retry_held_open
from dflwrap.common.windows import files as windows_files

_PART = ".dflwrap-part"
_CHUNK = 1 << 20
FLUSHES_AT_ONCE = 16
"""On a share that needs 10 ms for one, 16 at a time are 1,600 a second."""


def flush_to_disk(path: Path) -> None:
    """Force the file's bytes to the disk, so that a power cut after its move leaves it whole."""
    with retry_held_open(lambda: path.open("r+b")) as file:
        sync(file.fileno())


def flush_files(paths: Sequence[Path]) -> None:
    """`flush_to_disk` for each, some at a time: a disk makes one flush of those that it is asked for together."""
    if len(paths) < 2:
        for path in paths:
            flush_to_disk(path)
        return
    with ThreadPoolExecutor(min(FLUSHES_AT_ONCE, len(paths)), thread_name_prefix="flush") as pool:
        for _ in pool.map(flush_to_disk, paths):
            pass


def flush_folder(folder: Path) -> None:
    """Force the folder's entries to the disk (POSIX; on Windows the move itself waits for that)."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)


def move_without_overwriting(source: Path, target: Path) -> None:
    """Atomically give `source` the name `target`. Raises FileExistsError, or another OSError.

    POSIX: a hard link and an unlink, since rename replaces what is there; a crash between the two leaves
    one file under both names. Where links are unknown (exFAT) a look and a rename. Between file systems, or
    volumes of Windows (the faceset is a junction to another drive), the bytes are copied to a temporary name
    beside the target first: a copy under the name itself could be left half there.
    """
    if os.name == "nt":
        _move_on_windows(source, target)
        return
    try:
        os.link(source, target, follow_symlinks=False)
    except FileExistsError:
        raise
    except OSError:
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
        if source.stat().st_dev != target.parent.stat().st_dev:
            _copy_across(source, target)
        else:
            source.rename(target)
            return
    source.unlink()


def _move_on_windows(source: Path, target: Path) -> None:
    try:
        retry_held_open(lambda: windows_files.move_file(source, target))  # a scanner looks at new files
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        with _copied_beside(source, target) as part:
            retry_held_open(lambda: windows_files.move_file(part, target))
        retry_held_open(source.unlink)


def _copy_across(source: Path, target: Path) -> None:
    with _copied_beside(source, target) as part:
        try:
            os.link(part, target)
        except FileExistsError:
            raise
        except OSError:  # no links there: a look and a rename
            if os.path.lexists(target):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
            part.rename(target)
    flush_folder(target.parent)  # the source goes next: it may be the only copy that outlives a power cut


@contextmanager
def _copied_beside(source: Path, target: Path) -> Iterator[Path]:
    """A flushed copy of `source` under a name of ours beside `target`, removed with the block if it is still there."""
    part = _new_part(target)
    try:
        with (
            retry_held_open(lambda: source.open("rb")) as whole,
            retry_held_open(lambda: part.open("r+b")) as copy,
        ):
            shutil.copyfileobj(whole, copy, _CHUNK)
            copy.flush()
            sync(copy.fileno())
        yield part
    finally:
        retry_held_open(lambda: part.unlink(missing_ok=True))


def _new_part(target: Path) -> Path:
    """A new file beside `target`, under a name that nothing had: what has one may be the user's."""
    number = 1
    while True:
        part = target.with_name(f"{target.name}{_PART}{number if number > 1 else ''}")
        try:
            part.open("xb").close()
        except FileExistsError:
            number += 1
            continue
        return part


def remove_parts(target: Path, whole: Path) -> None:
    """Remove what a move of `whole` to `target` that was cut off between two disks has left beside it.

    Ours are files of such a name that hold what `whole` begins with; anything else may be the user's.
    """
    for part in target.parent.glob(f"{glob.escape(target.name)}{_PART}*"):
        if not part.is_symlink() and part.is_file() and _begins_with(whole, part):
            retry_held_open(lambda part=part: part.unlink(missing_ok=True))  # type: ignore[misc]


def _begins_with(whole: Path, part: Path) -> bool:
    if part.stat().st_size > whole.stat().st_size:
        return False
    with whole.open("rb") as one, part.open("rb") as other:
        while chunk := other.read(_CHUNK):
            if one.read(len(chunk)) != chunk:
                return False
    return True


def is_same(one: Path, other: Path) -> bool:
    """True for one file under two names, and for a copy (which a crash between two file systems leaves)."""
    if one.is_symlink() or other.is_symlink():
        return False  # neither is what we move
    return one.samefile(other) or filecmp.cmp(one, other, shallow=False)
