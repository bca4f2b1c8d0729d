"""The 68 landmarks of one face: MediaPipe's FaceMesh on an upright crop."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from dflwrap.extractors.builtin.finding.crop import Crop, around, cut
from dflwrap.extractors.builtin.finding.detector import MIN_SCORE, Candidate, Floats, Frame
from dflwrap.extractors.builtin.finding.models import MESH_FILE, Model
from dflwrap.extractors.builtin.finding.scheme68 import (
    DETECTOR_POINTS,
    LEFT_EYE_CORNER,
    RIGHT_EYE_CORNER,
    landmarks_68,
)

INPUT_SIZE = 192
CROP_SCALE = 1.5
"""Side of the crop in longer sides of the face's box: what FaceMesh was trained on."""
MIN_PRESENCE = 10.0
"""Presence (logit) from which a mesh is a face by itself. MediaPipe's own threshold of 0 takes hands for faces.

Measured: upright faces 30 to 60, faces turned half away and a far profile 13 to 25, a hand 8, things below 5.
"""
MIN_AGREED_PRESENCE = 1.0
"""Presence from which a mesh is a face where the detector is sure of it and sees its eyes, nose and mouth where the
mesh has them (`_agree`): profiles, blurred and half covered faces."""
MAX_DISAGREEMENT = 0.10
"""Mean distance of the four, in sides of the detector's box, at most; `DISAGREEMENT` times what its score has over
`MIN_SCORE` where that is less. Measured: blurred faces 0.02 to 0.05 at scores of 0.7 to 0.9; a wooden doll 0.07 at 0.74
and 0.08 at 0.81; animals 0.08 at 0.73 and more."""
DISAGREEMENT = 0.22
MIN_FAINT_PRESENCE = -1.5
"""Mean presence of a faint face and its mirror image; of a blurred face -3 to 10, of things -12 to 4."""
_FAINT_LOSS = 2.0
"""Of presence, at most, by another look at a faint face."""
_MAX_FAINT_DIFFERENCE = 0.06
"""Mean distance between the eyes, nose and mouth of it and of its mirror image, in sides of the detector's box."""
_TURNED_PRESENCE, _MAX_TURNED_DIFFERENCE = 3.0, 0.1
"""From that presence on it may be more: a head that is turned away, whose far eye is a guess."""
_MAX_FAINT_DISAGREEMENT = 0.14
"""And of both from the detector's."""
MAX_LOOKS = 4
"""At one face, once its roll is known to a quarter."""
SURE_PRESENCE = 16.0
"""Presence from which the crop's roll is right: turned by a quarter or more it was never above 12."""


@dataclass(frozen=True, slots=True)
class MeshFace:
    """A face as FaceMesh sees it, in pixels of the frame."""

    presence: float
    """Logit."""
    landmarks: Floats
    """68 x 2."""
    rect: tuple[float, float, float, float]
    """Left, top, right, bottom of the whole mesh."""


class Mesh:
    """FaceMesh; it looks at the detector's box, and again where the first look shows the box was off."""

    def __init__(self, threads: int) -> None:
        self._model = Model(MESH_FILE, threads)

    def face(self, frame: Frame, candidate: Candidate, faint: bool = True) -> MeshFace | None:
        """The face at `candidate`, or None where FaceMesh sees none. `frame`: BGR.

        faint: take a mesh of little presence where the detector agrees with it.
        """
        crop = around(candidate, CROP_SCALE)
        presence, points = self._look(frame, crop)
        needed = MIN_PRESENCE
        if presence < SURE_PRESENCE:
            # The detector may see a face that lies on its side or upside down as an upright one.
            for quarters in (1, 2, 3):
                other = replace(crop, roll=candidate.roll + quarters * math.pi / 2)
                seen = self._look(frame, other)
                if seen[0] > presence:
                    crop, presence, points = other, *seen
                    needed = SURE_PRESENCE
        # The second look is taken at every face: it makes a clip's alignment a fifth steadier.
        for look in range(1, MAX_LOOKS):
            better = _crop_around(points)
            if look > 1 and _is_near(crop, better):
                break
            again, refined = self._look(frame, better)
            if again < needed and again <= presence:
                break
            crop, presence, points = better, again, refined
        if presence < needed and not (faint and _agree(candidate, presence, points)):
            return None
        return _mesh_face(presence, points)

    def faint_face(self, frame: Frame, candidate: Candidate) -> MeshFace | None:
        """The upright face at `candidate` where a mesh of whatever presence agrees with itself and the detector.

        That is: with what FaceMesh makes of the same crop mirrored. Not enough by itself: see faint.py.
        """
        crop = around(candidate, CROP_SCALE)
        presence, points = self._look(frame, crop)
        for _ in range(2):
            better = _crop_around(points)
            again, refined = self._look(frame, better)
            if again > presence - _FAINT_LOSS:
                crop, presence, points = better, again, refined
        mirrored, other = self._look(frame, crop, mirrored=True)
        side = candidate.side
        own, others = _detector_points(points), _detector_points(other)[[1, 0, 2, 3]]
        mean = (presence + mirrored) / 2
        allowed = _MAX_FAINT_DIFFERENCE if mean < _TURNED_PRESENCE else _MAX_TURNED_DIFFERENCE
        if mean < MIN_FAINT_PRESENCE or _distance(own, others) > allowed * side:
            return None
        if _distance((own + others) / 2, candidate.points[:4]) > _MAX_FAINT_DISAGREEMENT * side:
            return None
        return _mesh_face(presence, points)

    def _look(self, frame: Frame, crop: Crop, mirrored: bool = False) -> tuple[float, Floats]:
        """(presence as a logit, 468 x 2 points in the frame); mirrored: left and right of the points are exchanged."""
        if crop.side < 2:
            return -math.inf, np.zeros((468, 2))
        pixels = cut(frame, crop, INPUT_SIZE)
        image = np.multiply(pixels[:, ::-1] if mirrored else pixels, np.float32(1 / 255), dtype=np.float32)
        raw_points, raw_presence = self._model(image)
        presence = float(raw_presence.reshape(-1)[0])
        flat = raw_points.reshape(-1, 3)[:, :2].astype(np.float64) / INPUT_SIZE
        if mirrored:
            flat[:, 0] = 1 - flat[:, 0]
        matrix = crop.to_frame()
        return presence, flat @ matrix[:, :2].T + matrix[:, 2]


def _agree(candidate: Candidate, presence: float, points: Floats) -> bool:
    """True where a faint mesh is a face all the same: see `MIN_AGREED_PRESENCE`."""
    if presence < MIN_AGREED_PRESENCE:
        return False
    distance = _distance(_detector_points(points), candidate.points[:4])
    return distance <= candidate.side * min(MAX_DISAGREEMENT, DISAGREEMENT * (candidate.score - MIN_SCORE))


def _detector_points(points: Floats) -> Floats:
    """4 x 2: where a mesh has BlazeFace's eyes, nose and mouth."""
    return np.array([points[list(vertices)].mean(axis=0) for vertices in DETECTOR_POINTS])


def _distance(some: Floats, others: Floats) -> float:
    return float(np.linalg.norm(some - others, axis=1).mean())


def _mesh_face(presence: float, points: Floats) -> MeshFace:
    low, high = points.min(axis=0), points.max(axis=0)
    rect = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
    return MeshFace(presence, landmarks_68(points), rect)


def _crop_around(points: Floats) -> Crop:
    """The upright square FaceMesh is to see, from a mesh: as MediaPipe follows a face in a video."""
    right_eye, left_eye = points[RIGHT_EYE_CORNER], points[LEFT_EYE_CORNER]
    roll = math.atan2(left_eye[1] - right_eye[1], left_eye[0] - right_eye[0])
    cosine, sine = math.cos(roll), math.sin(roll)
    upright = points @ np.array([[cosine, -sine], [sine, cosine]])
    low, high = upright.min(axis=0), upright.max(axis=0)
    middle = (low + high) / 2
    centre = (cosine * middle[0] - sine * middle[1], sine * middle[0] + cosine * middle[1])
    return Crop((float(centre[0]), float(centre[1])), CROP_SCALE * float((high - low).max()), roll)


def _is_near(crop: Crop, better: Crop) -> bool:
    """True where another look would no more move the landmarks to be seen."""
    offset = math.hypot(better.centre[0] - crop.centre[0], better.centre[1] - crop.centre[1])
    turn = abs(math.remainder(better.roll - crop.roll, 2 * math.pi))
    return 0.97 < better.side / crop.side < 1.03 and offset < 0.02 * crop.side and math.degrees(turn) < 3
