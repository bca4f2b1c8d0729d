"""Where faces may be: MediaPipe's BlazeFace over parts of the frame.

The full-range network sees 192 x 192 pixels and finds faces from a thirteenth of a view's width on; the
short-range one sees 128 x 128, takes a third of the time, and finds the large ones. Views (parts of the
frame, turned by quarters) are looked at one by one; every result is mapped back into the frame.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from dflwrap.extractors.builtin.finding.models import FULL_RANGE_FILE, SHORT_RANGE_FILE, Model

Frame = NDArray[np.uint8]
Floats = NDArray[np.float64]

MIN_SCORE = 0.5
"""MediaPipe's threshold for both networks."""
_MIN_LOGIT = math.log(MIN_SCORE / (1 - MIN_SCORE))
_LARGEST_INPUT = 192
"""Pixels: the side of the full-range network's input."""
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


class Reduced:
    """A frame made smaller once, from which every view of it is cut.

    `detail`: the width of the narrowest view that will be cut with all the detail a network takes.
    """

    def __init__(self, frame: Frame, detail: int) -> None:
        height, width = frame.shape[:2]
        self.scale = min(1.0, _LARGEST_INPUT / detail)
        size = (max(1, round(width * self.scale)), max(1, round(height * self.scale)))
        image: NDArray[np.uint8] = frame
        while image.shape[1] >= 2 * size[0] and image.shape[0] >= 2 * size[1]:
            # Halving by areas leaves less than a factor of two, which needs no averaging and is ten times faster.
            image = halved(image)
        self.image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), np.uint8)

    def letterbox(self, view: View, side: int) -> NDArray[np.float32]:
        """The view, not turned, as side x side RGB in -1..1: its longer side fills the square."""
        left, top, right, bottom = (
            round(value * self.scale)
            for value in (view.left, view.top, view.left + view.width, view.top + view.height)
        )
        part = self.image[top:bottom, left:right]
        scale = side / max(view.width, view.height)
        size = (max(1, round(view.width * scale)), max(1, round(view.height * scale)))
        while part.shape[1] >= 2 * size[0] and part.shape[0] >= 2 * size[1]:
            part = halved(part)
        if (part.shape[1], part.shape[0]) != size:
            part = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_LINEAR), np.uint8)
        square = np.full((side, side, 3), -1, np.float32)
        colours = cv2.cvtColor(part, cv2.COLOR_BGR2RGB)
        np.multiply(colours, np.float32(1 / 127.5), out=square[: size[1], : size[0]])
        square[: size[1], : size[0]] -= 1
        return square


def halved(image: Frame) -> Frame:
    """Averages of two by two pixels, which OpenCV does fast; an odd last row or column is left out. Sides >= 2."""
    half = (image.shape[1] // 2, image.shape[0] // 2)
    even = image[: 2 * half[1], : 2 * half[0]]
    return np.asarray(cv2.resize(even, half, interpolation=cv2.INTER_AREA), np.uint8)


class Detector:
    """One BlazeFace network with its anchors."""

    def __init__(self, file: str, strides: Sequence[tuple[int, int]], threads: int) -> None:
        """`strides`: (pixels between cells, anchors per cell) of each layer of the network."""
        self._model = Model(file, threads)
        self.side = self._model.input_shape[1]
        layers = []
        for stride, count in strides:
            cells = self.side // stride
            x, y = np.meshgrid(*[(np.arange(cells) + 0.5) / cells] * 2)
            layers.append(np.repeat(np.stack((x.ravel(), y.ravel()), axis=1), count, axis=0))
        self._anchors = np.concatenate(layers)

    @classmethod
    def full_range(cls, threads: int) -> Detector:
        return cls(FULL_RANGE_FILE, [(4, 1)], threads)

    @classmethod
    def short_range(cls, threads: int) -> Detector:
        return cls(SHORT_RANGE_FILE, [(8, 2), (16, 6)], threads)

    def look(self, frame: Reduced, view: View) -> list[Candidate]:
        """What the network sees in `view`; one face may come several times."""
        turned = np.rot90(frame.letterbox(view, self.side), view.turns)
        raw_boxes, raw_scores = self._model(np.ascontiguousarray(turned))
        logits = raw_scores.reshape(-1)
        indices = np.flatnonzero(logits > _MIN_LOGIT)
        if not indices.size:
            return []
        # Per candidate: centre, size, then the points; all at once, for a face comes a dozen times.
        values = raw_boxes[0, indices].reshape(len(indices), -1, 2).astype(np.float64) / self.side
        anchors = self._anchors[indices][:, None]
        centres, halves = values[:, :1] + anchors, values[:, 1:2] / 2
        placed = np.concatenate((centres - halves, centres + halves, values[:, 2:] + anchors), axis=1)
        # The letterbox is padded to the right and below: its unit is the longer side.
        placed = _turned_back(placed, view.turns) * max(view.width, view.height) + (view.left, view.top)
        low, high = placed[:, :2].min(axis=1), placed[:, :2].max(axis=1)
        scores = 1 / (1 + np.exp(-np.clip(logits[indices].astype(np.float64), -80, 80)))
        return [
            Candidate(score, (box[0], box[1], box[2], box[3]), points)
            for score, box, points in zip(
                scores.tolist(), np.hstack((low, high)).tolist(), placed[:, 2:], strict=True
            )
        ]


def _turned_back(points: Floats, turns: int) -> Floats:
    """Points of the unit square after `np.rot90(image, turns)`, in the square before it."""
    for _ in range(turns % 4):
        # One counter-clockwise quarter takes (x, y) to (y, 1 - x).
        points = np.stack((1 - points[..., 1], points[..., 0]), axis=-1)
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
        group: list[Candidate] = []
        others: list[Candidate] = []
        for c in rest:
            (group if c is best or overlap(best.box, c.box) > _SAME_FACE_IOU else others).append(c)
        rest = others
        weights = np.array([c.score for c in group])
        weights /= weights.sum()
        box = weights @ np.array([c.box for c in group])
        points = np.tensordot(weights, np.array([c.points for c in group]), axes=1)
        kept.append(Candidate(best.score, (box[0], box[1], box[2], box[3]), points))
    return kept
