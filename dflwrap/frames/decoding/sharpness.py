"""How sharp a picture is: the variance of its Laplacian (Pech-Pacheco et al. 2000), exact, and no Laplacian is made.

A value of the Laplacian is the four neighbours less four times the pixel. Its weights w add up to zero, so that its
square, (sum of w f)**2, is the sum of -v w (f - g)**2 over the pairs of the five pixels (f, g; v, w their weights):
four times the squared steps to the neighbours, less the squared steps between neighbours. Summed over a picture, each
of these is the squared distance between the picture and itself, shifted, which OpenCV takes of bytes in a tenth of the
time of the filter.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

_SMALLEST = 4
"""Pixels of a side under which the two outer lines at one end are not told from those at the other."""


def sharpness(gray: NDArray[np.uint8]) -> float:
    """As `cv2.Laplacian(gray, cv2.CV_64F).var()`, rounded once, at the end. gray: two dimensions of bytes."""
    height, width = gray.shape
    if min(height, width) < _SMALLEST:
        return float(cv2.Laplacian(gray, cv2.CV_64F).var())
    to_neighbours = 2 * (_distance(gray[1:], gray[:-1]) + _distance(gray[:, 1:], gray[:, :-1]))
    between = _distance(gray[2:], gray[:-2]) + _distance(gray[:, 2:], gray[:, :-2])
    between += 2 * _crosswise(gray[1:], gray[:-1])
    # OpenCV mirrors the picture at its outermost pixels: what lies outside is the line that is next to the outer one.
    rows = gray[:: height - 1], gray[1 : -1 : height - 3]
    columns = cv2.transpose(gray[:, :: width - 1]), cv2.transpose(gray[:, 1 : -1 : width - 3])
    total = 0  # of the Laplacian: each step inside the picture counts once up and once down
    for outer, inner in (rows, columns):
        to_neighbours += _distance(outer, inner)
        between += _crosswise(outer, inner)
        total += int(cv2.sumElems(inner)[0]) - int(cv2.sumElems(outer)[0])
    outer, inner = rows
    between += _distance(outer[:, 1 : -1 : width - 3], inner[:, :: width - 1])  # in the corners
    squares = 4 * to_neighbours - between
    count: int = height * width
    return (squares * count - total**2) / (count * count)


def _distance(one: Any, other: Any) -> int:
    """Sum of the squared differences. Some builds of OpenCV square a root, whose last digits are rounded away."""
    return round(cv2.norm(one, other, cv2.NORM_L2SQR))


def _crosswise(rows: Any, others: Any) -> int:
    """`_distance` along both diagonals from each row to its other."""
    return _distance(rows[:, 1:], others[:, :-1]) + _distance(rows[:, :-1], others[:, 1:])
