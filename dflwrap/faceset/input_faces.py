"""Whether what was given as frames are DeepFaceLab's faces: an easy slip, and it makes bad faces."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dflwrap.faceset.face_file.errors import FaceFileError
from dflwrap.faceset.face_file.metadata import read_metadata
from dflwrap.frames.names import stem_and_suffix

_LOOKED_AT = 5
"""Images; all of them must be faces: a few may have strayed among frames."""


def holds_faces(folder: Path, names: Sequence[str]) -> bool:
    """Whether the images `names` of `folder` carry DeepFaceLab's face data; a few of them are looked at."""
    step = max(1, len(names) // _LOOKED_AT)
    looked = names[::step][:_LOOKED_AT]
    return bool(looked) and all(_is_face(folder / name) for name in looked)


def _is_face(path: Path) -> bool:
    if stem_and_suffix(path.name)[1] not in {".jpg", ".jpeg"}:
        return False
    try:
        return read_metadata(path) is not None
    except (FaceFileError, OSError):
        return False
