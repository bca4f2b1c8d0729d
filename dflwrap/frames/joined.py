"""The frames of a folder and of its sub-folders as one clip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from dflwrap.common.trees import is_inside
from dflwrap.common.waits import heeding, never
from dflwrap.frames.inventory import Inventory, check_folder, take_inventory
from dflwrap.frames.layout import Layout, look_at_layout


def layout_without(folder: Path, output: Path, stopping: Callable[[], bool] = never) -> Layout:
    """The layout of `folder`, but for what lies in `output`: facesets that earlier runs have made are no frames.

    Raises OSError where `folder` cannot be listed, StoppedError.
    """
    layout = look_at_layout(folder, stopping)
    kept = tuple(sub for sub in layout.sub_folders if not is_inside(sub.path, output))
    return replace(layout, sub_folders=kept)


def take_joined(folder: Path, output: Path, stopping: Callable[[], bool] = never) -> Inventory:
    """As `take_inventory`, with the sub-folders: their frames are named with their folder, `clipA/00001.png`.

    output: the faceset, which may lie in `folder`. Sub-folders that DeepFaceLab or dflwrap has made are passed over.
    Raises as `take_inventory` does, also for a sub-folder: what is in it would be left out silently.
    """
    own = take_inventory(folder, stopping)
    frames, ignored = list(own.frames), list(own.ignored)
    try:
        layout = layout_without(folder, output, stopping)
    except OSError:  # gone since it was listed: the run finds out, and waits
        return own
    for lost in layout.unreadable:
        if not is_inside(lost, output):
            check_folder(lost)  # says why
    taken = {sub.path.relative_to(folder).parts[0] for sub in layout.sub_folders}
    ignored = [item for item in ignored if item.name not in taken]
    for sub in heeding(stopping, layout.sub_folders):
        below = sub.path.relative_to(folder).as_posix()
        inner = take_inventory(sub.path, stopping)
        frames += (entry._replace(name=f"{below}/{entry.name}") for entry in inner.frames)
        nested = {other.path.name for other in layout.sub_folders if other.path.parent == sub.path}
        ignored += (
            replace(item, name=f"{below}/{item.name}") for item in inner.ignored if item.name not in nested
        )
    return Inventory(tuple(frames), tuple(ignored))
