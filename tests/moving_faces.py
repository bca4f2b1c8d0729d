"""Two people in front of a moving camera, with faces of known landmarks, as the built-in extractor writes them."""

from __future__ import annotations

import functools
import json
import math
from pathlib import Path

import cv2
import numpy as np

from dflwrap.extractors.builtin.alignment import transform_points
from dflwrap.extractors.builtin.facefile import FaceFormat, face_file
from dflwrap.extractors.builtin.finding.finder import Face
from dflwrap.samples.photos import ASTRONAUT, HOPPER, Portrait

_LANDMARKS = json.loads((Path(__file__).parent / "builtin/assets/landmarks.json").read_text())
PEOPLE = {"astronaut": ASTRONAUT, "hopper": HOPPER}
WIDTH, HEIGHT = 640, 360


def camera(portrait: Portrait, number: int, speed: float) -> np.ndarray:
    """Photograph -> frame `number`: pan, zoom and turn."""
    scale = (70 + 14 * math.sin(number * speed / 9)) / portrait.eyes
    turn = 0.25 * math.sin(number * speed / 7)
    a, b = scale * math.cos(turn), scale * math.sin(turn)
    x, y = portrait.face
    centre = 320 + 90 * math.sin(number * speed / 5), 170 + 30 * math.cos(number * speed / 6)
    return np.array([[a, -b, centre[0] - a * x + b * y], [b, a, centre[1] - b * x - a * y]])


_photo = functools.cache(Portrait.load)


@functools.lru_cache(maxsize=64)
def picture(person: str, number: int, speed: float = 1.0) -> np.ndarray:
    """Frame `number`; not to be written to."""
    portrait = PEOPLE[person]
    moved = cv2.warpAffine(
        _photo(portrait), camera(portrait, number, speed), (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE
    )
    noise = np.random.default_rng(number).normal(0, 3, moved.shape)
    return np.clip(moved + noise, 0, 255).astype(np.uint8)


def landmarks_of(person: str, number: int, speed: float = 1.0) -> np.ndarray:
    """68 points in frame `number`."""
    return transform_points(np.array(_LANDMARKS[person]), camera(PEOPLE[person], number, speed))


def rect_of(points: np.ndarray) -> tuple[int, int, int, int]:
    """As a detector would have it: left, top, right, bottom."""
    low, high = points.min(axis=0).astype(int).tolist(), points.max(axis=0).astype(int).tolist()
    return low[0], low[1], high[0], high[1]


def face_of(person: str, number: int, name: str, face_type: str = "whole_face", speed: float = 1.0) -> bytes:
    """The face of frame `number` as a file whose metadata names `name`."""
    points = landmarks_of(person, number, speed)
    face = Face(points, rect_of(points))
    content = face_file(picture(person, number, speed), face, name, FaceFormat(face_type, 256, 90))
    assert content is not None
    return content


def make_clip(
    frames: Path,
    faceset: Path,
    person: str,
    count: int,
    *,
    start: int = 0,
    face_type: str = "whole_face",
    speed: float = 1.0,
) -> None:
    """`count` frames 00001.png ... and the faces of them, as a run leaves them."""
    frames.mkdir(parents=True, exist_ok=True)
    faceset.mkdir(parents=True, exist_ok=True)
    for number in range(1, count + 1):
        name = f"{number:05d}.png"
        cv2.imwrite(str(frames / name), picture(person, start + number, speed))
        face = face_of(person, start + number, name, face_type, speed)
        (faceset / f"{number:05d}_0.jpg").write_bytes(face)
