"""The 468 points of FaceMesh to the 68 points of the 300-W scheme, which DeepFaceLab uses.

Inner points are a vertex of the mesh or the middle of two: FaceMesh draws the edges of brows and lips
where 300-W draws lines through them. The jaw is nine equal steps along the outline from beside each
eye to the chin, as 300-W spaces it, and not at fixed vertices. Chosen by anatomy, then corrected by what annotators do
(scheme68_fit.py), checked on annotated photographs (tests/builtin/assets/landmarks.json).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dflwrap.extractors.builtin.finding.scheme68_fit import corrected

Floats = NDArray[np.float64]

RIGHT_EYE_CORNER, LEFT_EYE_CORNER = 33, 263
"""Outer corners of the eyes; right and left are the person's."""

DETECTOR_POINTS = ((33, 133), (263, 362), (1, 4), (13, 14))
"""The vertices around BlazeFace's first four points: right eye, left eye, nose tip, mouth."""

_RIGHT_OUTLINE = np.array((127, 234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152))
_LEFT_OUTLINE = np.array((356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152))
_JAW_START = 0.4
"""Where the jaw begins, in parts of the outline's first stretch."""

_INNER = (
    (70, 46), (63, 53), (105, 52), (66, 65), (107, 55),  # right brow, 17 to 21
    (336, 285), (296, 295), (334, 282), (293, 283), (300, 276),  # left brow
    (168, 6), (197, 197), (5, 5), (1, 4),  # bridge of the nose, 27 to 30
    (75, 98), (99, 99), (2, 164), (328, 328), (305, 327),  # base of the nose
    (33, 7), (160, 159), (158, 157), (133, 133), (153, 153), (144, 144),  # right eye, 36 to 41
    (362, 362), (385, 384), (387, 386), (263, 249), (373, 373), (380, 380),  # left eye
    (61, 76), (39, 40), (37, 38), (0, 11), (267, 268), (269, 270), (291, 306),  # upper lip, 48 to 54
    (405, 321), (314, 314), (17, 17), (84, 84), (181, 91),  # lower lip
    (78, 78), (82, 82), (13, 13), (312, 312), (308, 308), (317, 317), (14, 14), (87, 87),  # inside
)  # fmt: skip
_INNER_FIRST, _INNER_SECOND = np.array(_INNER).T


def landmarks_68(mesh: Floats) -> Floats:
    """68 x 2 points of a 468 x 2 mesh, in the same unit."""
    inner = (mesh[_INNER_FIRST] + mesh[_INNER_SECOND]) / 2
    right = _steps(mesh[_RIGHT_OUTLINE])
    left = _steps(mesh[_LEFT_OUTLINE])
    return corrected(np.vstack((right, left[-2::-1], inner)))


_EIGHTHS = np.linspace(0, 1, 9)


def _steps(outline: Floats) -> Floats:
    """Nine points along the outline, equally far from one another."""
    begin = outline[0] + _JAW_START * (outline[1] - outline[0])
    line = np.vstack((begin, outline[1:]))
    steps = line[1:] - line[:-1]
    walked = np.zeros(len(line))
    np.cumsum(np.sqrt((steps * steps).sum(axis=1)), out=walked[1:])
    at = walked[-1] * _EIGHTHS
    return np.column_stack((np.interp(at, walked, line[:, 0]), np.interp(at, walked, line[:, 1])))
