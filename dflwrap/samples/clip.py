"""The frames of the clip: each is a function of (seed, index) alone, so it streams."""

from __future__ import annotations

import math

import cv2
import numpy as np

from dflwrap.samples.photos import ASTRONAUT, HOPPER, Image, Portrait


class Clip:
    """Pan, zoom, turn and light over two portraits: alone, then together in one frame.

    Faces are between a ninth and a quarter of the frame's height from eye corner to eye corner, and
    turned by at most 17 degrees. `frames` sets how far along the movements frame i is.
    """

    def __init__(self, frames: int, size: tuple[int, int], seed: int) -> None:
        self._frames = max(frames, 1)
        self._size = size
        self._phase = np.random.default_rng(seed).uniform(0, 2 * math.pi, 8)
        self._photos = {portrait: portrait.load() for portrait in (ASTRONAUT, HOPPER)}

    def frame(self, index: int) -> Image:
        """Frame `index` (from 0): BGR of the clip's size."""
        part = index * 3 // self._frames
        width = self._size[0]
        if part == 0:
            picture = self._shot(ASTRONAUT, index, width, 0)
        elif part == 1:
            picture = self._shot(HOPPER, index, width, 1)
        else:
            left = width // 2
            picture = np.hstack(
                (self._shot(ASTRONAUT, index, left, 2), self._shot(HOPPER, index, width - left, 3))
            )
        light = 0.85 + 0.3 * self._wave(index, 37, 6)
        return np.asarray(np.clip(picture.astype(np.float32) * light + 8, 0, 255), np.uint8)

    def _wave(self, index: int, period: float, phase: int) -> float:
        return math.sin(2 * math.pi * index / period + float(self._phase[phase % 8]))

    def _shot(self, portrait: Portrait, index: int, width: int, which: int) -> Image:
        height = self._size[1]
        eyes = min(height, width * 1.2) * (0.17 + 0.05 * self._wave(index, 53, which))
        scale = eyes / portrait.eyes
        turn = math.radians(17) * self._wave(index, 31, which + 1)
        centre = (
            width * (0.5 + 0.12 * self._wave(index, 43, which + 2)),
            height * (0.46 + 0.06 * self._wave(index, 29, which + 3)),
        )
        cosine, sine = scale * math.cos(turn), scale * math.sin(turn)
        x, y = portrait.face
        matrix = np.array(
            [
                [cosine, -sine, centre[0] - cosine * x + sine * y],
                [sine, cosine, centre[1] - sine * x - cosine * y],
            ]
        )
        warped = cv2.warpAffine(
            self._photos[portrait],
            matrix,
            (width, height),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return np.asarray(warped, np.uint8)
