"""Where annotators draw the 68 points elsewhere than FaceMesh's vertices lie.

In units of DeepFaceLab's template (alignment.py): what 46 faces in the test photographs of public packages showed
against a landmarker that learnt from 300-W, mirrored, by ridge regression. The jaw moves with the turn and the nod of
the head; the eyes stay. On six other photographs, annotated by hand, in parts of the outer-eye distance: jaw 11.3 ->
9.6 %, chin 10.1 -> 7.8 %, all points 6.4 -> 5.7 %; the aligned square 2.74 -> 2.70 % of its side off.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dflwrap.extractors.builtin.alignment import inverse, template_matrix, transform_points

Floats = NDArray[np.float64]

_MOST_TURNED, _MOST_NODDED = 1.0, 0.4
"""The heads learnt from went so far; for others the corrections stay what they are there."""
_NOD_OF_LEVEL = 0.3
"""Of the nose tip below the eyes, in template units, where the head is level."""

_RIGHT_JAW = np.array([
    [[-0.0051, -0.0360], [0.0591, -0.0417], [-0.0743, 0.0596], [-0.0212, 0.0286]],
    [[-0.0083, -0.0232], [0.0885, -0.0340], [-0.0833, 0.0565], [-0.0364, 0.0366]],
    [[-0.0073, -0.0110], [0.0926, -0.0278], [-0.0856, 0.0569], [-0.0438, 0.0417]],
    [[-0.0140, 0.0009], [0.0741, -0.0229], [-0.0748, 0.0588], [-0.0395, 0.0478]],
    [[-0.0173, 0.0139], [0.0515, -0.0141], [-0.0596, 0.0603], [-0.0224, 0.0440]],
    [[-0.0166, 0.0274], [0.0321, -0.0051], [-0.0339, 0.0564], [0.0038, 0.0360]],
    [[-0.0121, 0.0358], [0.0261, -0.0003], [-0.0100, 0.0469], [0.0139, 0.0332]],
    [[-0.0057, 0.0439], [0.0254, 0.0016], [0.0080, 0.0362], [0.0147, 0.0304]],
    [[0.0000, 0.0419], [0.0125, 0.0000], [0.0000, 0.0324], [0.0000, 0.0248]],
])  # fmt: skip
"""Of points 0 to 8, each: always; times the turn; times its square; times the nod."""

_INNER = np.array([
    [-0.0178, 0.0185], [0.0055, -0.0056], [0.0331, -0.0062], [0.0413, 0.0022], [0.0200, 0.0154],
    [-0.0200, 0.0154], [-0.0413, 0.0022], [-0.0331, -0.0062], [-0.0055, -0.0056], [0.0178, 0.0185],
    [0.0000, -0.0062], [0.0000, -0.0015], [0.0000, -0.0177], [0.0000, -0.0122], [0.0080, 0.0147],
    [0.0101, 0.0184], [0.0000, 0.0060], [-0.0101, 0.0184], [-0.0080, 0.0147], [0.0000, 0.0000],
    [0.0000, 0.0000], [0.0000, 0.0000], [0.0000, 0.0000], [0.0000, 0.0000], [0.0000, 0.0000],
    [0.0000, 0.0000], [0.0000, 0.0000], [0.0000, 0.0000], [0.0000, 0.0000], [0.0000, 0.0000],
    [0.0000, 0.0000], [-0.0048, 0.0147], [0.0138, 0.0161], [0.0038, -0.0089], [0.0000, 0.0084],
    [-0.0038, -0.0089], [-0.0138, 0.0161], [0.0048, 0.0147], [-0.0044, 0.0159], [-0.0044, 0.0095],
    [0.0000, 0.0093], [0.0044, 0.0095], [0.0044, 0.0159], [0.0049, 0.0213], [-0.0068, 0.0134],
    [0.0000, 0.0173], [0.0068, 0.0134], [-0.0049, 0.0213], [0.0050, 0.0065], [0.0000, 0.0106],
    [-0.0050, 0.0065],
])  # fmt: skip
"""Of points 17 to 67."""

_MIRRORED = np.array([[-1.0, 1], [1, -1], [-1, 1], [-1, 1]])
"""Of the other half of the jaw: x changes its sign, and again with the turn's."""
_JAW = np.concatenate((_RIGHT_JAW, (_RIGHT_JAW * _MIRRORED)[-2::-1]))


def corrected(points: Floats) -> Floats:
    """The 68 x 2 points moved to where annotators put them, in the same unit."""
    matrix = template_matrix(points)
    level = transform_points(points, matrix)
    eyes = (level[36:42].mean(axis=0) + level[42:48].mean(axis=0)) / 2
    turn, nod = 4 * (level[30] - eyes) - (0, 4 * _NOD_OF_LEVEL)
    turn = np.clip(turn, -_MOST_TURNED, _MOST_TURNED)
    nod = np.clip(nod, -_MOST_NODDED, _MOST_NODDED)
    level[:17] += np.tensordot(np.array([1.0, turn, turn * turn, nod]), _JAW, axes=(0, 1))
    level[17:] += _INNER
    return transform_points(level, inverse(matrix))
