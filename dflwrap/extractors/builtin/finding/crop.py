"""A turned square of the frame, and how it is cut out."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from dflwrap.extractors.builtin.alignment import transform_points
from dflwrap.extractors.builtin.finding.detector import Candidate, Floats, Frame, halved

_UNIT_SQUARE = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]])


@dataclass(frozen=True, slots=True)
class Crop:
    """A turned square of the frame: its centre, its side (pixels) and its roll (radians)."""

    centre: tuple[float, float]
    side: float
    roll: float

    def to_frame(self) -> Floats:
        """2 x 3 matrix from the unit square into the frame."""
        cosine, sine = math.cos(self.roll) * self.side, math.sin(self.roll) * self.side
        linear = np.array([[cosine, -sine], [sine, cosine]])
        return np.column_stack((linear, np.array(self.centre) - linear @ (0.5, 0.5)))


def around(candidate: Candidate, scale: float) -> Crop:
    """The square around the detector's box, of `scale` sides of it, turned as the eyes lie."""
    left, top, right, bottom = candidate.box
    return Crop(((left + right) / 2, (top + bottom) / 2), scale * candidate.side, candidate.roll)


def cut(frame: Frame, crop: Crop, size: int) -> Frame:
    """The crop as size x size RGB, without the false patterns of a large face made small; black beyond the frame."""
    matrix = crop.to_frame()
    if crop.side >= 2 * size:
        frame, matrix = _smaller(frame, matrix, size)
    matrix[:, :2] /= size
    image = cv2.warpAffine(
        frame,
        matrix,
        (size, size),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
    )
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def _smaller(frame: Frame, matrix: Floats, size: int) -> tuple[Frame, Floats]:
    """What the crop (unit square -> frame) shows, halved while that leaves enough pixels; and the crop's matrix there.

    Only what is shown is made small: a third of the time of warping to twice the size and halving that.
    """
    corners = transform_points(_UNIT_SQUARE, matrix)
    height, width = frame.shape[:2]
    left, top = np.clip(np.floor(corners.min(axis=0)).astype(int) - 2, 0, (width, height)).tolist()
    right, bottom = np.clip(np.ceil(corners.max(axis=0)).astype(int) + 3, 0, (width, height)).tolist()
    part = frame[top:bottom, left:right]
    matrix[:, 2] -= (left, top)
    while np.linalg.norm(matrix[:, 0]) >= 2 * size and min(part.shape[:2]) >= 2:
        part = halved(part)
        matrix /= 2
        # A pixel's place is its middle: the first one of the halved part lies between the first two.
        matrix[:, 2] -= 0.25
    return part, matrix
