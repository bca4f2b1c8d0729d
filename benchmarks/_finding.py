"""Scenes made of portraits whose faces are known, and how well the built-in extractor finds them.

A portrait is a photograph with one face. Where its face lies is what the extractor finds in the untouched photograph;
a scene shows the portrait through a known transform, so where its face has to be found is known too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from dflwrap.extractors.builtin.alignment import face_matrix, inverse, transform_points
from dflwrap.extractors.builtin.finding.detector import overlap
from dflwrap.extractors.builtin.finding.finder import Face, FaceFinder

Image = NDArray[np.uint8]
Floats = NDArray[np.float64]

GREY = 110
_SAME_FACE = 0.3
"""Overlap of a rectangle that was found with the one that was expected."""
_ALIGNED_AS = "full_face"


@dataclass(frozen=True)
class Portrait:
    """A photograph with one face, and that face as it is found there."""

    name: str
    photo: Image
    landmarks: Floats

    @property
    def width(self) -> float:
        """Of the face, in pixels of the photograph."""
        return float(np.ptp(self.landmarks[:, 0]))

    @property
    def middle(self) -> Floats:
        return np.asarray((self.landmarks.min(axis=0) + self.landmarks.max(axis=0)) / 2)


@dataclass
class Scene:
    """A picture and its people: each a portrait through a 2 x 3 matrix (photograph -> picture)."""

    picture: Image
    people: list[tuple[Portrait, Floats]] = field(default_factory=list)


@dataclass
class Tally:
    """What was found of what was there; errors in parts of the aligned square's side."""

    people: int = 0
    found: int = 0
    false: int = 0
    double: int = 0
    errors: list[float] = field(default_factory=list)

    @property
    def recall(self) -> float:
        return self.found / self.people if self.people else 1.0

    @property
    def error(self) -> float:
        return float(np.mean(self.errors)) if self.errors else 0.0

    @property
    def astray(self) -> int:
        """Faces laid more than a tenth of the side off."""
        return sum(error > 0.1 for error in self.errors)

    def count(self, scene: Scene, faces: list[Face]) -> None:
        """Add one scene."""
        left = list(range(len(faces)))
        seen = []
        for portrait, matrix in scene.people:
            true = transform_points(portrait.landmarks, matrix)
            box = (*true.min(axis=0), *true.max(axis=0))
            own = [index for index in left if overlap(faces[index].rect, box) > _SAME_FACE]
            self.people += 1
            if own:
                self.found += 1
                best = max(own, key=lambda index: overlap(faces[index].rect, box))
                self.errors.append(_misalignment(faces[best].landmarks, true))
                self.double += len(own) - 1
                left = [index for index in left if index not in own]
                seen.append(box)
        # What lies on nobody is false; a part of somebody taken for a face of its own is a double.
        for index in left:
            x, y = (
                (faces[index].rect[0] + faces[index].rect[2]) / 2,
                (faces[index].rect[1] + faces[index].rect[3]) / 2,
            )
            if any(box[0] <= x <= box[2] and box[1] <= y <= box[3] for box in seen):
                self.double += 1
            else:
                self.false += 1


def _misalignment(found: Floats, true: Floats) -> float:
    """Mean distance of the corners of both aligned squares, in sides of the true one."""
    square = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]])
    corners, expected = (
        transform_points(square, inverse(face_matrix(landmarks, 1, _ALIGNED_AS)))
        for landmarks in (found, true)
    )
    side = np.linalg.norm(expected[1] - expected[0])
    return float(np.linalg.norm(corners - expected, axis=1).mean() / side)


def portrait_of(finder: FaceFinder, name: str, photo: Image) -> Portrait | None:
    """None for a photograph in which not exactly one face is found."""
    faces = finder.faces(photo)
    return Portrait(name, photo, faces[0].landmarks) if len(faces) == 1 else None


# -- scenes -------------------------------------------------------------------------------------------


def placed(people: list[tuple[Portrait, float, float, tuple[float, float]]], size: tuple[int, int]) -> Scene:
    """People on grey: (portrait, width of the face in pixels, turn in degrees, where its middle is to be)."""
    scene = Scene(np.full((size[1], size[0], 3), GREY, np.uint8))
    for portrait, width, turn, place in people:
        smaller = min(1.0, 1.2 * width / portrait.width)
        photo = np.asarray(
            cv2.resize(portrait.photo, None, fx=smaller, fy=smaller, interpolation=cv2.INTER_AREA), np.uint8
        )
        shrink = np.diag(
            [photo.shape[1] / portrait.photo.shape[1], photo.shape[0] / portrait.photo.shape[0], 1.0]
        )
        scale = width / portrait.width
        cosine, sine = scale * math.cos(math.radians(turn)), scale * math.sin(math.radians(turn))
        linear = np.array([[cosine, -sine], [sine, cosine]])
        matrix = np.column_stack((linear, np.array(place) - linear @ portrait.middle))
        of_small = (np.vstack((matrix, (0, 0, 1))) @ np.linalg.inv(shrink))[:2]
        inside = cv2.warpAffine(np.full(photo.shape[:2], 255, np.uint8), of_small, size) > 127
        scene.picture[inside] = cv2.warpAffine(photo, of_small, size, borderMode=cv2.BORDER_REPLICATE)[inside]
        scene.people.append((portrait, matrix))
    return scene


def alone(
    turn: float = 0, width: float = 120, size: tuple[int, int] = (640, 360)
) -> Callable[..., Iterator[Scene]]:
    """Each portrait in a frame of its own."""

    def scenes(portraits: list[Portrait]) -> Iterator[Scene]:
        for portrait in portraits:
            yield placed([(portrait, width, turn, (size[0] * 0.45, size[1] * 0.5))], size)

    return scenes


def tiled(columns: int, rows: int, width: float, size: tuple[int, int]) -> Callable[..., Iterator[Scene]]:
    """A crowd: tiles side by side, each the close surroundings of a face."""

    def scenes(portraits: list[Portrait]) -> Iterator[Scene]:
        across, down = size[0] / columns, size[1] / rows
        scene = Scene(np.full((size[1], size[0], 3), GREY, np.uint8))
        for index in range(columns * rows):
            portrait = portraits[index % len(portraits)]
            left, top = index % columns * across, index // columns * down
            place = (left + across / 2, top + down / 2)
            one = placed([(portrait, width, 0, place)], size)
            part = np.s_[round(top) : round(top + down), round(left) : round(left + across)]
            scene.picture[part] = one.picture[part]
            scene.people += one.people
        yield scene

    return scenes


def spoilt(how: Callable[[Scene], Image], **where: float) -> Callable[..., Iterator[Scene]]:
    """`alone`, its pictures spoilt by `how`."""

    def scenes(portraits: list[Portrait]) -> Iterator[Scene]:
        for scene in alone(**where)(portraits):  # type: ignore[arg-type]
            yield Scene(how(scene), scene.people)

    return scenes


def _box(scene: Scene) -> tuple[int, int, int, int]:
    portrait, matrix = scene.people[0]
    points = transform_points(portrait.landmarks, matrix)
    low, high = points.min(axis=0), points.max(axis=0)
    return round(low[0]), round(low[1]), round(high[0]), round(high[1])


def blurred(scene: Scene) -> Image:
    left, _, right, _ = _box(scene)
    return np.asarray(cv2.GaussianBlur(scene.picture, (0, 0), 0.05 * (right - left)), np.uint8)


def smeared(scene: Scene) -> Image:
    """As by a camera that moves: a seventh of the face's width."""
    left, _, right, _ = _box(scene)
    length = max(3, round((right - left) / 7))
    return np.asarray(cv2.filter2D(scene.picture, -1, np.full((1, length), 1 / length)), np.uint8)


def dark(scene: Scene) -> Image:
    noise = np.random.default_rng(0).normal(0, 3, scene.picture.shape)
    return np.asarray(np.clip(scene.picture * 0.15 + noise, 0, 255), np.uint8)


def noisy(scene: Scene) -> Image:
    noise = np.random.default_rng(0).normal(0, 35, scene.picture.shape)
    return np.asarray(np.clip(scene.picture + noise, 0, 255), np.uint8)


def squeezed(scene: Scene) -> Image:
    data = cv2.imencode(".jpg", scene.picture, [cv2.IMWRITE_JPEG_QUALITY, 8])[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def without_mouth(scene: Scene) -> Image:
    return _covered(scene, 0.0, 0.55, 1.0, 1.0)


def without_right(scene: Scene) -> Image:
    return _covered(scene, 0.5, -0.3, 1.0, 1.0)


def _covered(scene: Scene, left: float, top: float, right: float, bottom: float) -> Image:
    left_edge, top_edge, right_edge, bottom_edge = _box(scene)
    w, h = right_edge - left_edge, bottom_edge - top_edge
    picture = scene.picture.copy()
    cv2.rectangle(
        picture,
        (round(left_edge + left * w), round(top_edge + top * h)),
        (round(left_edge + right * w + 0.1 * w), round(top_edge + bottom * h + 0.1 * h)),
        (70, 60, 60),
        -1,
    )
    return picture


SCENES: dict[str, Callable[[list[Portrait]], Iterator[Scene]]] = {
    "upright": alone(),
    "turned by 30": alone(30),
    "turned by 60": alone(60),
    "turned by 90": alone(90),
    "turned by 135": alone(135),
    "turned by 180": alone(180),
    "turned by 270": alone(270),
    "small (44 px)": alone(width=44),
    "large": alone(width=210),
    "blurred": spoilt(blurred),
    "smeared": spoilt(smeared),
    "dark": spoilt(dark),
    "noisy": spoilt(noisy),
    "JPEG quality 8": spoilt(squeezed),
    "mouth covered": spoilt(without_mouth),
    "half covered": spoilt(without_right),
    "crowd of 120": tiled(12, 10, 75, (1920, 1440)),
    "group of 30": tiled(10, 3, 64, (1280, 480)),
    "dense 4K, 60": tiled(10, 6, 60, (3840, 2160)),
}


SPOILT = (
    "blurred", "smeared", "dark", "noisy", "JPEG quality 8", "mouth covered", "half covered",
)  # fmt: skip
"""Scenes that are judged together."""


def tallies(
    finder: FaceFinder, portraits: list[Portrait], names: list[str] | None = None
) -> dict[str, Tally]:
    """By scene."""
    result = {}
    for name, scenes in SCENES.items():
        if names is None or name in names:
            tally = result[name] = Tally()
            for scene in scenes(portraits):
                tally.count(scene, finder.faces(scene.picture))
    return result


MIN_RECALL = 0.85
MAX_TURNED_ERROR = 0.025
"""Of the aligned square's side, on average."""


def misses(found: dict[str, Tally]) -> list[str]:
    """The thresholds that are not reached, in words."""
    broken = []
    for name, tally in found.items():
        if tally.false or tally.double:
            broken.append(f"{name}: {tally.false} false and {tally.double} double faces")
        if name not in SPOILT and tally.recall < MIN_RECALL:
            broken.append(f"{name}: {tally.found} of {tally.people} found")
        if name.startswith("turned") and tally.error > MAX_TURNED_ERROR:
            broken.append(f"{name}: laid {100 * tally.error:.1f} % of the side off")
    spoilt_ones = [tally for name, tally in found.items() if name in SPOILT]
    seen, there = sum(tally.found for tally in spoilt_ones), sum(tally.people for tally in spoilt_ones)
    if seen < MIN_RECALL * there:
        broken.append(f"spoilt pictures together: {seen} of {there} found")
    return broken


def is_empty(finder: FaceFinder, picture: Image) -> bool:
    """True where nothing is found in the picture, nor in it mirrored or made smaller."""
    smaller = cv2.resize(picture, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)
    views = (picture, cv2.flip(picture, 1), smaller)
    return not any(finder.faces(np.asarray(view, np.uint8)) for view in views)
