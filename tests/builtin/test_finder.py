"""What is found, judged by figures: on real faces, in real TensorFlow."""

from __future__ import annotations

import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest

from dflwrap.extractors.builtin.finding.detector import overlap
from dflwrap.extractors.builtin.finding.finder import FaceFinder
from dflwrap.samples.clip import Clip
from dflwrap.samples.photos import ASTRONAUT, HOPPER, Image, Portrait

ANNOTATED = json.loads(Path(__file__).with_name("assets").joinpath("landmarks.json").read_text())


def placed(*people: tuple[Portrait, float, float, float], size: tuple[int, int] = (1280, 720)) -> Image:
    """People on grey: (portrait, outer-eye distance in pixels, turn in degrees, place 0..1 across)."""
    picture = np.full((size[1], size[0], 3), 110, np.uint8)
    for portrait, eyes, turn, across in people:
        photo, scale = portrait.load(), eyes / portrait.eyes
        smaller = min(1.0, scale * 1.5)
        photo = cv2.resize(photo, None, fx=smaller, fy=smaller, interpolation=cv2.INTER_AREA)
        cosine, sine = (scale * f(math.radians(turn)) for f in (math.cos, math.sin))
        x, y = portrait.face
        matrix = np.array(
            [
                [cosine, -sine, size[0] * across - cosine * x + sine * y],
                [sine, cosine, size[1] * 0.5 - sine * x - cosine * y],
            ]
        )
        matrix[:, :2] /= smaller
        inside = cv2.warpAffine(np.full(photo.shape[:2], 255, np.uint8), matrix, size) > 127
        picture[inside] = cv2.warpAffine(photo, matrix, size)[inside]
    return picture


@pytest.mark.parametrize(("portrait", "name"), [(ASTRONAUT, "astronaut"), (HOPPER, "hopper")])
def test_landmarks_are_within_seven_percent_of_the_outer_eye_distance(
    finder: FaceFinder, portrait: Portrait, name: str
) -> None:
    true = np.array(ANNOTATED[name])
    faces = finder.faces(portrait.load())
    assert len(faces) == 1
    errors = np.linalg.norm(faces[0].landmarks - true, axis=1) / np.linalg.norm(true[45] - true[36])
    assert errors.mean() <= 0.07
    # Measured 3.5 % and 3.7 %: the eyes must not hide behind a good mean.
    assert errors[36:48].mean() <= 0.05
    # The chin was 7 % too high on one of them; DeepFaceLab's hull mask would cut it.
    assert errors[6:11].mean() <= 0.06


def test_every_frame_of_the_clip_shows_exactly_its_people(finder: FaceFinder) -> None:
    clip = Clip(60, (1280, 720), 0)
    wrong = {}
    for index in range(0, 60, 2):
        rects = [face.rect for face in finder.faces(clip.frame(index))]
        if len(rects) != (1 if index < 40 else 2):
            wrong[index] = rects
        assert all(overlap(a, b) < 0.1 for i, a in enumerate(rects) for b in rects[:i])
    assert not wrong


@pytest.mark.parametrize("eyes", [32, 60, 120, 250, 380])
def test_small_and_large_faces_are_found(finder: FaceFinder, eyes: int) -> None:
    faces = finder.faces(placed((HOPPER, eyes, 5, 0.45)))
    assert len(faces) == 1
    left, _, right, _ = faces[0].rect
    assert 1.1 * eyes < right - left < 2 * eyes


@pytest.mark.parametrize("turn", [30, 60, 90, 120, 180, 225, 270])
def test_turned_faces_are_found_with_their_landmarks_turned(finder: FaceFinder, turn: int) -> None:
    upright = finder.faces(placed((ASTRONAUT, 150, 0, 0.5)))[0].landmarks
    turned = finder.faces(placed((ASTRONAUT, 150, turn, 0.5)))
    assert len(turned) == 1
    back = cv2.getRotationMatrix2D((640, 360), turn, 1)
    put_back = turned[0].landmarks @ back[:, :2].T + back[:, 2]
    assert np.linalg.norm(put_back - upright, axis=1).mean() < 0.07 * 150


def test_people_come_largest_first_and_the_limit_keeps_the_largest(finder: FaceFinder) -> None:
    picture = placed((ASTRONAUT, 60, 0, 0.15), (HOPPER, 150, 0, 0.5), (ASTRONAUT, 90, 10, 0.85))
    faces = finder.faces(picture)
    middles = [(face.rect[0] + face.rect[2]) / 2 / 1280 for face in faces]
    assert middles == pytest.approx([0.5, 0.85, 0.15], abs=0.02)
    assert [face.rect for face in finder.faces(picture, limit=2)] == [face.rect for face in faces[:2]]


def test_faces_under_forty_pixels_and_frames_under_128_are_left_out(finder: FaceFinder) -> None:
    assert finder.faces(placed((HOPPER, 20, 0, 0.5))) == []
    assert finder.faces(placed((HOPPER, 60, 0, 0.5), size=(400, 127))) == []
    assert len(finder.faces(placed((HOPPER, 60, 0, 0.5), size=(400, 128)))) == 1


def test_where_there_is_no_face_none_is_found(finder: FaceFinder) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (360, 640, 3), dtype=np.uint8)
    for picture in (np.zeros((720, 1280, 3), np.uint8), noise, np.full((300, 300, 3), 255, np.uint8)):
        assert finder.faces(picture) == []


@pytest.mark.parametrize("size", [(720, 1280), (640, 480), (512, 512), (2000, 500), (129, 3000)])
def test_frames_of_every_shape_are_looked_at(finder: FaceFinder, size: tuple[int, int]) -> None:
    assert len(finder.faces(placed((ASTRONAUT, min(size) * 0.25, 0, 0.5), size=size))) == 1
