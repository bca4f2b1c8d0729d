"""Which faces deserve a look: what was planted is found, and nothing else."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from moving_faces import face_of, make_clip

from dflwrap.faceset.face_file.metadata import FaceMetadata, Points, read_metadata
from dflwrap.faceset.review import Oddity, review
from dflwrap.faceset.sights import Sight, sight_of

COUNT = 24
FRAMES = [f"{n:05d}.png" for n in range(1, COUNT + 1)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, FaceMetadata]:
    """The faces of a clip with a cut: two people after one another, in front of a moving camera."""
    folder = tmp_path_factory.mktemp("review")
    half = COUNT // 2
    make_clip(folder / "frames", folder / "faces", "astronaut", half, speed=0.7)
    faces = {path.name: read_metadata(path) for path in sorted((folder / "faces").iterdir())}
    for number in range(half + 1, COUNT + 1):
        path = folder / "faces" / f"{number:05d}_0.jpg"
        path.write_bytes(face_of("hopper", 50 + number, f"{number:05d}.png", speed=0.7))
        faces[path.name] = read_metadata(path)
    return {name: metadata for name, metadata in faces.items() if metadata is not None}


@pytest.fixture
def faces(made: dict[str, FaceMetadata]) -> dict[str, FaceMetadata]:
    return dict(made)


def found(faces: dict[str, FaceMetadata], frames: list[str] = FRAMES) -> dict[str, Oddity]:
    sights = [sight for name, face in faces.items() if (sight := sight_of(name, face)) is not None]
    assert len(sights) == len(faces)
    return {odd.file: odd.oddity for odd in review(sights, frames)}


def moved(face: FaceMetadata, across: float = 0.0, turn: float = 0.0, grow: float = 1.0) -> FaceMetadata:
    """Shifted by face sizes, turned by degrees, grown, in its frame."""
    points = np.array(face.source_landmarks)
    centre = points.mean(axis=0)
    angle = math.radians(turn)
    matrix = grow * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    points = (points - centre) @ matrix.T + centre + (across * np.ptp(points[:, 0]), 0)
    return seen(face, points)


def seen(face: FaceMetadata, points: np.ndarray) -> FaceMetadata:
    low, high = points.min(axis=0), points.max(axis=0)
    landmarks: Points = tuple((float(x), float(y)) for x, y in points)
    return replace(face, source_landmarks=landmarks, source_rect=(*map(float, low), *map(float, high)))


def test_a_sound_clip_with_a_cut_and_a_camera_that_moves_has_nothing_to_look_at(
    faces: dict[str, FaceMetadata],
) -> None:
    assert found(faces) == {}


def test_a_clip_filmed_on_its_side_has_nothing_to_look_at_either(faces: dict[str, FaceMetadata]) -> None:
    assert found({name: moved(face, turn=180) for name, face in faces.items()}) == {}


@pytest.mark.parametrize("how", [{"across": 2.0}, {"grow": 2.5}, {"grow": 0.4}, {"turn": 70}])
def test_a_face_that_jumps_is_found(faces: dict[str, FaceMetadata], how: dict[str, float]) -> None:
    faces["00006_0.jpg"] = moved(faces["00006_0.jpg"], **how)
    assert found(faces) == {"00006_0.jpg": Oddity.JUMPS}


def test_an_upside_down_face_is_found(faces: dict[str, FaceMetadata]) -> None:
    faces["00006_0.jpg"] = moved(faces["00006_0.jpg"], turn=175)
    assert found(faces) == {"00006_0.jpg": Oddity.UPSIDE_DOWN}


def test_the_second_file_of_one_face_is_found(faces: dict[str, FaceMetadata]) -> None:
    faces["00006_1.jpg"] = moved(faces["00006_0.jpg"], across=0.1, grow=1.1)
    assert found(faces) == {"00006_1.jpg": Oddity.DOUBLED}


def test_two_people_side_by_side_are_not_doubled(faces: dict[str, FaceMetadata]) -> None:
    for name, face in list(faces.items()):
        faces[name.replace("_0", "_1")] = moved(face, across=1.2)
    assert found(faces) == {}


def test_landmarks_of_no_face_are_found(faces: dict[str, FaceMetadata]) -> None:
    points = np.random.default_rng(3).uniform(0, 90, (68, 2)) + np.array(faces["00006_0.jpg"].source_rect)[:2]
    noise = seen(faces["00006_0.jpg"], points)
    faces["00006_0.jpg"] = replace(noise, landmarks=noise.source_landmarks)
    assert found(faces) == {"00006_0.jpg": Oddity.LIKELY_FALSE}


def test_landmarks_off_the_detectors_rectangle_are_found(faces: dict[str, FaceMetadata]) -> None:
    rect = (500.0, 300.0, 540.0, 340.0)
    faces["00006_0.jpg"] = replace(faces["00006_0.jpg"], source_rect=rect)
    assert found(faces) == {"00006_0.jpg": Oddity.LIKELY_FALSE}


def test_a_face_for_one_frame_only_is_found_in_a_film(faces: dict[str, FaceMetadata]) -> None:
    faces["00006_1.jpg"] = moved(faces["00006_0.jpg"], across=-2.5)
    assert found(faces) == {"00006_1.jpg": Oddity.LIKELY_FALSE}


def test_stills_have_no_neighbours(faces: dict[str, FaceMetadata]) -> None:
    """A folder of photographs: every face is somewhere else, and none of them is odd for that."""
    rng = np.random.default_rng(5)
    scattered = {
        name: moved(face, across=rng.uniform(-4, 4), grow=rng.uniform(0.4, 2.5), turn=rng.uniform(-20, 20))
        for name, face in faces.items()
    }
    assert found(scattered) == {}


def test_coordinates_of_nonsense_end_in_no_sight(faces: dict[str, FaceMetadata]) -> None:
    face = faces["00001_0.jpg"]
    for value in (math.nan, math.inf, 5.0):
        assert sight_of("a", replace(face, source_landmarks=((value, value),) * 68)) is None
    assert sight_of("a", replace(face, source_landmarks=None)) is None
    flat = sight_of("a", replace(face, landmarks=((1.0, 1.0),) * 68, source_rect=(math.nan, 0, 1, 1)))
    assert isinstance(flat, Sight) and flat.overlap == 1.0


def test_the_order_is_the_clips(faces: dict[str, FaceMetadata]) -> None:
    for name in ("00020_0.jpg", "00003_0.jpg"):
        faces[name] = moved(faces[name], turn=175)
    assert list(found(faces)) == ["00003_0.jpg", "00020_0.jpg"]
    assert list(found(faces, FRAMES[::-1])) == ["00020_0.jpg", "00003_0.jpg"]
