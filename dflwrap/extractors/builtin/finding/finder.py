"""The faces of a frame, by DeepFaceLab's rules of order and size."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from dflwrap.extractors.builtin.finding.detector import (
    Candidate,
    Detector,
    Floats,
    Frame,
    Reduced,
    View,
    best_of_overlapping,
    overlap,
)
from dflwrap.extractors.builtin.finding.faint import is_seen_again
from dflwrap.extractors.builtin.finding.mesh import Mesh, MeshFace
from dflwrap.extractors.builtin.finding.wide_network import SIDE
from dflwrap.extractors.builtin.settings import MIN_RECT_SIDE, smallest_face

MIN_FRAME_SIDE = 128
"""Pixels; smaller frames are never looked at."""
CROWD = 4
"""Faces from which more are looked for."""
_MOST_DOUBTFUL = 8
"""Places in a frame without a sure face that are looked at more closely (about 5 ms each, 20 where there is a face)."""
_DOUBTFUL_BESIDE = 0.7
"""The detector's score from which such a place is looked at where there are sure faces: one head among others that is
turned away, not every pattern behind them."""
_NARROWEST = 13
"""Widths of a view in which the full-range network finds a face."""
_INPUTS = ((1.2, (SIDE, SIDE)), (1.4, (256, 192)), (1.65, (288, 192)), (2.0, (288, 160)))
"""Sides of the frame, longer by shorter, up to which the full-range network sees it whole in an input of this size."""
_LARGE = 0.2
"""Width in longer sides of the frame from which a face may be cut by a view's edge: it is looked for in the whole."""
_SAME_FACE_IOU = 0.4


@dataclass(frozen=True, slots=True)
class Face:
    """One face: 68 x 2 landmarks and the rectangle (l, t, r, b), pixels of the frame."""

    landmarks: Floats
    rect: tuple[int, int, int, int]

    @property
    def area(self) -> int:
        left, top, right, bottom = self.rect
        return (right - left) * (bottom - top)


def is_looked_at(frame: Frame) -> bool:
    """False for frames that are too small for the detector."""
    return bool(min(frame.shape[:2]) >= MIN_FRAME_SIDE)


class FaceFinder:
    """Detectors and landmarks together. Not to be shared by threads."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._near = Detector.short_range(threads)
        self._far = {(SIDE, SIDE): Detector.full_range(threads)}
        self._mesh = Mesh(threads)

    def faces(self, frame: Frame, limit: int = 0) -> list[Face]:
        """The faces in `frame` (BGR), largest first, at most `limit` of them (0: all).

        Looked at are the whole frame for large faces and its parts (`_wide_views`) for others. Smaller parts follow
        where these show nothing, many faces or small ones (`_goes_on`); where nothing is found at all, the wide ones
        turned by quarters, as DeepFaceLab does. (Small parts turned were tried: with FaceMesh trying the rolls they
        found nothing more, for 24 more looks.)
        """
        if not is_looked_at(frame):
            return []
        height, width = frame.shape[:2]
        wide = _wide_views(width, height)
        upright: list[Candidate] = []
        faces = self._seen(frame, wide, 0, [], upright, near=True)
        for views, small in _closer(width, height):
            if _goes_on(faces, small):
                faces = self._seen(frame, views, 0, faces, upright)
        for turns in (1, 3, 2):
            if not faces:
                faces = self._seen(frame, wide, turns, [], near=True)
        faces = self._confirmed(frame, upright, faces)
        faces.sort(key=lambda face: -face.area)
        return faces[:limit] if limit > 0 else faces

    def _seen(
        self,
        frame: Frame,
        views: list[View],
        turns: int,
        known: list[Face],
        candidates: list[Candidate] | None = None,
        near: bool = False,
    ) -> list[Face]:
        """The known faces and those found in `views`; near: the whole frame is looked at for large ones too.

        `candidates` gets what the detectors saw.
        """
        reduced = Reduced(frame, max(view.scale for view in views))
        height, width = frame.shape[:2]
        found = []
        for view in views:
            found += self._far_for(view.size, turns).look(reduced, replace(view, turns=turns))
        largest = max((seen.box[2] - seen.box[0] for seen in found), default=math.inf)
        if near and largest > _LARGE * max(width, height):
            found += self._near.look(reduced, View(0, 0, width, height, turns, self._near.size))
        if candidates is not None:
            candidates += found
        # Seen turned, blurred shoulders agree with a mesh: there only presence counts.
        return self._meshed(frame, best_of_overlapping(found), known, faint=turns == 0)

    def _confirmed(self, frame: Frame, candidates: list[Candidate], known: list[Face]) -> list[Face]:
        """The known faces and those at candidates apart from them that FaceMesh was not sure of (faint.py)."""
        faces = known
        needed = _DOUBTFUL_BESIDE if known else 0.0
        apart = [
            one
            for one in best_of_overlapping(candidates)
            if one.score >= needed and all(overlap(one.box, face.rect) == 0 for face in known)
        ]
        for candidate in apart[:_MOST_DOUBTFUL]:
            found = self._mesh.faint_face(frame, candidate)
            if found is None or not is_seen_again(frame, candidate, self._near, self._far[SIDE, SIDE]):
                continue
            faces = self._with(faces, found)
        return faces

    def _far_for(self, size: tuple[int, int], turns: int) -> Detector:
        """The full-range network for views of this size, turned; made when first needed."""
        turned = size if turns % 2 == 0 else (size[1], size[0])
        if turned not in self._far:
            self._far[turned] = Detector.full_range(self._threads, turned)
        return self._far[turned]

    def _meshed(
        self, frame: Frame, candidates: list[Candidate], known: list[Face], faint: bool
    ) -> list[Face]:
        """The known faces and those at the candidates (best first), each face once."""
        kept = list(known)
        for candidate in candidates:
            if any(_is_inside(candidate, face) for face in kept):
                continue
            found = self._mesh.face(frame, candidate, faint)
            if found is not None:
                kept = self._with(kept, found)
        return kept

    @staticmethod
    def _with(kept: list[Face], found: MeshFace) -> list[Face]:
        """The faces and this one, if it is large enough and none of them."""
        if not np.isfinite(found.landmarks).all():
            return kept
        left, top, right, bottom = (round(value) for value in found.rect)
        if min(right - left, bottom - top) < MIN_RECT_SIDE:
            return kept
        if any(overlap(found.rect, other.rect) > _SAME_FACE_IOU for other in kept):
            return kept
        return [*kept, Face(found.landmarks, (left, top, right, bottom))]


def _is_inside(candidate: Candidate, face: Face) -> bool:
    """True for a second sight of the same face: half of it at the edge of a view, or a part taken for all."""
    x, y = (candidate.box[0] + candidate.box[2]) / 2, (candidate.box[1] + candidate.box[3]) / 2
    left, top, right, bottom = face.rect
    return left <= x <= right and top <= y <= bottom


def _wide_views(width: int, height: int) -> list[View]:
    """The frame as shows its smaller faces: whole, in an input of its shape; a panorama in squarish parts.

    Neighbours share enough that a face of up to a quarter of the frame's width lies whole in one of
    them; the short-range network sees what is larger.
    """
    longer, shorter = max(width, height), min(width, height)
    if longer > 2 * shorter:
        return _parts(width, height, min(longer, round(shorter * 1.1)))
    long, short = next(size for aspect, size in _INPUTS if longer <= aspect * shorter)
    return [View(0, 0, width, height, size=(long, short) if width > height else (short, long))]


def _closer(width: int, height: int) -> list[tuple[list[View], float]]:
    """Smaller and smaller parts; with each, the width of a face (pixels) below which smaller ones are likely too.

    First squares of half the shorter side and a bit; then, of a frame that is much larger than the network's input,
    tiles that show it the smallest faces that are looked for.
    """
    shorter = min(width, height)
    close = int(shorter * 0.6)
    levels = [(_parts(width, height, close), 0.11 * shorter)]
    tile = int(smallest_face(width, height) * _NARROWEST)
    if close >= 1.3 * tile:
        levels.append((_parts(width, height, tile), 0.11 * close))
    return levels


def _goes_on(faces: list[Face], small: float) -> bool:
    """True where closer views are worth their time: nothing was found, a crowd, or a small face."""
    return not faces or len(faces) >= CROWD or min(face.rect[2] - face.rect[0] for face in faces) < small


def _parts(width: int, height: int, side: int) -> list[View]:
    """Parts of at most side x side, neighbours sharing a quarter or more."""
    w, h = min(side, width), min(side, height)
    return [View(x, y, w, h) for y in _starts(height, h) for x in _starts(width, w)]


def _starts(length: int, side: int) -> list[int]:
    if length <= side:
        return [0]
    steps = -(-(length - side) * 4 // (side * 3))
    return [round(i * (length - side) / steps) for i in range(steps + 1)]
