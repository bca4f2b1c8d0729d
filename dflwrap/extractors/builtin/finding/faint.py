"""Is a place that FaceMesh is not sure of a face all the same? Blurred, half covered, dark ones.

FaceMesh's presence says how sharp a face is as much as whether it is one. A face has another property that a pattern
lacks: both detectors see it again in other crops and mirrored, with its eyes, nose and mouth at the same places. In
433 pictures without a face (animals, streets, textures, stars, people whose face was painted over; each also blurred,
turned, mirrored, cut in half) 123 places had a score of 0.5 or more. None passed; of 41 missed faces 22 did.
"""

from __future__ import annotations

import numpy as np

from dflwrap.extractors.builtin.finding.crop import around, cut
from dflwrap.extractors.builtin.finding.detector import Candidate, Detector, Frame

_NEAR_SCALES, _FAR_SCALES = (2.0, 2.8), (2.4, 4.0)
"""Sides of the crops in sides of the candidate's box."""
_MIN_NEAR_SCORE, _MIN_FAR_SCORE = 0.4, 0.5
"""Median of four sights each. The full-range network gives animals 0.02 to 0.3 there."""
_MAX_SPREAD = 0.07
"""Median distance of a sight's eyes, nose and mouth from the median ones, in box sides: faces 0.02 to 0.07, else 0.05
to 0.8 (below 0.1 with a presence under -3, or a score by the full-range network under 0.4)."""
_MIRRORED_POINTS = [1, 0, 2, 3]


def is_seen_again(frame: Frame, candidate: Candidate, near: Detector, far: Detector) -> bool:
    """True where the short-range and the full-range network see the candidate again and again, at the same place."""
    points = []
    for detector, scales, needed in (
        (far, _FAR_SCALES, _MIN_FAR_SCORE),
        (near, _NEAR_SCALES, _MIN_NEAR_SCORE),
    ):
        scores = []
        for scale in scales:
            image = cut(frame, around(candidate, scale), detector.size[0])
            for mirrored in (False, True):
                score, seen = detector.best(image[:, ::-1] if mirrored else image)
                seen = seen[:4] - 0.5
                if mirrored:
                    seen = (seen * (-1, 1))[_MIRRORED_POINTS]
                scores.append(score)
                points.append(seen * scale)
        if np.median(scores) < needed:
            return False
    sights = np.array(points)
    spread = np.linalg.norm(sights - np.median(sights, axis=0), axis=2).mean(axis=1)
    return bool(np.median(spread) <= _MAX_SPREAD)
