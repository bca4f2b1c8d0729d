"""The batch folder of an attempt: how frames that go in as they are get to the extractor."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

from dflwrap.common.retrying import retry_held_open
from dflwrap.common.storage import FULL_ERRNOS, LONGEST_PATH, is_device_error, is_missing, is_too_long
from dflwrap.common.trees import resolved
from dflwrap.frames.names import OUR_PREFIX, stem_and_suffix

UNFINISHED = ".new"
"""Ending of a copy that is being written, in place of the frame's: stems are unique in a batch."""


class Way(StrEnum):
    """How a frame that needs no conversion gets to the extractor."""

    LINK = "link"
    """The batch folder has a link to it."""
    IN_PLACE = "in place"
    """The extractor is told of the user's own file: the batch folder has nothing of it."""
    COPY = "copy"


class BatchFolder:
    """Brings frames into a batch folder, or leaves them where they lie. Several threads may use it.

    Whether links work is found out with the first frame of each disk.
    """

    def __init__(self, path: Path, *, in_place: bool, windows: bool = os.name == "nt") -> None:
        """in_place: the extractor may be told of a frame that lies elsewhere."""
        self.path, self._in_place, self._windows = path, in_place, windows
        self._links: dict[int, bool] = {}
        """Device number of the frames' disk -> whether links to it can be made here."""

    def bring(self, source: Path, name: str, disk: int) -> Way:
        """Make `source` readable for the extractor under `name`; it is only ever read. disk: its device number.

        Raises OSError where that does not come about, FileExistsError rather than write through a link that stands
        there already, into another frame.
        """
        target = self.path / name
        if self._links.get(disk, True):
            if make_link(source, target, windows=self._windows):
                self._links[disk] = True
                return Way.LINK
            self._links.setdefault(disk, False)
        if self._in_place and can_be_read_in_place(source, name, windows=self._windows):
            return Way.IN_PLACE
        copy_frame(source, target)
        return Way.COPY


def batch_name(frame_id: int, name: str, *, plain: bool, converted: bool) -> str:
    """The name of a frame inside the batch folder: its own where that is plain, else a unique one."""
    if converted:
        return f"{OUR_PREFIX}{frame_id:07d}.png"
    return name if plain else f"{OUR_PREFIX}{frame_id:07d}{stem_and_suffix(name)[1]}"


def can_be_read_in_place(source: Path, name: str, *, windows: bool = os.name == "nt") -> bool:
    """Whether an extractor reads `source` as it would read a link of that name.

    It names faces after the file that it reads. DeepFaceLab dies of a path that is not UTF-8; its Python, as most
    programs of Windows, takes none that is longer than usual.
    """
    path = str(source)
    if source.name != name or not source.is_absolute() or (windows and len(path) > LONGEST_PATH):
        return False
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def make_link(source: Path, target: Path, *, windows: bool = os.name == "nt") -> bool:
    """Make `target` show `source` without copying. False where the file system has no links from there to here.

    Tries a symbolic link (POSIX), on Windows, where that needs a right that users lack, a hard link first. Raises
    OSError for any other reason, FileExistsError where something stands at `target`.
    """
    _check_free(target)
    source = resolved(source)
    for way in (os.link, os.symlink) if windows else (os.symlink,):
        try:
            way(source, target)
        except (OSError, NotImplementedError) as error:
            if isinstance(error, OSError) and _is_no_matter_of_links(error, target):
                raise
            continue
        return True
    return False


def copy_frame(source: Path, target: Path) -> None:
    """Raises OSError, FileExistsError where something stands at `target`."""
    _check_free(target)
    # No image by its name until it is whole: an extractor lists the folder when it likes, and reads half a JPEG.
    unfinished = target.with_suffix(UNFINISHED)
    try:
        shutil.copyfile(source, unfinished)
        retry_held_open(lambda: unfinished.rename(target))
    except OSError:
        with suppress(OSError):
            unfinished.unlink()
        raise


def link_frame(source: Path, target: Path) -> None:
    """A link where the platform has one to make, else a copy. Raises as `make_link` and `copy_frame`."""
    if not make_link(source, target, windows=os.name == "nt"):
        copy_frame(source, target)


def _check_free(target: Path) -> None:
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))


def _is_no_matter_of_links(error: OSError, target: Path) -> bool:
    """A copy would fail of it, too."""
    if is_missing(error) or is_device_error(error) or is_too_long(error, target):
        return True
    return error.errno in FULL_ERRNOS or isinstance(error, FileExistsError)
