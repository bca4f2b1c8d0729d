"""The batch folder of an attempt: links to frames that go in as they are, converted copies of the rest."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import suppress
from pathlib import Path

from dflwrap.common.retrying import retry_held_open
from dflwrap.frames.names import OUR_PREFIX, stem_and_suffix

UNFINISHED = ".new"
"""Ending of a copy that is being written, in place of the frame's: stems are unique in a batch."""


def batch_name(frame_id: int, name: str, *, plain: bool, converted: bool) -> str:
    """The name of a frame inside the batch folder: its own where that is plain, else a unique one."""
    if converted:
        return f"{OUR_PREFIX}{frame_id:07d}.png"
    return name if plain else f"{OUR_PREFIX}{frame_id:07d}{stem_and_suffix(name)[1]}"


def link_frame(source: Path, target: Path) -> bool:
    """Make `target` show `source` without copying where the platform allows it; True where it had to be copied.

    Tries a symbolic link (POSIX), a hard link (Windows, where symbolic links need a right that users
    lack), and at last a copy. The source is only ever read. Raises OSError when none of it works, and
    FileExistsError rather than write through a link that stands there already, into another frame.
    """
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    source = source.resolve()
    for way in (os.link, os.symlink) if os.name == "nt" else (os.symlink,):
        try:
            way(source, target)
        except (OSError, NotImplementedError):
            continue
        return False
    # No image by its name until it is whole: an extractor lists the folder when it likes, and reads half a JPEG.
    unfinished = target.with_suffix(UNFINISHED)
    try:
        shutil.copyfile(source, unfinished)
        retry_held_open(lambda: unfinished.rename(target))
    except OSError:
        with suppress(OSError):
            unfinished.unlink()
        raise
    return True
