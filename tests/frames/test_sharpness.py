"""Sharpness is the variance of the Laplacian as OpenCV makes it, edges and corners included."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dflwrap.frames.decoding.sharpness import sharpness

Gray = NDArray[np.uint8]


def by_definition(gray: Gray) -> float:
    """Of the very Laplacian, in whole numbers up to one division: each is under 2**11, their squares under 2**21."""
    edges = cv2.Laplacian(gray, cv2.CV_16S).astype(np.int64)
    count = edges.size
    return (int((edges**2).sum()) * count - int(edges.sum()) ** 2) / count**2


@pytest.mark.parametrize("seed", range(200))
def test_it_is_the_variance_of_the_laplacian_to_the_last_digit(seed: int) -> None:
    random = np.random.default_rng(seed)
    height, width = (int(side) for side in random.integers(1, 12 if seed % 2 else 700, 2))
    gray: Gray = random.integers(0, 256, (height, width), dtype=np.uint8)
    if seed % 3 == 0:
        gray = cv2.GaussianBlur(gray, (0, 0), 1 + seed / 50).astype(np.uint8)
    assert sharpness(gray) == (
        by_definition(gray) if min(gray.shape) > 3 else pytest.approx(by_definition(gray))
    )
    assert sharpness(gray) == pytest.approx(cv2.Laplacian(gray, cv2.CV_64F).var(), abs=1e-9)


@pytest.mark.parametrize(
    "place", [(0, 0), (0, 1), (1, 1), (0, 9), (8, 0), (8, 9), (7, 8), (4, 0), (4, 5), (8, 5)]
)
def test_one_pixel_counts_wherever_it_is(place: tuple[int, int]) -> None:
    gray: Gray = np.full((9, 10), 7, np.uint8)
    gray[place] = 255
    assert sharpness(gray) == by_definition(gray) > 0


@pytest.mark.parametrize("shape", [(640, 640), (360, 640), (4, 4), (3, 640), (640, 5)], ids=str)
def test_the_sharpest_picture_there_can_be(shape: tuple[int, int]) -> None:
    """A chessboard: each value is 1020 or -1020; sums of squares are the largest there are."""
    gray = (np.indices(shape).sum(axis=0) % 2 * 255).astype(np.uint8)
    assert by_definition(gray) > 1e6
    assert sharpness(gray) == pytest.approx(by_definition(gray), rel=1e-15)


@pytest.mark.parametrize("level", [0, 1, 255])
def test_a_plain_picture_has_none(level: int) -> None:
    assert sharpness(np.full((360, 640), level, np.uint8)) == 0.0


def test_a_part_of_a_picture_is_measured_as_itself() -> None:
    whole = np.random.default_rng(1).integers(0, 256, (50, 60), dtype=np.uint8)
    assert sharpness(whole[3:40, 5:51]) == by_definition(whole[3:40, 5:51].copy())
