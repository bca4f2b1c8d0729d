"""The alignment is DeepFaceLab's: matrices measured by running its code are the judge."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dflwrap.extractors.builtin.alignment import (
    PADDING,
    face_matrix,
    inverse,
    is_plausible,
    similarity,
    transform_points,
)
from dflwrap.extractors.builtin.finding.scheme68_fit import corrected

CASES = json.loads(Path(__file__).with_name("assets").joinpath("alignment.json").read_text())["cases"]


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_matrices_are_deepfacelabs_for_the_same_landmarks(case: dict[str, Any]) -> None:
    landmarks = np.array(case["landmarks"])
    assert {face["face_type"] for face in case["faces"]} == set(PADDING)
    for face in case["faces"]:
        matrix = face_matrix(landmarks, face["size"], face["face_type"])
        assert np.abs(matrix - np.array(face["matrix"])).max() < 1e-3, face["face_type"]


def test_a_similarity_is_found_again_and_never_mirrors() -> None:
    rng = np.random.default_rng(1)
    points = rng.uniform(0, 100, (20, 2))
    true = np.array([[0.6, -0.8, 5.0], [0.8, 0.6, -7.0]]) * 2
    assert np.allclose(similarity(points, transform_points(points, true)), true)
    mirrored = similarity(points, points * [-1, 1])
    assert np.linalg.det(mirrored[:, :2]) > 0


def test_inverse_undoes() -> None:
    matrix = np.array([[0.5, 0.2, 3.0], [-0.2, 0.5, 4.0]])
    points = np.array([[1.0, 2.0], [30.0, -4.0]])
    assert np.allclose(transform_points(transform_points(points, matrix), inverse(matrix)), points)


def test_the_corrections_are_the_same_in_a_mirror_and_stay_small_for_any_head() -> None:
    mirror = [*range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, 35, 34, 33, 32, 31]
    mirror += [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40, *range(54, 47, -1), *range(59, 54, -1)]
    mirror += [64, 63, 62, 61, 60, 67, 66, 65]
    for case in CASES:
        points = np.array(case["landmarks"])
        moved = corrected(points)
        other = corrected((points * [-1, 1])[mirror])
        # Not to the last digit: the template itself is not quite symmetrical.
        size = np.ptp(points, axis=0).max()
        assert np.abs((other * [-1, 1])[mirror] - moved).max() < 0.02 * size
        points[30] += (points[30] - points[27]) * 3
        assert np.abs(corrected(points) - points).max() < size


def test_landmarks_in_one_point_are_refused() -> None:
    with pytest.raises(ValueError, match="one point"):
        face_matrix(np.full((68, 2), 5.0), 256, "whole_face")


def test_a_face_out_of_proportion_to_its_rectangle_is_dropped_but_not_for_whole_face_and_head() -> None:
    landmarks = np.array(CASES[0]["landmarks"])
    low, high = landmarks.min(axis=0), landmarks.max(axis=0)
    good = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
    small = (good[0], good[1], good[0] + (good[2] - good[0]) / 5, good[1] + (good[3] - good[1]) / 5)
    for face_type in ("half_face", "full_face"):
        matrix = face_matrix(landmarks, 256, face_type)
        assert is_plausible(matrix, good, 256, face_type)
        assert not is_plausible(matrix, small, 256, face_type)
    for face_type in ("whole_face", "head"):
        assert is_plausible(face_matrix(landmarks, 256, face_type), small, 256, face_type)
