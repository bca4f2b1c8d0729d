"""The folders of an extraction: which files are frames, and where faces may be written."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from dflwrap.common.errors import DflwrapError
from dflwrap.extractors.control_file import NO_FRAME

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp"})
"""DeepFaceLab's five, and two that it ignores."""

_FOLDS_CASE = sys.platform in ("win32", "darwin")
"""Whether the usual file system takes a_0.jpg and A_0.jpg for one file."""


def listed_frames(folder: Path) -> tuple[list[str], list[str]]:
    """(frames, duplicates): file names in `folder`, sorted. Of two with one stem the first is a frame.

    Files of one stem would write faces of one name. Raises DflwrapError where `folder` cannot be listed.
    """
    try:
        names = sorted(path.name for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
        names = [name for name in names if name != NO_FRAME]
    except FileNotFoundError:
        raise DflwrapError(f"Input directory not found: {folder}") from None
    except OSError as error:
        raise DflwrapError(f"the input folder {folder} cannot be read ({error.strerror or error})") from error
    frames: list[str] = []
    duplicates: list[str] = []
    stems: set[str] = set()
    for name in names:
        stem = Path(name).stem.casefold() if _FOLDS_CASE else Path(name).stem
        (duplicates if stem in stems else frames).append(name)
        stems.add(stem)
    return frames, duplicates


def prepared_folders(input_dir: Path, output_dir: Path, debug: bool) -> Path | None:
    """Make the output folder, and `<output>_debug` where asked; returns the latter.

    Nothing is ever overwritten: raises DflwrapError where a folder holds something, or cannot be made.
    """
    debug_dir = output_dir.with_name(output_dir.name + "_debug") if debug else None
    for folder in (output_dir, debug_dir):
        if folder is None:
            continue
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with os.scandir(folder) as entries:
                occupied = next(entries, None) is not None
        except OSError as error:
            raise DflwrapError(f"the folder {folder} cannot be used ({error.strerror or error})") from error
        if occupied:
            raise DflwrapError(
                f"the folder {folder} is not empty: the built-in extractor writes into an empty folder only "
                "(`dflwrap extract` adds to a faceset)"
            )
    return debug_dir
