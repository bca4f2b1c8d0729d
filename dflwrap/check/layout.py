"""Findings about how the folder is arranged."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from pathlib import Path

from dflwrap.check.findings import Findings, Severity
from dflwrap.common.text import display
from dflwrap.common.trees import is_folder
from dflwrap.faceset.input_faces import holds_faces
from dflwrap.frames.inventory import IMAGE_SUFFIXES, VIDEO_SUFFIXES, Ignored, Inventory
from dflwrap.frames.layout import Arrangement, Layout, SubFolder
from dflwrap.frames.names import stem_and_suffix

_STEPS = ("data_src", "data_dst")
"""Folders of a workspace that hold frames."""
_DEBUG = "_debug"
_CLOSED = "a folder that cannot be listed; what is in it is not known"
_WRITTEN = ("aligned_debug", "merged", "merged_mask", "result", "result_mask", "model")


def find_in_layout(layout: Layout, inventory: Inventory, findings: Findings) -> None:
    """Findings of the group "layout"."""
    folder = layout.folder
    if _is_workspace(folder):
        there = [name for name in _STEPS if is_folder(folder / name)]
        findings.add("wrong-step", f"a workspace: {' and '.join(there)} hold the frames")
    elif layout.images and (folder.name in _WRITTEN or folder.name.endswith("_debug")):
        findings.add("wrong-step", f"{display(folder.name)} is made by DeepFaceLab")
    else:
        _arrangement(layout, findings)
    if holds_faces(folder, [entry.name for entry in inventory.frames if entry.problem is None]):
        findings.add("faceset-as-input", display(folder.name), count=len(inventory.frames))
    findings.add_all("faceset-pak", map(display, layout.paks))
    find_passed_over(layout, findings)
    find_bare(layout, findings)
    _others(layout, inventory.ignored, findings)


def _is_workspace(folder: Path) -> bool:
    return any(is_folder(folder / name) for name in _STEPS)


def _arrangement(layout: Layout, findings: Findings) -> None:
    arrangement, subs = layout.arrangement, layout.sub_folders
    if arrangement is Arrangement.EMPTY:
        if not layout.videos and not layout.paks:
            findings.add("empty", display(str(layout.folder)), count=0)
    elif arrangement is Arrangement.MIXED:
        loose = f"in the folder itself ({_pictures(layout.images)})"
        findings.add("mixed-layout", loose, count=0)
        _add_folders("mixed-layout", layout, findings)
    elif arrangement is Arrangement.PER_PERSON:
        people = {sub.path.relative_to(layout.folder).parts[0] for sub in subs}
        if len(people) > 1:
            _add_folders("per-person-folders", layout, findings)
        else:
            _add_folders("images-in-subfolders", layout, findings)
    elif subs:
        _add_folders("images-in-subfolders", layout, findings)


def _add_folders(name: str, layout: Layout, findings: Findings) -> None:
    for sub in layout.sub_folders:
        findings.add(name, _folder_words(layout.folder, sub))


def find_passed_over(layout: Layout, findings: Findings) -> None:
    """Folders that no layout takes because of their names, and that hold something else than their names say."""
    for sub in layout.passed_over:
        beside = sub.path.name[: -len(_DEBUG)] if sub.path.name.casefold().endswith(_DEBUG) else ""
        if not _is_faceset(sub.path) and not (beside and _is_faceset(sub.path.with_name(beside))):
            findings.add("passed-over-folders", _folder_words(layout.folder, sub))


def find_bare(layout: Layout, findings: Findings) -> None:
    """Where each folder is a person: those that would get no faceset."""
    if layout.arrangement is Arrangement.PER_PERSON:
        for folder in layout.bare:
            findings.add("folder-without-pictures", f"{display(folder.name)}{_video_in(folder)}")


def _video_in(folder: Path) -> str:
    names = _names_in(folder, VIDEO_SUFFIXES)
    return f" (a video: {display(min(names))})" if names else ""


def _is_faceset(folder: Path) -> bool:
    """Also an empty one: its faces were moved on, and its debug pictures are left."""
    names = _names_in(folder, IMAGE_SUFFIXES)
    return names is not None and (not names or holds_faces(folder, names))


def _names_in(folder: Path, suffixes: Collection[str]) -> list[str] | None:
    """Of the files with these endings; None where the folder cannot be listed."""
    try:
        return [name for name in os.listdir(folder) if stem_and_suffix(name)[1] in suffixes]  # noqa: PTH208
    except OSError:
        return None


def _folder_words(folder: Path, sub: SubFolder) -> str:
    return f"{display(sub.path.relative_to(folder).as_posix())} ({_pictures(sub.images)})"


def _pictures(count: int) -> str:
    return "1 picture" if count == 1 else f"{count:,} pictures"


def _others(layout: Layout, ignored: Iterable[Ignored], findings: Findings) -> None:
    alone = Severity.ERROR if layout.arrangement is Arrangement.EMPTY else None
    for lost in layout.unreadable:
        findings.add("unreadable", f"{display(lost.relative_to(layout.folder).as_posix())}: {_CLOSED}")
    for name in layout.videos:
        findings.add("videos-not-frames", display(name), severity=alone)
    known = {*layout.videos, *layout.paks, *(sub.path.name for sub in layout.sub_folders)}
    for item in ignored:
        if not item.usual and item.name not in known and not is_folder(layout.folder / item.name):
            findings.add("stray-files", display(item.name))
