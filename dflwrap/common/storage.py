"""Disks that fail, fill up or go away: which errors are theirs, and not a file's."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

from dflwrap.common.errors import NeedsUserError
from dflwrap.common.text import display

_NAMES = (
    *("EIO", "ENXIO", "ENODEV", "ESTALE", "ENOTCONN", "ETIMEDOUT", "EHOSTDOWN", "EHOSTUNREACH"),
    *("ENETDOWN", "ENETUNREACH", "ECONNABORTED", "ECONNRESET", "EREMOTEIO", "ENOMEDIUM", "ESHUTDOWN"),
)
DEVICE_ERRNOS = frozenset(getattr(errno, name) for name in _NAMES if hasattr(errno, name))
DEVICE_WINERRORS = frozenset(
    {15, 21, 23, 27, 31, 53, 55, 59, 64, 67, 121, 362, 389, 390, 426, 433, 483, 1117, 1167, 1231}
)
"""Invalid drive, not ready, data error (CRC), sector not found, general failure; the network path, resource or name
is gone (53 to 67), semaphore timeout (121); a cloud provider does not answer (362 to 426); no such device, hardware
error, I/O device error, device not connected, network unreachable. From winerror.h."""
MISSING_ERRNOS = frozenset({errno.ENOENT, errno.ENOTDIR})
FULL_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT})
LONGEST_PATH = 259
"""Characters of a path that Windows takes by default; a longer one is "not found" there (cpython#99954)."""


def is_device_error(error: OSError) -> bool:
    """Whether the device failed (or the network between), rather than this one file."""
    winerror = getattr(error, "winerror", None)
    return winerror in DEVICE_WINERRORS if winerror is not None else error.errno in DEVICE_ERRNOS


def is_missing(error: OSError) -> bool:
    """Whether the operating system says that there is no such file or folder."""
    return error.errno in MISSING_ERRNOS


def is_too_long(error: OSError, target: Path) -> bool:
    """Whether the path of `target`, a new file, is why it could not be made.

    Windows says "not found" of it, though its folder is there.
    """
    if error.errno == errno.ENAMETOOLONG or getattr(error, "winerror", None) == 206:
        return True
    return is_missing(error) and len(str(target)) > LONGEST_PATH and target.parent.is_dir()


def path_too_long(folder: Path) -> NeedsUserError:
    """For a folder in which no file can be made."""
    steps = (
        "Give an --output-dir with a shorter path, such as D:\\w\\aligned.",
        "Or allow long paths in Windows (LongPathsEnabled).",
    )
    sentence = f"The path is too long to make files in it: {display(str(folder))}."
    return NeedsUserError("path-too-long", sentence, steps)


def read_error(path: Path, *, whole: bool) -> OSError | None:
    """The error with which the operating system refuses to read a file; None where it reads.

    whole: read all of it (a bad sector may lie anywhere), not only its directory entry.
    """
    try:
        path.stat()  # on Windows, unlike `open`, it tells a drive that is not ready from one that denies access
        if whole:
            with path.open("rb", buffering=0) as file:
                while file.read(1 << 20):
                    pass
    except OSError as error:
        return error
    return None


def is_listed(path: Path) -> bool:
    """Whether its folder shows a file of that name: Windows cannot open a path that is too long, but lists it."""
    try:
        return path.name in os.listdir(path.parent)  # noqa: PTH208 - names alone, of 20,000 entries
    except OSError:
        return False


MANY_FILES = 10_000
"""An attempt makes a link, a face or two and a debug picture for each frame."""
LITTLE = 1 << 20
"""Free bytes: with less, the disk is simply full (XFS makes inodes as long as there is room, and counts none then)."""
INODE_STEPS = (
    "Delete files that are not needed on that disk, many small ones above all (df -i shows what is left).",
    "Or choose an --output-dir on another disk.",
)


def disk_full(where: Path, what: str) -> NeedsUserError:
    """For a write that found no room on the disk of `where`. what: the sentence's end, like ": /data/aligned"."""
    if out_of_inodes(where):
        sentence = f"The disk is out of inodes: it has room, but for no further file{what}."
        return NeedsUserError("disk-full", sentence, INODE_STEPS)
    steps = ("Make room on that disk.", "Run the same command again to resume.")
    return NeedsUserError("disk-full", f"The disk is full{what}.", steps)


def out_of_inodes(folder: Path) -> bool:
    """Whether the disk of `folder` (or of where it would be) has room, but for no further file. POSIX only."""
    found = _files(folder)
    return found is not None and found[0] == 0 and found[2] > LITTLE


def short_of_inodes(folder: Path) -> bool:
    """Whether less than a tenth of the files that the disk can hold, and less than MANY_FILES, can still be made."""
    found = _files(folder)
    return found is not None and found[0] < min(MANY_FILES, found[1] // 10)


def _files(folder: Path) -> tuple[int, int, int] | None:
    """How many files can still be made there, and in all, and the free bytes; None where nothing bounds them."""
    if sys.platform == "win32":
        return None
    for candidate in (folder, *folder.parents):
        try:
            found = os.statvfs(candidate)
        except OSError:
            continue
        return (found.f_favail, found.f_files, found.f_bavail * found.f_frsize) if found.f_files else None
    return None


def cannot_write(target: Path, error: OSError) -> NeedsUserError:
    """The exception that tells the user why `target` could not be written."""
    shown = display(str(target))
    steps: tuple[str, ...]
    if error.errno in FULL_ERRNOS:
        return disk_full(target.parent, f": {shown}")
    if is_too_long(error, target):
        return path_too_long(target.parent)
    if isinstance(error, FileExistsError):
        steps = ("Move that file away, or start again with --on-conflict set-aside.",)
        return NeedsUserError("file-in-use", f"A file of that name appeared during the run: {shown}.", steps)
    steps = ("Check that the folder exists and may be written.", "Run the same command again.")
    return NeedsUserError("output-not-writable", f"Cannot write {shown}: {error.strerror or error}.", steps)
