"""From 68 landmarks in a frame to the aligned face, by the figures DeepFaceLab uses.

The landmarks at 33 indices are fitted to a template on the unit square by a similarity transform
(S. Umeyama, "Least-squares estimation of transformation parameters between two point patterns",
PAMI 13(4), 1991); the square of the face type is laid around it.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

TEMPLATE_INDICES = (*range(17, 49), 54)
_TEMPLATE = np.array(
    [
        [0.000213256, 0.106454], [0.0752622, 0.038915], [0.18113, 0.0187482], [0.29077, 0.0344891],
        [0.393397, 0.0773906], [0.586856, 0.0773906], [0.689483, 0.0344891], [0.799124, 0.0187482],
        [0.904991, 0.038915], [0.98004, 0.106454], [0.490127, 0.203352], [0.490127, 0.307009],
        [0.490127, 0.409805], [0.490127, 0.515625], [0.36688, 0.587326], [0.426036, 0.609345],
        [0.490127, 0.628106], [0.554217, 0.609345], [0.613373, 0.587326], [0.121737, 0.216423],
        [0.187122, 0.178758], [0.265825, 0.179852], [0.334606, 0.231733], [0.260918, 0.245099],
        [0.182743, 0.244077], [0.645647, 0.231733], [0.714428, 0.179852], [0.793132, 0.178758],
        [0.858516, 0.216423], [0.79751, 0.244077], [0.719335, 0.245099], [0.254149, 0.780233],
        [0.726104, 0.780233],
    ]
)  # fmt: skip

PADDING = {"half_face": 0.0, "midfull_face": 0.0675, "full_face": 0.2109375, "whole_face": 0.40, "head": 0.70}
"""By face type: how far the square goes beyond the template, in its sides."""

_AREA_CHECKED = frozenset({"half_face", "midfull_face", "full_face"})
MAX_AREA_RATIO = 4.0
"""A face whose aligned square covers more than this many detector rectangles is dropped."""


def similarity(source: Floats, target: Floats) -> Floats:
    """The 2 x 3 similarity transform that maps `source` onto `target` (n x 2) with least squared error.

    Raises ValueError.
    """
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    centred = source - source_mean
    variance = float((centred**2).sum())
    if variance <= 0:
        raise ValueError("all landmarks lie in one point")
    # In the plane the least squares have a closed form, without a decomposition: the same to 1e-12.
    along = float((centred * (target - target_mean)).sum()) / variance
    across = float((centred[:, 0] * target[:, 1] - centred[:, 1] * target[:, 0]).sum()) / variance
    scaled = np.array([[along, -across], [across, along]])
    return np.hstack((scaled, (target_mean - scaled @ source_mean)[:, None]))


def template_matrix(landmarks: Floats) -> Floats:
    """The 2 x 3 matrix landmarks (68 x 2) -> template."""
    return similarity(landmarks[list(TEMPLATE_INDICES)], _TEMPLATE)


def transform_points(points: Floats, matrix: Floats) -> Floats:
    """n x 2 points through a 2 x 3 matrix."""
    return np.asarray(points @ matrix[:, :2].T + matrix[:, 2], np.float64)


def inverse(matrix: Floats) -> Floats:
    """The 2 x 3 matrix that undoes `matrix`."""
    linear = np.linalg.inv(matrix[:, :2])
    return np.hstack((linear, (-linear @ matrix[:, 2])[:, None]))


def face_matrix(landmarks: Floats, size: int, face_type: str) -> Floats:
    """The 2 x 3 matrix frame -> face of `size` pixels square.

    `landmarks`: 68 x 2, pixels of the frame. `face_type`: a key of PADDING. Raises ValueError for
    landmarks that span no square.
    """
    to_template = template_matrix(landmarks)
    # In single precision, as DeepFaceLab computes it: for a small face far from the frame's origin
    # the rounding moves the face by thousandths of a pixel, and the matrices are to be the same.
    square = np.array([[[0, 0]], [[1, 0]], [[1, 1]], [[0, 1]], [[0.5, 0.5]]], np.float32)
    p0, p1, p2, p3, centre = cv2.transform(square, inverse(to_template))[:, 0]
    down = (p2 - p0) / np.linalg.norm(p2 - p0)
    up = (p1 - p3) / np.linalg.norm(p1 - p3)
    half_diagonal = np.linalg.norm(p0 - p2) * np.float32(PADDING[face_type] * math.sqrt(2) + 0.5)
    if face_type == "whole_face":
        centre = centre + np.float32(0.07) * (p0 - p3)
    elif face_type == "head":
        turn = _yaw(transform_points(landmarks, to_template))
        turn *= abs(math.tanh(2 * turn))
        centre = centre - (p0 - p1) * np.float32(turn / 2) + np.float32(0.50) * (p0 - p3)
    # These three map to (0, 0), (size, 0) and (size, size).
    corner = (centre - down * half_diagonal).astype(np.float64)
    right = (centre + up * half_diagonal).astype(np.float64)
    bottom = (centre + down * half_diagonal).astype(np.float64)
    across, along = (right - corner) / size, (bottom - right) / size
    return inverse(np.column_stack((across, along, corner)))


def _yaw(points: Floats) -> float:
    """How far the nose bridge is from the middle between both jaws: 0 for a face seen from the front."""
    nose, left, right = points[27:30, 0], points[[0, 1, 2], 0], points[[16, 15, 14], 0]
    return float((right - nose).mean() - (nose - left).mean())


def is_plausible(matrix: Floats, rect: tuple[float, float, float, float], size: int, face_type: str) -> bool:
    """False where the aligned square is out of proportion to the detector's rectangle (l, t, r, b)."""
    if face_type not in _AREA_CHECKED:
        return True
    left, top, right, bottom = rect
    square = (size - 1) ** 2 / abs(float(np.linalg.det(matrix[:, :2])))
    return square <= MAX_AREA_RATIO * abs((right - left) * (bottom - top))
