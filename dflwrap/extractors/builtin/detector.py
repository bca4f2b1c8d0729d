"""Where faces may be: BlazeFace (full range) over the frame and over parts of it.

The network sees 192 x 192 pixels, so a face of a twelfth of the frame's width is lost in one look at
the whole. Views (parts of the frame, turned by quarters) are looked at one by one; every result is
mapped back into the frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from dflwrap.extractors.builtin.models import DETECTOR_FILE, Model

Frame = NDArray[np.uint8]
Floats = NDArray[np.float64]

INPUT_SIZE = 192
_STRIDE = 4
MIN_SCORE = 0.5
"""MediaPipe's threshold for the full-range model."""
_SAME_FACE_IOU = 0.3
"""MediaPipe's suppression threshold."""


@dataclass(frozen=True, slots=True)
class View:
    """A part of the frame (pixels), seen turned counter-clockwise by `turns` quarters."""

    left: int
    top: int
    width: int
    height: int
    turns: int = 0


@dataclass(frozen=True, slots=True)
class Candidate:
    """A place in the frame that may be a face."""

    score: float
    box: tuple[float, float, float, float]
    """Left, top, right, bottom in the frame."""
    points: Floats
    """6 x 2 in the frame: right eye, left eye (the person's), nose tip, mouth, right and left ear."""

    @property
    def roll(self) -> float:
        """Angle of the line from the person's right eye to the left, radians, clockwise as seen."""
        across = self.points[1] - self.points[0]
        return float(np.arctan2(across[1], across[0]))


class Detector:
    """BlazeFace with its anchors; one call looks at one view."""

    def __init__(self, threads: int) -> None:
        self._model = Model(DETECTOR_FILE, threads)
        cells = INPUT_SIZE // _STRIDE
        centres = (np.arange(cells) + 0.5) / cells
        x, y = np.meshgrid(centres, centres)
        self._anchors = np.stack((x.ravel(), y.ravel()), axis=1)

    def look(self, frame: Frame, views: Sequence[View]) -> list[Candidate]:
        """Candidates in the views, the best of those that overlap, best first.

        `frame`: height x width x 3, BGR.
        """
        found: list[Candidate] = []
        square: tuple[View, NDArray[np.float32]] | None = None
        for view in views:
            upright = View(view.left, view.top, view.width, view.height)
            if square is None or square[0] != upright:
                square = (upright, _letterbox(frame, upright))
            found += self._look(square[1], view)
        return best_of_overlapping(found)

    def _look(self, square: NDArray[np.float32], view: View) -> list[Candidate]:
        turned = np.ascontiguousarray(np.rot90(square, view.turns))
        raw_boxes, raw_scores = self._model(turned)
        logits = raw_scores.reshape(-1)
        chosen = np.flatnonzero(logits > np.log(MIN_SCORE / (1 - MIN_SCORE)))
        scale = max(view.width, view.height)
        candidates = []
        for index in chosen:
            values = raw_boxes[0, index].reshape(-1, 2).astype(np.float64) / INPUT_SIZE
            centre, size, points = (
                values[0] + self._anchors[index],
                values[1],
                values[2:] + self._anchors[index],
            )
            corners = np.array([centre - size / 2, centre + size / 2])
            placed = _turned_back(np.vstack((corners, points)), view.turns)
            # The letterbox is padded to the right and below: its unit is the longer side.
            placed = placed * scale + (view.left, view.top)
            low, high = placed[:2].min(axis=0), placed[:2].max(axis=0)
            score = 1 / (1 + float(np.exp(-np.clip(logits[index], -80, 80))))
            box = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
            candidates.append(Candidate(score, box, placed[2:]))
        return candidates


def _letterbox(frame: Frame, view: View) -> NDArray[np.float32]:
    """The view as 192 x 192 RGB in -1..1, its longer side filling the square, black to the right or below."""
    scale = INPUT_SIZE / max(view.width, view.height)
    part = frame[view.top : view.top + view.height, view.left : view.left + view.width]
    size = (max(1, round(view.width * scale)), max(1, round(view.height * scale)))
    small = cv2.resize(part, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    square = np.full((INPUT_SIZE, INPUT_SIZE, 3), -1, np.float32)
    square[: size[1], : size[0]] = small[:, :, ::-1].astype(np.float32) / 127.5 - 1
    return square


def _turned_back(points: Floats, turns: int) -> Floats:
    """Points of the unit square after `np.rot90(image, turns)`, in the square before it."""
    for _ in range(turns % 4):
        # One counter-clockwise quarter takes (x, y) to (y, 1 - x).
        points = np.stack((1 - points[:, 1], points[:, 0]), axis=1)
    return points


def overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> float:
    """Intersection over union of two boxes (l, t, r, b)."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return shared / (areas - shared)


def best_of_overlapping(candidates: Sequence[Candidate]) -> list[Candidate]:
    """One candidate for each group that overlaps: its boxes and points averaged by score, best first."""
    rest = sorted(candidates, key=lambda candidate: -candidate.score)
    kept = []
    while rest:
        best = rest[0]
        group = [c for c in rest if c is best or overlap(best.box, c.box) > _SAME_FACE_IOU]
        rest = [c for c in rest if not any(c is member for member in group)]
        weights = np.array([c.score for c in group])
        weights /= weights.sum()
        box = weights @ np.array([c.box for c in group])
        points = np.tensordot(weights, np.array([c.points for c in group]), axes=1)
        kept.append(Candidate(best.score, (box[0], box[1], box[2], box[3]), points))
    return kept
