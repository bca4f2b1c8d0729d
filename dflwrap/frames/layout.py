"""How the pictures of a folder are arranged: all in it, one folder per person, or mixed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from dflwrap.common.trees import is_file, is_inside, is_link, is_there
from dflwrap.common.waits import heeding, never
from dflwrap.frames.companions import why_companion
from dflwrap.frames.inventory import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from dflwrap.frames.names import stem_and_suffix

SIDE_FOLDERS = ("merged", "merged_mask", "result", "result_mask")
"""What DeepFaceLab makes among the frames beside `aligned`."""
MOST_DEPTH = 6
"""Folders below one another that are looked into."""


class Arrangement(StrEnum):
    """How pictures lie in a folder and its sub-folders."""

    EMPTY = "empty"
    FLAT = "flat"
    """Pictures in the folder itself; fewer, or none, in its sub-folders."""
    PER_PERSON = "per-person"
    """None in the folder itself, some in its sub-folders."""
    MIXED = "mixed"
    """Some in the folder itself, and more in its sub-folders."""


@dataclass(frozen=True, slots=True)
class SubFolder:
    """A sub-folder that holds pictures."""

    path: Path
    images: int
    """Directly in it, by their names."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where in a folder pictures lie."""

    folder: Path
    images: int
    """In the folder itself, by their names."""
    sub_folders: tuple[SubFolder, ...]
    """Those that hold pictures, at any depth, sorted; without what DeepFaceLab and dflwrap have made."""
    videos: tuple[str, ...]
    """In the folder itself."""
    paks: tuple[str, ...]
    """Packed facesets, relative to the folder."""
    unreadable: tuple[Path, ...] = ()
    """Sub-folders that could not be listed: what is in them is not known."""
    passed_over: tuple[SubFolder, ...] = ()
    """Those that hold pictures and are named as if DeepFaceLab or dflwrap had made them (`aligned_bob`, `bob_debug`);
    without what bears the usual names."""

    bare: tuple[Path, ...] = ()
    """Folders in the folder itself without any picture, at any depth; but for hidden ones."""

    @property
    def below(self) -> int:
        """Pictures in sub-folders."""
        return sum(sub.images for sub in self.sub_folders)

    @property
    def arrangement(self) -> Arrangement:
        if not self.images:
            return Arrangement.PER_PERSON if self.below else Arrangement.EMPTY
        return Arrangement.MIXED if self.below > self.images else Arrangement.FLAT


def is_side_folder(folder: Path) -> bool:
    """Whether a folder among frames is one that DeepFaceLab or dflwrap has made: faces, debug or merged pictures."""
    name = folder.name.casefold()
    if name.startswith("aligned") or name.endswith(("_debug", "_dflwrap")) or name in SIDE_FOLDERS:
        return True
    return is_there(folder / "dflwrap.json")


_USUAL = frozenset({"aligned", "aligned_debug", "aligned_dflwrap", *SIDE_FOLDERS})


def look_at_layout(folder: Path, stopping: Callable[[], bool] = never) -> Layout:
    """Names alone are looked at; links to folders below the first level are not followed.

    Raises OSError where `folder` cannot be listed (`inventory.check_folder` says it in words), StoppedError.
    """
    images, below, videos, paks = 0, list[Path](), [], []
    found = _Found()
    for entry in heeding(stopping, _each(folder)):
        suffix = stem_and_suffix(entry.name)[1]
        if _is_folder(entry, follow=True):
            if suffix not in IMAGE_SUFFIXES and not _leads_up(entry, folder):
                found.take(entry, below)
        elif suffix in IMAGE_SUFFIXES:
            images += not why_companion(entry)
        elif suffix in VIDEO_SUFFIXES:
            videos.append(entry.name)
        elif entry.name.casefold() == "faceset.pak":
            paks.append(entry.name)
    below.sort()
    subs = [sub for path in below for sub in _below(path, 1, found, stopping)]
    paks += [f"{path.name}/faceset.pak" for path in below if is_file(path / "faceset.pak")]
    passed_over = [SubFolder(path, _pictures_in(path, stopping)) for path in sorted(found.passed_over)]
    return Layout(
        folder,
        images,
        tuple(subs),
        tuple(sorted(videos)),
        tuple(paks),
        tuple(found.unreadable),
        tuple(sub for sub in passed_over if sub.images),
        _bare(below, [sub.path for sub in (*subs, *passed_over)] + found.unreadable),
    )


def _bare(folders: list[Path], filled: list[Path]) -> tuple[Path, ...]:
    """Those of `folders` that none of `filled` lies in."""
    taken = {above for path in filled for above in (path, *path.parents)}
    return tuple(path for path in folders if path not in taken and not path.name.startswith("."))


@dataclass(slots=True)
class _Found:
    """Folders that were come across."""

    passed_over: list[Path] = field(default_factory=list)
    unreadable: list[Path] = field(default_factory=list)

    def take(self, entry: os.DirEntry[str], below: list[Path]) -> None:
        """below: folders that may hold frames, and are to be looked into."""
        path = Path(entry.path)
        if why_companion(entry):
            return
        if not is_side_folder(path):
            below.append(path)
        elif path.name.casefold() not in _USUAL and not is_there(path / "dflwrap.json"):
            self.passed_over.append(path)


def _each(folder: Path) -> Iterator[os.DirEntry[str]]:
    """In no order: sorting would hold all of them, and there may be 100,000."""
    with os.scandir(folder) as listing:
        yield from listing


def _below(folder: Path, depth: int, found: _Found, stopping: Callable[[], bool]) -> Iterator[SubFolder]:
    images, deeper = 0, list[Path]()
    try:
        for entry in heeding(stopping, _each(folder)):
            if _is_folder(entry, follow=False):
                if depth < MOST_DEPTH:
                    found.take(entry, deeper)
            elif stem_and_suffix(entry.name)[1] in IMAGE_SUFFIXES:
                images += not why_companion(entry)
    except OSError:
        found.unreadable.append(folder)
        return
    if images:
        yield SubFolder(folder, images)
    for path in sorted(deeper):
        yield from _below(path, depth + 1, found, stopping)


def _pictures_in(folder: Path, stopping: Callable[[], bool]) -> int:
    """0 where it cannot be listed."""
    try:
        return sum(
            stem_and_suffix(entry.name)[1] in IMAGE_SUFFIXES and not why_companion(entry)
            for entry in heeding(stopping, _each(folder))
        )
    except OSError:
        return 0


def _leads_up(entry: os.DirEntry[str], folder: Path) -> bool:
    """A link to `folder` itself or to one above it: what lies there would be taken twice."""
    path = Path(entry.path)
    return is_link(path) and is_inside(folder, path)


def _is_folder(entry: os.DirEntry[str], *, follow: bool) -> bool:
    try:
        return entry.is_dir(follow_symlinks=follow)
    except OSError:
        return False
