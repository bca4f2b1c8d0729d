"""What lies in the input folder: frames, and what is not one."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from dflwrap.common.errors import DflwrapError, StoppedError
from dflwrap.common.storage import is_device_error, is_missing
from dflwrap.common.text import display
from dflwrap.common.trees import is_there
from dflwrap.common.waits import never
from dflwrap.frames.companions import why_companion
from dflwrap.frames.names import stem_and_suffix

DFL_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff"})
"""What DFL lists (in any case); everything else it passes over silently."""

CONVERTIBLE_SUFFIXES = frozenset(
    {
        ".webp",
        ".bmp",
        ".gif",
        ".jpe",
        ".jfif",
        ".jp2",
        ".avif",
        ".heic",
        ".heif",
        ".hif",
        ".ppm",
        ".pgm",
        ".tga",
        ".exr",
    }
)
"""Images that DFL ignores: frames for us, converted on their way in where OpenCV or Pillow can read them."""

IMAGE_SUFFIXES = DFL_SUFFIXES | CONVERTIBLE_SUFFIXES
VIDEO_SUFFIXES = frozenset(
    {".mp4", ".mkv", ".avi", ".mov", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".flv", ".ts", ".mts", ".m2ts"}
)

UNREAD = -1


class FrameEntry(NamedTuple):
    """One input image as the folder shows it. A tuple: there may be 100,000."""

    name: str
    size: int
    """Bytes; UNREAD where the device did not tell."""
    mtime_ns: int
    problem: str | None = None
    """Why it cannot be a readable image at all (a folder, a broken link, ...), or None."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """Something in the input folder that is not a frame."""

    name: str
    reason: str
    usual: bool = False
    """Nobody takes it for a frame: not worth a word."""


@dataclass(frozen=True, slots=True)
class Inventory:
    """The frames of a folder in DeepFaceLab's order, and what is none."""

    frames: tuple[FrameEntry, ...]
    ignored: tuple[Ignored, ...]


def check_folder(folder: Path) -> None:
    """Raises DflwrapError as `take_inventory` does, at once however many frames there are."""
    try:
        os.scandir(folder).close()
    except OSError as error:
        raise _cannot_list(folder, error) from None


def _cannot_list(folder: Path, error: OSError) -> DflwrapError:
    shown = display(str(folder))
    advice = "Give the folder that holds the frames."
    if isinstance(error, NotADirectoryError) and folder.suffix.lower() in VIDEO_SUFFIXES:
        return DflwrapError(
            f"The input is a video, not a folder: {shown}. Cut it into frames first: dflwrap prepare VIDEO OUTPUT."
        )
    if isinstance(error, NotADirectoryError) and is_there(folder):
        return DflwrapError(f"The input is a file, not a folder: {shown}. {advice}")
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return DflwrapError(f"The input folder does not exist: {shown}. {advice}")
    check = "that its disk or share is connected" if is_device_error(error) else "its permissions"
    return DflwrapError(f"The input folder cannot be read: {shown} ({error.strerror}). Check {check}.")


def take_inventory(folder: Path, stopping: Callable[[], bool] = never) -> Inventory:
    """List `folder` (not its sub-folders), sorted by name as DFL sorts.

    Raises DflwrapError when the folder is missing, is not a folder or cannot be listed; StoppedError.
    """
    frames: list[FrameEntry] = []
    ignored: list[Ignored] = []
    try:
        with os.scandir(folder) as listing:
            for entry in listing:  # one at a time: each keeps half a kilobyte of what it is asked
                if stopping():
                    raise StoppedError
                suffix = stem_and_suffix(entry.name)[1]
                companion = why_companion(entry)
                if companion:
                    ignored.append(Ignored(entry.name, companion, usual=True))
                elif suffix in IMAGE_SUFFIXES:
                    frames.append(_frame(entry))
                else:
                    reason = _why_ignored(entry, suffix)
                    if reason:
                        ignored.append(Ignored(entry.name, reason))
    except OSError as error:
        raise _cannot_list(folder, error) from None
    by_name = attrgetter("name")
    frames.sort(key=by_name)
    ignored.sort(key=by_name)
    return Inventory(tuple(frames), tuple(ignored))


def _frame(entry: os.DirEntry[str]) -> FrameEntry:
    try:
        info = entry.stat()
    except OSError as error:
        if entry.is_symlink() and not is_device_error(error):
            return FrameEntry(entry.name, 0, 0, "a link whose target does not exist")
        if is_missing(error) or is_device_error(error):
            return FrameEntry(entry.name, UNREAD, 0)
        return FrameEntry(entry.name, 0, 0, f"cannot be looked at: {error.strerror}")
    problem = None
    if stat.S_ISDIR(info.st_mode):
        problem = "a folder, named like an image"
    elif not stat.S_ISREG(info.st_mode):
        problem = "not a regular file (a pipe or a device)"
    return FrameEntry(entry.name, info.st_size if problem is None else 0, info.st_mtime_ns, problem)


def _why_ignored(entry: os.DirEntry[str], suffix: str) -> str | None:
    try:
        is_folder = entry.is_dir()
    except OSError:
        is_folder = False
    if is_folder:
        count = _images_in(Path(entry.path))
        if count:
            images = "1 image" if count == 1 else f"{count} images"
            return f"sub-folder with {images}: only the folder itself is extracted ({_OTHERWISE})"
        return None
    if suffix in VIDEO_SUFFIXES:
        return "a video: extract its frames first"
    return "not an image" if suffix not in {".db", ".ini", ".txt", ".json", ""} else None


_OTHERWISE = "--layout join or per-person takes it too"


def _images_in(folder: Path) -> int:
    try:
        with os.scandir(folder) as listing:
            names = [entry.name for entry in listing if not entry.name.startswith("._")]
            return sum(stem_and_suffix(name)[1] in IMAGE_SUFFIXES for name in names)
    except OSError:
        return 0
