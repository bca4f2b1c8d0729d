"""Writing the sample folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import cv2

from dflwrap.common.errors import DflwrapError
from dflwrap.samples.clip import Clip
from dflwrap.samples.ugly import UGLY_FILES, UGLY_FOLDER, UGLY_LINKS, encoded, make_link


@dataclass(frozen=True, slots=True)
class SampleManifest:
    """What a sample folder holds; names are relative to it."""

    frames: tuple[str, ...]
    """The good frames: a face in each, two in the last third."""
    ugly: dict[str, str] = field(default_factory=dict)
    """Name -> what is wrong with it."""
    skipped: dict[str, str] = field(default_factory=dict)
    """Name -> why this platform cannot have it."""


def make_frames(
    folder: Path,
    frames: int = 60,
    size: tuple[int, int] = (1280, 720),
    seed: int = 0,
    ugly: bool = False,
) -> SampleManifest:
    """Make `folder` with `frames` frames of `size` (width, height) pixels, `00001.jpg` onwards.

    The same seed gives the same bytes. One frame is in memory at a time. A file that exists already
    is left as it is, so a second call completes or repeats the first. Raises DflwrapError for an
    impossible size or number and where the photographs are not installed; OSError as the disk does.
    """
    if frames < 1:
        raise DflwrapError("at least one sample frame must be asked for")
    if min(size) < 128 or max(size) > 8192:
        raise DflwrapError("sample frames must have sides between 128 and 8192 pixels")
    clip = Clip(frames, size, seed)
    folder.mkdir(parents=True, exist_ok=True)
    names = tuple(f"{index + 1:05d}.jpg" for index in range(frames))
    for index, name in enumerate(names):
        _write_once(folder / name, partial(_frame_file, clip, index))
    if not ugly:
        return SampleManifest(names)
    return _add_ugly(folder, names, clip)


def _add_ugly(folder: Path, names: tuple[str, ...], clip: Clip) -> SampleManifest:
    picture = clip.frame(0)
    wrong: dict[str, str] = {}
    skipped: dict[str, str] = {}
    for file in UGLY_FILES:
        path = folder / file.name
        path.parent.mkdir(exist_ok=True)
        _write_once(path, partial(file.content, picture))
        wrong[file.name] = file.wrong
    name, what = UGLY_FOLDER
    (folder / name).mkdir(exist_ok=True)
    wrong[name] = what
    for name, what, target in UGLY_LINKS:
        reason = make_link(folder / name, target)
        if reason is None:
            wrong[name] = what
        else:
            skipped[name] = reason
    return SampleManifest(names, wrong, skipped)


def _frame_file(clip: Clip, index: int) -> bytes:
    return encoded(clip.frame(index), ".jpg", cv2.IMWRITE_JPEG_QUALITY, 92)


def _write_once(path: Path, content: Callable[[], bytes]) -> None:
    if path.exists():
        return
    unfinished = path.with_name(path.name + ".part")
    unfinished.write_bytes(content())
    unfinished.replace(path)
