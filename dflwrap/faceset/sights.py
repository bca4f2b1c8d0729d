"""A face as the review needs it: where it lies in its frame, how large, how turned, and its shape.

Small, for a faceset of a hundred thousand: the metadata itself would take gigabytes.
"""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass

from dflwrap.faceset.face_file.metadata import FaceMetadata, Points

EYES = range(36, 48)
MOUTH = range(48, 68)


@dataclass(frozen=True, slots=True)
class Sight:
    """One face of a frame."""

    file: str
    """Its file name in the faceset."""
    source: str
    """The frame's file name."""
    x: float
    y: float
    """Centre of the landmarks, pixels of the frame."""
    size: float
    """Mean of their width and height, pixels of the frame."""
    turn: float
    """Degrees from the eyes above the mouth, clockwise; -180 to 180."""
    overlap: float
    """How much of the smaller of detector's rectangle and landmarks' box the other covers; 1 where there is no
    rectangle."""
    shape: array[float]
    """The landmarks as the face's matrix lays them, in sides of the square they span: 136 numbers."""


def sight_of(file: str, metadata: FaceMetadata) -> Sight | None:
    """None for a face without landmarks in its frame."""
    points = metadata.source_landmarks
    if points is None or not all(math.isfinite(value) for point in points for value in point):
        return None
    left, top, right, bottom = _box(points)
    size = (right - left + bottom - top) / 2
    if not 0 < size < 1e9:
        return None
    eyes, mouth = _mean(points, EYES), _mean(points, MOUTH)
    turn = math.degrees(math.atan2(eyes[0] - mouth[0], mouth[1] - eyes[1]))
    return Sight(
        file,
        metadata.source_filename or "",
        (left + right) / 2,
        (top + bottom) / 2,
        size,
        turn,
        _overlap((left, top, right, bottom), metadata.source_rect),
        _shape(metadata.landmarks or points),
    )


def _box(points: Points) -> tuple[float, float, float, float]:
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return min(xs), min(ys), max(xs), max(ys)


def _mean(points: Points, of: range) -> tuple[float, float]:
    return sum(points[i][0] for i in of) / len(of), sum(points[i][1] for i in of) / len(of)


def _overlap(box: tuple[float, float, float, float], rect: tuple[float, ...] | None) -> float:
    if rect is None or not all(map(math.isfinite, rect)) or rect[2] <= rect[0] or rect[3] <= rect[1]:
        return 1.0
    width = min(box[2], rect[2]) - max(box[0], rect[0])
    height = min(box[3], rect[3]) - max(box[1], rect[1])
    smaller = min((box[2] - box[0]) * (box[3] - box[1]), (rect[2] - rect[0]) * (rect[3] - rect[1]))
    return max(0.0, width) * max(0.0, height) / smaller if smaller > 0 else 1.0


def _shape(points: Points) -> array[float]:
    """Turned so that the eyes are level with the mouth below, about the centre, in root-mean-square radii."""
    centre = complex(*_mean(points, range(len(points))))
    offsets = [complex(*point) - centre for point in points]
    radius = math.sqrt(sum(abs(offset) ** 2 for offset in offsets) / len(offsets))
    down = complex(*_mean(points, MOUTH)) - complex(*_mean(points, EYES))
    if radius <= 0 or not math.isfinite(radius) or abs(down) == 0:
        return array("f", [0.0] * (2 * len(points)))
    factor = 1j * abs(down) / down / radius  # the way from the eyes to the mouth becomes straight down
    flat: list[float] = []
    for offset in offsets:
        turned = offset * factor
        flat += (turned.real, turned.imag)
    return array("f", flat)
