"""The faces of a frame, by DeepFaceLab's rules of order and size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dflwrap.extractors.builtin.detector import Candidate, Detector, Floats, Frame, View, overlap
from dflwrap.extractors.builtin.mesh import Mesh, MeshFace

MIN_FRAME_SIDE = 128
"""Pixels; smaller frames are never looked at."""
MIN_RECT_SIDE = 40
"""Pixels; smaller faces are dropped."""
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
    """Detector and landmarks together. Not to be shared by threads."""

    def __init__(self, threads: int) -> None:
        self._detector = Detector(threads)
        self._mesh = Mesh(threads)

    def faces(self, frame: Frame, limit: int = 0) -> list[Face]:
        """The faces in `frame` (BGR), largest first, at most `limit` of them (0: all).

        The whole frame and squares of its shorter side are looked at; where they show nothing,
        smaller parts, and then the frame turned by quarters, as a face upside down is not seen upright.
        """
        if not is_looked_at(frame):
            return []
        height, width = frame.shape[:2]
        faces: list[Face] = []
        for views in (_first_look(width, height), _close_look(width, height), _turned_look(width, height)):
            faces = self._meshed(frame, self._detector.look(frame, views))
            if faces:
                break
        faces.sort(key=lambda face: -face.area)
        return faces[:limit] if limit > 0 else faces

    def _meshed(self, frame: Frame, candidates: list[Candidate]) -> list[Face]:
        found: list[MeshFace] = []
        for candidate in candidates:
            face = self._mesh.face(frame, candidate)
            if face is not None and np.isfinite(face.landmarks).all():
                found.append(face)
        found.sort(key=lambda face: -face.presence)
        kept: list[Face] = []
        for face in found:
            left, top, right, bottom = (round(value) for value in face.rect)
            if min(right - left, bottom - top) < MIN_RECT_SIDE:
                continue
            if all(overlap(face.rect, other.rect) <= _SAME_FACE_IOU for other in kept):
                kept.append(Face(face.landmarks, (left, top, right, bottom)))
        return kept


def _first_look(width: int, height: int) -> list[View]:
    whole = View(0, 0, width, height)
    side = min(width, height)
    if max(width, height) < 1.2 * side:
        return [whole]
    return [whole, *_tiles(width, height, side)]


def _close_look(width: int, height: int) -> list[View]:
    """Squares of half the shorter side and a bit, overlapping."""
    return _tiles(width, height, int(min(width, height) * 0.6))


def _turned_look(width: int, height: int) -> list[View]:
    return [View(0, 0, width, height, turns) for turns in (1, 3, 2)]


def _tiles(width: int, height: int, side: int) -> list[View]:
    """Squares of `side` over the frame, neighbours overlapping by a quarter or more."""
    return [View(x, y, side, side) for y in _starts(height, side) for x in _starts(width, side)]


def _starts(length: int, side: int) -> list[int]:
    if length <= side:
        return [0]
    steps = -(-(length - side) * 4 // (side * 3))
    return [round(i * (length - side) / steps) for i in range(steps + 1)]
