"""Folders, where links may lead elsewhere: comparing, making and removing them."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import sys
from contextlib import suppress
from pathlib import Path

from dflwrap.common.errors import DflwrapError
from dflwrap.common.text import display
from dflwrap.common.windows import files as windows_files


def is_link(path: Path) -> bool:
    """True for a symbolic link and for a junction of Windows, whether their target exists or not."""
    try:
        info = path.lstat()
    except OSError:
        return False
    return stat.S_ISLNK(info.st_mode) or getattr(info, "st_reparse_tag", 0) == _JUNCTION


def is_there(path: Path) -> bool:
    """Whether it exists, as far as one may look: where pathlib raises (a folder above that may not be entered), False.

    `hidden_by` tells the two apart.
    """
    return os.path.exists(path)  # noqa: PTH110


def is_folder(path: Path) -> bool:
    """As `is_there`, of a folder."""
    return os.path.isdir(path)  # noqa: PTH112


def is_file(path: Path) -> bool:
    """As `is_there`, of a regular file."""
    return os.path.isfile(path)  # noqa: PTH113


def resolved(path: Path) -> Path:
    """Without links and `..`; where links lead round in a circle, as far as they can be followed.

    `Path.resolve` raises there, until Python 3.13, and not even an OSError.
    """
    return Path(os.path.realpath(path))


def expanded(path: Path) -> Path:
    """With the home folder for `~`; as it is where that is not known. `Path.expanduser` raises RuntimeError there."""
    return Path(os.path.expanduser(path))  # noqa: PTH111


def hidden_by(path: Path) -> str:
    """What the system says where `path` may not even be looked at; "" where it may, or is not there."""
    try:
        path.stat()
    except PermissionError as error:
        return error.strerror or str(error)
    except (OSError, ValueError):
        return ""
    return ""


def closed(path: Path) -> str:
    """`hidden_by` as the rest of a sentence that begins with the path."""
    why = hidden_by(path)
    return f"cannot be looked at ({why}). Check the permissions of the folders above it." if why else ""


def check_output(output: Path, option: str) -> None:
    """Whether a folder can have this path, as far as that can be told beforehand. Raises DflwrapError.

    option: what names it, for "Give a folder with ...".
    """
    why = hidden_by(output)
    if why:
        raise DflwrapError(
            f"The output cannot be looked at: {display(str(output))} ({why}). Check the permissions of the folders "
            f"above it, or give another folder{option}."
        )
    for one in (output, *output.parents):
        if os.path.lexists(one):
            if not is_folder(one) and is_there(one):
                what = "The output is" if one == output else f"The output {display(str(output))} lies below"
                raise DflwrapError(
                    f"{what} a file, not a folder: {display(str(one))}. Give a folder{option}."
                )
            return


_JUNCTION = getattr(stat, "IO_REPARSE_TAG_MOUNT_POINT", 0xA0000003)


def remove_tree(folder: Path) -> None:
    """Remove a folder of ours; links in it, and a link in its place, are removed, never followed.

    Raises OSError where something cannot be removed (except on Windows, where files may be held open).
    """
    if is_link(folder):
        folder.unlink()  # removes a junction too
    elif folder.exists():
        if os.name == "nt":
            _remove_on_windows(folder)
        else:
            shutil.rmtree(folder)


def remove_file(path: Path) -> None:
    """Remove a file or a link of ours, on Windows also a hard link to a read-only frame. Raises OSError."""
    try:
        path.unlink()
    except PermissionError:
        if os.name != "nt":
            raise
        windows_files.delete_name(path)


def _remove_on_windows(folder: Path) -> None:
    """Hard links to read-only frames are read-only too, and `unlink` refuses them there."""

    def failed(function: object, path: str, _error: object) -> None:
        if function is os.unlink:
            with suppress(OSError):
                windows_files.delete_name(Path(path))

    if sys.version_info >= (3, 12):
        shutil.rmtree(folder, onexc=failed)
    else:
        shutil.rmtree(folder, onerror=failed)


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


def is_same_folder(one: Path, other: Path) -> bool:
    """True where both lead to one folder, through links and `..` too; neither need exist."""
    try:
        return one.samefile(other)
    except OSError:
        return _resolved(one) == _resolved(other)


def is_inside(path: Path, folder: Path) -> bool:
    """True for `folder` itself and everything below it, whatever links lead there."""
    return any(is_same_folder(one, folder) for one in (_resolved(path), *_resolved(path).parents))


def _resolved(path: Path) -> Path:
    return Path(os.path.normcase(resolved(path)))


def remove_if_empty(folders: tuple[Path, ...]) -> None:
    """Remove these folders, in this order, as far as they are empty."""
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return
