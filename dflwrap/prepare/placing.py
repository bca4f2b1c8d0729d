"""Files into the output: nothing there is ever replaced, and the originals are only read."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from dflwrap.common.errors import DflwrapError, NeedsUserError
from dflwrap.common.storage import disk_full
from dflwrap.common.text import display
from dflwrap.frames.batch import link_frame

WORK = ".dflwrap-prepare"
"""Folder in the output for what is not whole yet; ours, and gone at the end."""


def link(source: Path, target: Path) -> None:
    """A hard link, which outlives the original's folder; else a symbolic link, else a copy.

    Raises OSError, DflwrapError.
    """
    if _stands_already(source, target):
        return
    try:
        os.link(source.resolve(), target)
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
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return disk_full(output, f": {display(str(output))}")
    what = display(str(error.filename or output))
    return NeedsUserError(
        "output-not-writable",
        f"{what} cannot be written: {error.strerror}.",
        ("Look at the permissions of the output folder, or give another one.",),
    )
