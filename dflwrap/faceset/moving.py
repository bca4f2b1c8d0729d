"""Moving a file so that nothing is ever overwritten and nothing is half there."""

from __future__ import annotations

import errno
import filecmp
import os
import shutil
from pathlib import Path

from dflwrap.common import windows_files
from dflwrap.common.durable import sync
from dflwrap.common.retrying import retry_held_open

_PART = ".dflwrap-part"


def flush_to_disk(path: Path) -> None:
    """Force the file's bytes to the disk, so that a power cut after its move leaves it whole."""
    with retry_held_open(lambda: path.open("r+b")) as file:
        sync(file.fileno())


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
        part = _new_part(target)
        try:
            shutil.copyfile(source, part)
            flush_to_disk(part)
            retry_held_open(lambda: windows_files.move_file(part, target))
        finally:
            retry_held_open(lambda: part.unlink(missing_ok=True))
        retry_held_open(source.unlink)


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


def _copy_across(source: Path, target: Path) -> None:
    part = _new_part(target)
    try:
        shutil.copyfile(source, part)
        flush_to_disk(part)
        try:
            os.link(part, target)
        except FileExistsError:
            raise
        except OSError:  # no links there: a look and a rename
            if os.path.lexists(target):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
            part.rename(target)
    finally:
        part.unlink(missing_ok=True)


def is_same(one: Path, other: Path) -> bool:
    """True for one file under two names, and for a copy (which a crash between two file systems leaves)."""
    if one.is_symlink() or other.is_symlink():
        return False  # neither is what we move
    return one.samefile(other) or filecmp.cmp(one, other, shallow=False)
