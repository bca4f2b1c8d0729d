"""Disks that fail, fill up or go away: which errors are theirs, and not a file's."""

from __future__ import annotations

import errno
import os
from pathlib import Path

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
LONGEST_PATH = 259
"""Characters of a path that Windows takes by default; a longer one is "not found" there (cpython#99954)."""


def is_device_error(error: OSError) -> bool:
    """Whether the device failed (or the network between), rather than this one file."""
    winerror = getattr(error, "winerror", None)
    return winerror in DEVICE_WINERRORS if winerror is not None else error.errno in DEVICE_ERRNOS


def is_missing(error: OSError) -> bool:
    return error.errno in MISSING_ERRNOS


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


def out_of_inodes(folder: Path) -> bool:
    """Whether the disk of `folder` (or of where it would be) has room, but for no further file. POSIX only."""
    if not hasattr(os, "statvfs"):
        return False
    for candidate in (folder, *folder.parents):
        try:
            found = os.statvfs(candidate)
        except OSError:
            continue
        return found.f_files > 0 and found.f_favail == 0 and found.f_bavail > 0
    return False
