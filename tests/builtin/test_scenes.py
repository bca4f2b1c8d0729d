"""A slice of benchmarks/builtin.py: its scenes with the two sample people, and its thresholds."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks._finding import (
    SCENES,
    SPOILT,
    Portrait,
    Scene,
    Tally,
    is_empty,
    misses,
    placed,
    tallies,
)
from dflwrap.extractors.builtin.finding.finder import FaceFinder
from dflwrap.extractors.builtin.settings import SMALLEST_FACE


@pytest.mark.parametrize("name", [name for name in SCENES if name not in SPOILT])
def test_every_scene_keeps_its_thresholds(finder: FaceFinder, people: list[Portrait], name: str) -> None:
    assert misses(tallies(finder, people, [name])) == []


def test_spoilt_pictures_show_no_false_face_and_most_people(
    finder: FaceFinder, people: list[Portrait]
) -> None:
    assert misses(tallies(finder, people, list(SPOILT))) == []


def test_a_face_on_its_side_is_laid_within_two_and_a_half_percent_and_an_upright_one_too(
    finder: FaceFinder, people: list[Portrait]
) -> None:
    for turn in (80, 90, 100, 260, 280):
        tally = Tally()
        for portrait in people:
            scene = placed([(portrait, 130, turn, (300, 180))], (640, 360))
            tally.count(scene, finder.faces(scene.picture))
        assert tally.found == 2 and tally.error <= 0.025, turn


def test_small_faces_beside_a_large_one_are_found_too(finder: FaceFinder, people: list[Portrait]) -> None:
    """Looking does not stop at the first pass that finds something."""
    one, other = people
    crowd = [(other, 60.0, 0.0, (x, y)) for x in (150, 500, 850, 1200, 1550) for y in (150, 300)]
    scene = placed([*crowd, (one, 90.0, 0.0, (900, 800))], (1920, 1080))
    tally = Tally()
    tally.count(scene, finder.faces(scene.picture))
    assert (tally.found, tally.false, tally.double) == (11, 0, 0)


def test_the_smallest_face_that_is_promised_is_found_in_every_size(
    finder: FaceFinder, people: list[Portrait]
) -> None:
    for size in ((2560, 1440), (3840, 2160), (7680, 4320)):
        width = max(46, 1.15 * SMALLEST_FACE * size[1])
        scene = placed([(people[1], width, 0, (size[0] * 0.31, size[1] * 0.77))], size)
        assert len(finder.faces(scene.picture)) == 1, size


def test_no_face_is_seen_in_pictures_without_one(finder: FaceFinder) -> None:
    # By path: the package is installed without what importing it needs.
    spec = find_spec("skimage")
    assert spec is not None and spec.submodule_search_locations
    folder = Path(spec.submodule_search_locations[0], "data")
    seen = []
    for path in sorted(folder.glob("*.[jp][pn]g")):
        picture = cv2.imread(str(path))
        if path.stem not in ("astronaut", "camera") and picture is not None:
            assert is_empty(finder, np.asarray(picture, np.uint8)), path.name
            seen.append(path.name)
    assert "chelsea.png" in seen and len(seen) >= 15


def test_the_tally_tells_false_from_double_and_measures_what_is_off(people: list[Portrait]) -> None:
    from dflwrap.extractors.builtin.finding.finder import Face

    scene = placed([(people[0], 100, 0, (200, 180))], (640, 360))
    portrait, matrix = scene.people[0]
    true = portrait.landmarks @ matrix[:, :2].T + matrix[:, 2]

    def face(points: np.ndarray) -> Face:
        low, high = points.min(axis=0).round().astype(int), points.max(axis=0).round().astype(int)
        return Face(points, (int(low[0]), int(low[1]), int(high[0]), int(high[1])))

    def tally(*faces: Face) -> Tally:
        result = Tally()
        result.count(Scene(scene.picture, scene.people), list(faces))
        return result

    away = np.array([300.0, 0.0])
    right = tally(face(true))
    assert (right.found, right.false, right.double) == (1, 0, 0) and right.error < 1e-9
    assert tally(face(true), face(true + 5)).double == 1
    assert tally(face(true), face(true + away)).false == 1
    assert misses({"upright": tally(face(true + away))})
    assert misses({"turned by 90": tally(face(true + away * (8 / 300)))}), "8 of about 140 pixels"
