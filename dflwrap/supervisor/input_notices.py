"""What the user should know of the input folder, beyond the fate of its frames."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from dflwrap.common.text import display
from dflwrap.common.trees import is_same_folder
from dflwrap.faceset.input_faces import holds_faces
from dflwrap.frames.inventory import Ignored, Inventory

_BESIDE = ("", "_debug", "_dflwrap")
"""What stands under the faceset's name, with these endings."""


def faceset_as_input(folder: Path, inventory: Inventory) -> str | None:
    """A notice where the input holds DeepFaceLab's faces and not frames: an easy slip, and it makes bad faces."""
    names = [entry.name for entry in inventory.frames if entry.problem is None]
    if not holds_faces(folder, names):
        return None
    return (
        f"The input folder looks like a faceset, its images carry DeepFaceLab's face data: {display(str(folder))}. "
        "If you meant the frames, stop here and give their folder with --input-dir."
    )


def worth_telling(ignored: Iterable[Ignored], source: Path, output: Path) -> list[Ignored]:
    """Without what belongs there: files of systems; and DeepFaceLab's layout has `aligned` among the frames."""
    own = [output.with_name(output.name + ending) for ending in _BESIDE]
    return [
        item
        for item in ignored
        if not (item.usual or item.name.startswith("aligned"))
        and not any(is_same_folder(source / item.name, folder) for folder in own)
    ]
