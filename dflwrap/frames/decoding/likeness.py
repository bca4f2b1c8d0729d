"""Do two pictures show the same? Runs in the decoder's child process (`Converter.likeness`).

Compared are grey thumbnails of 64x64 pixels, blurred a little, by normalised correlation: brightness and
contrast do not count, nor do noise, sharpening, compression or a shift by a pixel.
"""

from __future__ import annotations

import functools
import math
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from dflwrap.frames.header import read_header

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Gray = NDArray[np.uint8]
    Floats = NDArray[np.float64]

SIDE = 64
"""Pixels of a thumbnail's side."""
_FINE = 2 * SIDE
"""Side at which the frame is sampled before it is averaged to SIDE."""
_BLUR = 1.0
"""Sigma in pixels of the thumbnail: about an eightieth of the face, what a detector's landmarks are worth."""
FLAT = 1.5
"""Grey levels of 255 (standard deviation of the thumbnail) under which a picture shows nothing."""
MOST_PIXELS = 2**28
"""A face whose header names more is not decoded: four children at a time hold such pictures."""
LEAST_SEEN = 24.0
"""Pixels of the picture, across and down, that the frame must fill for a comparison: with fewer, JPEG's own noise
decides."""
LEAST_TINY = 8.0
SURE_OF_TINY = 0.9
"""So few pixels, across and down, still tell that it is the same where they agree so well; never that it is not."""
LEAST_VALID = 0.05
"""Share of the thumbnail's pixels that must lie within the frame."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A picture, and where in the source it should be found."""

    picture: Path
    matrices: tuple[tuple[float, ...], ...]
    """Each six numbers, row by row: source -> picture, pixels. The best of them counts."""
    box: tuple[float, float, float, float] | None = None
    """Left, top, right, bottom of the part of the picture that is compared, pixels; None = all of it."""

    def to_json(self) -> dict[str, Any]:
        return {"picture": os.fsencode(self.picture).hex(), "matrices": self.matrices, "box": self.box}


@dataclass(frozen=True, slots=True)
class Likeness:
    """What came of comparing one piece."""

    problem: str = ""
    """Why the picture cannot be read; empty = it can."""
    width: int = 0
    height: int = 0
    """Of the picture, pixels."""
    correlations: tuple[float | None, ...] = ()
    """-1 to 1 for each matrix; None where the picture, or both, show nothing, or nothing was to be compared."""
    flat: bool = False
    """All of the picture is of one grey, but for FLAT: it shows nothing at any scale."""


def compare(
    source: Path | None, pieces: list[dict[str, Any]], read: Callable[[Path], bytes]
) -> dict[str, Any]:
    """Each piece's picture against the part of `source` that its matrices say; without `source` only decoded.

    The answer has `width` and `height` of the source, and `pieces`: the fields of `Likeness`; or `error`.
    """
    frame = None
    answer: dict[str, Any] = {}
    if source is not None:
        frame, problem = _decode(read(source))
        if frame is None:
            return {"error": problem}
        answer = {"width": frame.shape[1], "height": frame.shape[0]}
    answer["pieces"] = [_piece(frame, piece, read) for piece in pieces]
    return answer


def _piece(frame: Gray | None, piece: dict[str, Any], read: Callable[[Path], bytes]) -> dict[str, Any]:
    import cv2

    path = Path(os.fsdecode(bytes.fromhex(piece["picture"])))
    try:
        header = read_header(path)
        if (header.width or 0) * (header.height or 0) > MOST_PIXELS:
            return {"problem": f"{header.width}x{header.height} pixels: no face is that large"}
        picture, problem = _decode(read(path))
    except OSError as error:
        return {"problem": f"the file cannot be read ({error.strerror or error})"}
    if picture is None or problem:
        return {"problem": problem}
    height, width = picture.shape[:2]
    found: list[float | None] = []
    if frame is not None:
        box = piece["box"] or (0, 0, width, height)
        found = [_correlation(frame, picture, matrix, box) for matrix in piece["matrices"]]
    low, high = cv2.minMaxLoc(picture)[:2]
    return {"width": width, "height": height, "correlations": found, "flat": (high - low) / 2 < FLAT}


def _decode(data: bytes) -> tuple[Gray | None, str]:
    """The picture in grey, its orientation tag not applied (DFL's way), and what the decoder complained of."""
    import cv2
    import numpy as np

    complaints = _Complaints()
    try:
        picture: Any = cv2.imdecode(
            np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION
        )
    except cv2.error:  # an empty file, or more pixels than OpenCV takes
        picture = None
    text = complaints.end()
    if picture is None:
        return None, "OpenCV cannot decode it"
    return picture, text


@functools.cache
def _sink() -> IO[bytes] | None:
    """One for the process; None where there is no room for it: then nothing is heard."""
    try:
        return tempfile.TemporaryFile(buffering=0)
    except OSError:
        return None


class _Complaints:
    """What libjpeg writes to the error stream about a picture that it decodes all the same."""

    def __init__(self) -> None:
        self._file = _sink()
        if self._file is not None:
            self._file.seek(0)
            self._file.truncate()
            self._saved = os.dup(2)
            os.dup2(self._file.fileno(), 2)

    def end(self) -> str:
        if self._file is None:
            return ""
        os.dup2(self._saved, 2)
        os.close(self._saved)
        self._file.seek(0)
        text = self._file.read(4096).decode("ascii", "replace")
        return next((line[:200] for line in text.splitlines() if "JPEG" in line), "")


def _correlation(
    frame: Gray, picture: Gray, matrix: list[float], box: tuple[float, float, float, float]
) -> float | None:
    """See `Likeness`; 0 where the square of the picture lies outside of the frame."""
    import cv2
    import numpy as np

    if not all(map(math.isfinite, (*matrix, *box))):
        return 0.0
    to_picture = np.array([matrix[:3], matrix[3:], [0.0, 0.0, 1.0]])
    if not 1e-8 < abs(float(np.linalg.det(to_picture))) < 1e8:
        return 0.0
    # Only what lies within the frame: the rest of the picture is black for every frame.
    left, top, right, bottom = _clipped(box, to_picture, frame.shape[1], frame.shape[0])
    if right <= left or bottom <= top:
        return 0.0
    seen = min(right - left, bottom - top)
    if seen < LEAST_TINY:
        return None
    to_fine = _scaling(_FINE / (right - left), _FINE / (bottom - top), -left, -top)
    shown, covered = _sampled(picture, to_fine)
    sampled, inside = _sampled(frame, to_fine @ to_picture)
    if shown is None or float(shown[covered > 0.99].std()) < FLAT:
        return None
    # Both are black where the frame has ended, and blurred at that edge: that must not count as likeness.
    valid = cv2.erode(np.minimum(inside, covered), np.ones((5, 5), np.uint8), borderValue=1.0) > 0.99
    if sampled is None or valid.mean() < LEAST_VALID:
        return 0.0 if seen >= LEAST_SEEN else None
    one, other = sampled[valid], shown[valid]
    one, other = one - one.mean(), other - other.mean()
    deviations = float(one.std()), float(other.std())
    if max(deviations) < FLAT:
        return None
    if min(deviations) < FLAT:
        return 0.0 if seen >= LEAST_SEEN else None
    found = float((one * other).mean() / (deviations[0] * deviations[1]))
    return None if seen < LEAST_SEEN and found < SURE_OF_TINY else found


def _clipped(
    box: tuple[float, float, float, float], to_picture: Floats, width: int, height: int
) -> tuple[float, float, float, float]:
    """`box` as far as a frame of this size reaches into it."""
    import numpy as np

    corners = np.array([[0, 0, 1], [width, 0, 1], [width, height, 1], [0, height, 1.0]]).T
    reach = (to_picture @ corners)[:2]
    low, high = reach.min(axis=1), reach.max(axis=1)
    return (
        max(box[0], float(low[0])),
        max(box[1], float(low[1])),
        min(box[2], float(high[0])),
        min(box[3], float(high[1])),
    )


def _scaling(x: float, y: float, left: float = 0.0, top: float = 0.0) -> Floats:
    """Shift, then scale, where pixels are squares with their centres on whole numbers."""
    import numpy as np

    return np.array([[x, 0, (left + 0.5) * x - 0.5], [0, y, (top + 0.5) * y - 0.5], [0, 0, 1.0]])


def _sampled(image: Gray, transform: Floats) -> tuple[NDArray[np.float32] | None, NDArray[np.float32]]:
    """The thumbnail of what `transform` maps to the fine square, and how far each pixel lies within the image."""
    import cv2
    import numpy as np

    corners = np.array([[0, 0, 1], [_FINE, 0, 1], [_FINE, _FINE, 1], [0, _FINE, 1.0]]).T
    square = (np.linalg.inv(transform) @ corners)[:2]
    limits = np.array(image.shape[1::-1], np.float64)
    left, top = np.clip(np.floor(square.min(axis=1)) - 2, 0, limits).astype(int)
    right, bottom = np.clip(np.ceil(square.max(axis=1)) + 3, 0, limits).astype(int)
    if right - left < 2 or bottom - top < 2:
        return None, np.zeros((SIDE, SIDE), np.float32)
    part = image[top:bottom, left:right]
    to_part = _scaling(1, 1, -left, -top)
    scale = math.sqrt(abs(float(np.linalg.det(transform))))
    if scale < 0.75:  # averaged first: sampling every tenth pixel would show the noise, not the face
        size = (max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale)))
        to_part = _scaling(size[0] / (right - left), size[1] / (bottom - top)) @ to_part
        part = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA))
    affine = (transform @ np.linalg.inv(to_part))[:2]
    fine = cv2.warpAffine(part, affine, (_FINE, _FINE), flags=cv2.INTER_LINEAR)
    inside = cv2.warpAffine(np.ones_like(part), affine, (_FINE, _FINE), flags=cv2.INTER_NEAREST)
    return _thumbnail(np.asarray(fine), _BLUR), _thumbnail(np.asarray(inside), 0.0)


def _thumbnail(image: Gray, blur: float) -> NDArray[np.float32]:
    import cv2
    import numpy as np

    small = cv2.resize(image.astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.GaussianBlur(small, (0, 0), blur) if blur else small, np.float32)
