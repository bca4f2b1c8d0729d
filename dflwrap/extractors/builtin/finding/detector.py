"""Where faces may be: MediaPipe's BlazeFace over parts of the frame.

The full-range network sees 192 x 192 pixels (or a wider view: wide_network.py) and finds faces of 15 of them and more;
the short-range one sees 128 x 128, takes a third of the time, and finds the large ones. Views (parts of the frame,
turned by quarters) are looked at one by one; every result is mapped back into the frame.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from dflwrap.extractors.builtin.finding.models import FULL_RANGE_FILE, SHORT_RANGE_FILE, Model
from dflwrap.extractors.builtin.finding.wide_network import SIDE, STRIDE

Frame = NDArray[np.uint8]
Floats = NDArray[np.float64]

MIN_SCORE = 0.5
"""MediaPipe's threshold for both networks."""
_MIN_LOGIT = math.log(MIN_SCORE / (1 - MIN_SCORE))
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
    size: tuple[int, int] = (SIDE, SIDE)
    """Width and height (pixels) of the network's input for it, before the turn."""

    @property
    def scale(self) -> float:
        """Pixels of the network's input in one of the frame."""
        return min(self.size[0] / self.width, self.size[1] / self.height)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A place in the frame that may be a face."""

    score: float
    box: tuple[float, float, float, float]
    """Left, top, right, bottom in the frame."""
    points: Floats
    """6 x 2 in the frame: right eye, left eye (the person's), nose tip, mouth, right and left ear."""

    @property
    def side(self) -> float:
        """The longer one of the box."""
        left, top, right, bottom = self.box
        return max(right - left, bottom - top)

    @property
    def roll(self) -> float:
        """Angle of the line from the person's right eye to the left, radians, clockwise as seen."""
        across = self.points[1] - self.points[0]
        return float(np.arctan2(across[1], across[0]))


class Reduced:
    """A frame made smaller once, from which every view of it is cut; scale: the largest of theirs."""

    def __init__(self, frame: Frame, scale: float) -> None:
        height, width = frame.shape[:2]
        self.scale = min(1.0, scale)
        size = (max(1, round(width * self.scale)), max(1, round(height * self.scale)))
        image: NDArray[np.uint8] = frame
        while image.shape[1] >= 2 * size[0] and image.shape[0] >= 2 * size[1]:
            # Halving by areas leaves less than a factor of two, which needs no averaging and is ten times faster.
            image = halved(image)
        self.image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), np.uint8)

    def letterbox(self, view: View) -> NDArray[np.float32]:
        """The view, not turned, as RGB in -1..1 in the upper left of the network's input."""
        left, top, right, bottom = (
            round(value * self.scale)
            for value in (view.left, view.top, view.left + view.width, view.top + view.height)
        )
        part = self.image[top:bottom, left:right]
        size = (max(1, round(view.width * view.scale)), max(1, round(view.height * view.scale)))
        while part.shape[1] >= 2 * size[0] and part.shape[0] >= 2 * size[1]:
            part = halved(part)
        if (part.shape[1], part.shape[0]) != size:
            part = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_LINEAR), np.uint8)
        whole = np.full((view.size[1], view.size[0], 3), -1, np.float32)
        colours = cv2.cvtColor(part, cv2.COLOR_BGR2RGB)
        np.multiply(colours, np.float32(1 / 127.5), out=whole[: size[1], : size[0]])
        whole[: size[1], : size[0]] -= 1
        return whole


def halved(image: Frame) -> Frame:
    """Averages of two by two pixels, which OpenCV does fast; an odd last row or column is left out. Sides >= 2."""
    half = (image.shape[1] // 2, image.shape[0] // 2)
    even = image[: 2 * half[1], : 2 * half[0]]
    return np.asarray(cv2.resize(even, half, interpolation=cv2.INTER_AREA), np.uint8)


class Detector:
    """One BlazeFace network with its anchors."""

    def __init__(
        self,
        file: str,
        strides: Sequence[tuple[int, int]],
        threads: int,
        size: tuple[int, int] = (SIDE, SIDE),
    ) -> None:
        """`strides`: (pixels between cells, anchors per cell) of each layer; size: the input's, full-range only."""
        self._model = Model(file, threads, size=size)
        height, width = self._model.input_shape[1:3]
        self.size = (width, height)
        layers = []
        for stride, count in strides:
            x, y = np.meshgrid(*[(np.arange(side // stride) + 0.5) * stride for side in self.size])
            layers.append(np.repeat(np.stack((x.ravel(), y.ravel()), axis=1), count, axis=0))
        self._anchors = np.concatenate(layers)

    @classmethod
    def full_range(cls, threads: int, size: tuple[int, int] = (SIDE, SIDE)) -> Detector:
        return cls(FULL_RANGE_FILE, [(STRIDE, 1)], threads, size)

    @classmethod
    def short_range(cls, threads: int) -> Detector:
        return cls(SHORT_RANGE_FILE, [(8, 2), (16, 6)], threads)

    def look(self, frame: Reduced, view: View) -> list[Candidate]:
        """What the network sees in `view`, which has to fit its input; one face may come several times."""
        turned = np.rot90(frame.letterbox(view), view.turns)
        raw_boxes, raw_scores = self._model(np.ascontiguousarray(turned))
        logits = raw_scores.reshape(-1)
        indices = np.flatnonzero(logits > _MIN_LOGIT)
        if not indices.size:
            return []
        # Per candidate: centre, size, then the points; all at once, for a face comes a dozen times.
        values = raw_boxes[0, indices].reshape(len(indices), -1, 2).astype(np.float64)
        anchors = self._anchors[indices][:, None]
        centres, halves = values[:, :1] + anchors, values[:, 1:2] / 2
        placed = np.concatenate((centres - halves, centres + halves, values[:, 2:] + anchors), axis=1)
        # The view lies in the upper left of the input, the rest of which is empty.
        placed = _turned_back(placed, view.turns, self.size) / view.scale + (view.left, view.top)
        low, high = placed[:, :2].min(axis=1), placed[:, :2].max(axis=1)
        scores = 1 / (1 + np.exp(-np.clip(logits[indices].astype(np.float64), -80, 80)))
        return [
            Candidate(score, (box[0], box[1], box[2], box[3]), points)
            for score, box, points in zip(
                scores.tolist(), np.hstack((low, high)).tolist(), placed[:, 2:], strict=True
            )
        ]

    def best(self, image: Frame) -> tuple[float, Floats]:
        """(score, 6 x 2 points) of the best place in an RGB image that fills the input; points in parts of its side."""
        raw_boxes, raw_scores = self._model(np.multiply(image, np.float32(1 / 127.5), dtype=np.float32) - 1)
        logits = raw_scores.reshape(-1)
        index = int(logits.argmax())
        points = raw_boxes[0, index].reshape(-1, 2)[2:].astype(np.float64) + self._anchors[index]
        return float(1 / (1 + np.exp(-np.clip(logits[index], -80, 80)))), points / self.size


def _turned_back(points: Floats, turns: int, size: tuple[int, int]) -> Floats:
    """Points of an image of width x height that is the result of `np.rot90(image, turns)`, in the image before it."""
    width, height = size
    for _ in range(turns % 4):
        # One counter-clockwise quarter takes (x, y) to (y, width - x), and the width becomes the height.
        points = np.stack((height - points[..., 1], points[..., 0]), axis=-1)
        width, height = height, width
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
