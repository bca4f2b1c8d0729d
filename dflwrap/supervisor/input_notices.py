"""What the user should know of the input folder, beyond the fate of its frames."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from dflwrap.common.text import display
from dflwrap.common.trees import is_same_folder
from dflwrap.faceset.errors import FaceFileError
from dflwrap.faceset.metadata import read_metadata
from dflwrap.frames.inventory import Ignored, Inventory
from dflwrap.frames.names import stem_and_suffix

_LOOKED_AT = 5
"""Images; all of them must be faces: a few may have strayed among frames."""
_BESIDE = ("", "_debug", "_dflwrap")
"""What stands under the faceset's name, with these endings."""


def faceset_as_input(folder: Path, inventory: Inventory) -> str | None:
    """A notice where the input holds DeepFaceLab's faces and not frames: an easy slip, and it makes bad faces."""
    names = [entry.name for entry in inventory.frames if entry.problem is None]
    step = max(1, len(names) // _LOOKED_AT)
    looked = names[::step][:_LOOKED_AT]
    if not looked or not all(_is_face(folder / name) for name in looked):
        return None
    return (
        f"The input folder looks like a faceset, its images carry DeepFaceLab's face data: {display(str(folder))}. "
        "If you meant the frames, stop here and give their folder with --input-dir."
    )


def _is_face(path: Path) -> bool:
    if stem_and_suffix(path.name)[1] not in {".jpg", ".jpeg"}:
        return False
    try:
        return read_metadata(path) is not None
    except (FaceFileError, OSError):
        return False


def worth_telling(ignored: Iterable[Ignored], source: Path, output: Path) -> list[Ignored]:
    """Without what belongs there: files of systems; and DeepFaceLab's layout has `aligned` among the frames."""
    own = [output.with_name(output.name + ending) for ending in _BESIDE]
    return [
        item
        for item in ignored
        if not (item.usual or item.name.startswith("aligned"))
        and not any(is_same_folder(source / item.name, folder) for folder in own)
    ]
