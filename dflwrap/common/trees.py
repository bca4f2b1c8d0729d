"""Removing folders of ours: a link is removed as the link it is, and what lies behind it stays."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from pathlib import Path


def is_link(path: Path) -> bool:
    """True for a symbolic link and for a junction of Windows, whether their target exists or not."""
    try:
        info = path.lstat()
    except OSError:
        return False
    return stat.S_ISLNK(info.st_mode) or getattr(info, "st_reparse_tag", 0) == _JUNCTION


_JUNCTION = getattr(stat, "IO_REPARSE_TAG_MOUNT_POINT", 0xA0000003)


def remove_tree(folder: Path) -> None:
    """Remove a folder of ours; links in it, and a link in its place, are removed, never followed.

    Raises OSError where something cannot be removed (except on Windows, where files may be held open).
    """
    if is_link(folder):
        folder.unlink()  # removes a junction too
    elif folder.exists():
        shutil.rmtree(folder, ignore_errors=os.name == "nt")


def make_folders(folder: Path) -> tuple[Path, ...]:
    """Make `folder` and the ones above it; those that this call has made, the innermost first.

    Raises FileExistsError where a file or a link without a target has the name, and other OSErrors.
    """
    missing = []
    for one in (folder, *folder.parents):
        if os.path.lexists(one):
            break
        missing.append(one)
    made = []
    for one in reversed(missing):
        try:
            one.mkdir()
        except FileExistsError:  # made by someone else since
            continue
        made.append(one)
    if not folder.is_dir():
        raise FileExistsError(errno.EEXIST, "something else has this name", str(folder))
    return tuple(reversed(made))


def remove_if_empty(folders: tuple[Path, ...]) -> None:
    """Remove these folders, in this order, as far as they are empty."""
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return
