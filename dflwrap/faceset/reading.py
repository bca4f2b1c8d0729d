"""What an existing faceset holds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dflwrap.common.trees import is_folder
from dflwrap.faceset.face_file.errors import FaceFileError
from dflwrap.faceset.face_file.metadata import FaceMetadata, read_metadata
from dflwrap.faceset.listing import FACE_SUFFIXES


@dataclass(frozen=True, slots=True)
class ExistingFace:
    """One JPEG of a faceset. `metadata` is None where `problem` says why."""

    path: Path
    metadata: FaceMetadata | None
    problem: str | None = None


def scan_faceset(folder: Path) -> Iterator[ExistingFace]:
    """The JPEGs in `folder` (not below it), sorted by name, one at a time; other files are left out.

    Reads only headers, so that a large faceset takes seconds. Raises OSError where the folder cannot
    be listed; a file that cannot be read is a `problem` of that file.
    """
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if Path(entry.name).suffix.lower() in FACE_SUFFIXES)
    for name in names:
        path = folder / name
        if is_folder(path):
            continue
        yield _existing(path)


def _existing(path: Path) -> ExistingFace:
    try:
        metadata = read_metadata(path)
    except FaceFileError as error:
        return ExistingFace(path, None, str(error))
    except OSError as error:
        return ExistingFace(path, None, f"the file cannot be read ({error.strerror or error})")
    if metadata is None:
        return ExistingFace(path, None, "the face has no metadata")
    return ExistingFace(path, metadata)
