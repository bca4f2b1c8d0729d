"""A contact sheet of the questionable frames: one picture to see at a glance what the figures mean."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dflwrap.common.errors import DflwrapError
from dflwrap.common.text import display
from dflwrap.common.trees import is_folder, is_inside
from dflwrap.frames.conversion import ConversionError, Converter, SourceUnreadError

COLUMNS = 6
TILE = (240, 150)
"""Width and height of a picture on the sheet, pixels."""
CAPTION = 34
MARGIN = 8
_SUFFIXES = (".jpg", ".jpeg", ".png")
_GROUND, _INK, _FAINT = (32, 32, 32), (235, 235, 235), (150, 150, 150)


def check_target(target: Path, frames: Path) -> None:
    """Raises DflwrapError where no sheet can be written to `target`; a picture of the user's is never replaced.

    frames: their folder, in which the sheet would count as one of them.
    """
    shown, folder = display(str(target)), target.absolute().parent
    if target.suffix.lower() not in _SUFFIXES:
        raise DflwrapError(f"--sheet {shown}: give a name that ends in .jpg or .png.")
    if os.path.lexists(target):
        raise DflwrapError(f"--sheet {shown} exists already. Give another name, or delete it.")
    if not is_folder(folder):
        raise DflwrapError(f"--sheet {shown}: its folder does not exist.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise DflwrapError(f"--sheet {shown} cannot be written: Permission denied. Give another place.")
    if is_inside(folder, frames):
        raise DflwrapError(
            f"--sheet {shown} would lie among the frames, and be taken for one. Give a place outside of "
            f"{display(str(frames))}."
        )


def write_sheet(target: Path, frames: Sequence[tuple[Path, str]]) -> bool:
    """Frames with their flaws onto one picture; False where there is none. Raises DflwrapError."""
    if not frames:
        return False
    import cv2

    tiles = []
    with tempfile.TemporaryDirectory() as folder, Converter() as converter:
        for number, (path, flaw) in enumerate(sorted(frames, key=lambda frame: frame[1])):
            small = Path(folder) / f"{number}.png"
            try:
                converter.convert(path, small, max(TILE))
            except (ConversionError, SourceUnreadError):
                continue
            tiles.append(_tile(cv2.imread(str(small)), path.name, flaw))
    if not tiles:
        return False
    done, data = cv2.imencode(target.suffix.lower(), _joined(tiles))
    if not done:
        raise DflwrapError(f"--sheet {display(str(target))}: OpenCV cannot write it.")
    made = False
    try:
        with target.open("xb") as file:
            made = True
            file.write(data.tobytes())
    except OSError as error:
        if made:
            target.unlink(missing_ok=True)
        raise DflwrapError(
            f"--sheet {display(str(target))} cannot be written: {error.strerror}. Give another place."
        ) from None
    return True


def _tile(picture: Any, name: str, flaw: str) -> Any:
    import cv2
    import numpy as np

    width, height = TILE
    tile = np.full((height + CAPTION, width, 3), _GROUND, np.uint8)
    scale = min(width / picture.shape[1], height / picture.shape[0])
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    tile[top : top + size[1], left : left + size[0]] = small
    _write(tile, flaw, height + 13, _INK)
    shown = display(name).encode("ascii", "replace").decode("ascii")
    _write(tile, shown if len(shown) <= 30 else f"{shown[:14]}...{shown[-13:]}", height + 28, _FAINT)
    return tile


def _write(tile: Any, text: str, baseline: int, ink: tuple[int, int, int]) -> None:
    import cv2

    cv2.putText(tile, text, (2, baseline), cv2.FONT_HERSHEY_SIMPLEX, 0.42, ink, 1, cv2.LINE_AA)


def _joined(tiles: Sequence[Any]) -> Any:
    import numpy as np

    columns = min(COLUMNS, len(tiles))
    rows = math.ceil(len(tiles) / columns)
    height, width = TILE[1] + CAPTION + MARGIN, TILE[0] + MARGIN
    sheet = np.full((rows * height + MARGIN, columns * width + MARGIN, 3), _GROUND, np.uint8)
    for number, tile in enumerate(tiles):
        top, left = MARGIN + number // columns * height, MARGIN + number % columns * width
        sheet[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    return sheet
