"""The face files: whole, under DeepFaceLab's rules, and readable by DeepFaceLab itself."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from dflwrap.common.plan import AttemptSpec, ExtractOptions, Plan
from dflwrap.extractors.builtin.alignment import PADDING, face_matrix
from dflwrap.extractors.builtin.extractor import BuiltinExtractor
from dflwrap.extractors.builtin.facefile import FaceFormat, debug_picture, encode_jpeg, face_file, write_whole
from dflwrap.extractors.builtin.finding.finder import Face
from dflwrap.extractors.builtin.settings import WARPS
from dflwrap.faceset.face_file.verify import verify_bytes
from dflwrap.samples.photos import ASTRONAUT

LANDMARKS = np.array(
    json.loads(Path(__file__).with_name("assets").joinpath("landmarks.json").read_text())["astronaut"]
)
FACE = Face(LANDMARKS, (178, 68, 273, 174))


@pytest.mark.parametrize("face_type", [*PADDING, "mark_only"])
def test_a_face_file_holds_the_face_where_its_metadata_says(face_type: str) -> None:
    photo = ASTRONAUT.load()
    content = face_file(photo, FACE, "Zoë 1.png", FaceFormat(face_type, 256, 95))
    assert content is not None
    metadata = verify_bytes(content, 256)
    assert (metadata.face_type, metadata.source_filename) == (face_type, "Zoë 1.png")
    assert metadata.source_rect == FACE.rect
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    # The pupil is dark in the frame; it must be where the face's landmarks have the eye.
    eye = np.array(metadata.landmarks)[36:42].mean(axis=0)
    frame_eye = LANDMARKS[36:42].mean(axis=0)
    if metadata.image_to_face_mat is not None:
        assert np.allclose(np.array(metadata.image_to_face_mat) @ [*frame_eye, 1], eye)
        assert picture.shape == (256, 256, 3)
        assert (eye > 0).all() and (eye < 256).all()
    else:
        assert picture.shape == photo.shape
    forehead = eye + (np.array(metadata.landmarks)[19] - eye) * 1.5
    assert (
        picture[tuple(eye.astype(int)[::-1])].mean() < picture[tuple(forehead.astype(int)[::-1])].mean() - 40
    )


def test_a_face_that_its_rectangle_contradicts_is_not_written() -> None:
    tiny = Face(LANDMARKS, (200, 100, 220, 120))
    assert face_file(ASTRONAUT.load(), tiny, "a.png", FaceFormat("full_face", 256, 90)) is None
    assert face_file(ASTRONAUT.load(), tiny, "a.png", FaceFormat("whole_face", 256, 90)) is not None


def test_a_file_stands_whole_or_not_at_all(tmp_path: Path) -> None:
    write_whole(tmp_path / "a.jpg", b"x")
    (tmp_path / "b.jpg").mkdir()
    with pytest.raises(OSError, match=r".+"):
        write_whole(tmp_path / "b.jpg", b"x")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jpg", "b.jpg"]


def test_cubic_faces_differ_by_less_than_a_grey_level_and_lanczos_ones_are_opencvs_own() -> None:
    photo = ASTRONAUT.load()
    decoded = {}
    for warp in WARPS:
        content = face_file(photo, FACE, "a.png", FaceFormat("whole_face", 256, 100, warp))
        assert content is not None
        decoded[warp] = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR).astype(int)
    matrix = face_matrix(FACE.landmarks, 256, "whole_face")
    own = encode_jpeg(np.asarray(cv2.warpAffine(photo, matrix, (256, 256), flags=cv2.INTER_LANCZOS4)), 100)
    assert (decoded["lanczos"] == cv2.imdecode(np.frombuffer(own, np.uint8), cv2.IMREAD_COLOR)).all()
    assert FaceFormat("whole_face", 256, 100).warp == "lanczos", "DeepFaceLab's, unless asked otherwise"
    assert 0 < np.abs(decoded["lanczos"] - decoded["cubic"]).mean() < 1


def test_the_way_of_sampling_reaches_the_extractor() -> None:
    options = ExtractOptions(warp="cubic")
    spec = AttemptSpec(1, Plan(), options, "folder", "in", "out", "events", ())
    argv = BuiltinExtractor("").launch(spec).argv
    assert argv[argv.index("--warp") + 1] == "cubic"
    assert ExtractOptions().warp == "lanczos", "as DeepFaceLab does, unless asked otherwise"


def test_the_debug_picture_is_the_frame_with_marks() -> None:
    photo = ASTRONAUT.load()
    content = debug_picture(photo, [FACE], FaceFormat("whole_face", 256, 90))
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == photo.shape
    green = (picture[:, :, 1].astype(int) - picture[:, :, 2] > 80) & (
        picture[:, :, 1].astype(int) - picture[:, :, 0] > 80
    )
    assert green.sum() > 200


@pytest.mark.dfl
@pytest.mark.skipif(
    not {"DFLWRAP_TEST_DFL_ROOT", "DFLWRAP_TEST_DFL_PYTHON"} <= set(os.environ), reason="no DeepFaceLab named"
)
def test_deepfacelab_itself_reads_what_is_written(tmp_path: Path) -> None:
    path = tmp_path / "ä_0.jpg"
    content = face_file(ASTRONAUT.load(), FACE, "Zoë 1.png", FaceFormat("whole_face", 256, 90))
    assert content is not None
    path.write_bytes(content)
    program = (
        "import sys, json, numpy as np; sys.path.insert(0, sys.argv[1]); from pathlib import Path\n"
        "from DFLIMG import DFLIMG; d = DFLIMG.load(Path(sys.argv[2]))\n"
        "print(json.dumps([d.get_face_type(), d.get_source_filename(), d.get_source_rect()[[0, 1, 2, 3]].tolist(),\n"
        "  d.get_source_landmarks().tolist(), d.get_image_to_face_mat().tolist(), list(d.get_shape())]))"
    )
    command = [
        os.environ["DFLWRAP_TEST_DFL_PYTHON"],
        "-c",
        program,
        os.environ["DFLWRAP_TEST_DFL_ROOT"],
        str(path),
    ]
    done = subprocess.run(
        command,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )
    assert done.returncode == 0, done.stderr
    face_type, source, rect, landmarks, matrix, shape = json.loads(done.stdout.splitlines()[-1])
    assert (face_type, source, rect, shape) == ("whole_face", "Zoë 1.png", [178, 68, 273, 174], [256, 256, 3])
    assert np.array_equal(landmarks, LANDMARKS)
    assert np.array_equal(matrix, verify_bytes(content).image_to_face_mat)
