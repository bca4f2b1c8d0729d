"""A face is whole or it is not promoted."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from dflwrap.faceset.face_file.errors import NotWholeError
from dflwrap.faceset.face_file.metadata import FaceMetadata, write_metadata
from dflwrap.faceset.face_file.verify import verify_face
from dflwrap.faceset.reading import scan_faceset


def picture(width: int = 96, height: int = 96, *parameters: int) -> bytes:
    image = np.random.default_rng(1).integers(0, 255, (height, width, 3), dtype=np.uint8)
    ok, encoded = cv2.imencode(".jpg", image, list(parameters))
    assert ok
    return encoded.tobytes()


def metadata(**changes: Any) -> FaceMetadata:
    points = tuple((float(i), float(i) / 2) for i in range(68))
    whole = FaceMetadata(
        "whole_face", points, "a.png", (0, 0, 9, 9), points, ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
    )
    return replace(whole, **changes)


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_a_whole_face_passes(tmp_path: Path) -> None:
    face = write(tmp_path / "a_0.jpg", write_metadata(picture(), metadata()))
    assert verify_face(face, 96) == metadata()


def test_a_progressive_face_passes(tmp_path: Path) -> None:
    content = write_metadata(picture(96, 96, cv2.IMWRITE_JPEG_PROGRESSIVE, 1), metadata())
    assert content.count(b"\xff\xda") > 1
    assert verify_face(write(tmp_path / "a_0.jpg", content), 96) == metadata()


def test_every_cut_of_a_face_is_noticed(tmp_path: Path) -> None:
    content = write_metadata(picture(), metadata())
    for length in [*range(0, len(content), 37), len(content) - 2, len(content) - 1]:
        with pytest.raises(NotWholeError):
            verify_face(write(tmp_path / "a_0.jpg", content[:length]), 96)


NAN_POINTS = ((float("nan"), 0.0),) * 68


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (picture(), "no metadata"),
        (b"", "empty"),
        (b"hello", "not a JPEG"),
        (write_metadata(picture(), metadata()) + b"more", "follow the end"),
        (write_metadata(picture(), metadata())[:-2] + bytes(4096), "cut short"),
        (write_metadata(picture(), metadata(face_type="nose")), "face type"),
        (write_metadata(picture(), metadata(landmarks=NAN_POINTS)), "landmarks"),
        (write_metadata(picture(), metadata(source_landmarks=None)), "source landmarks"),
        (write_metadata(picture(), metadata(source_filename=None)), "which frame"),
        (write_metadata(picture(), metadata(image_to_face_mat=None)), "matrix"),
        (write_metadata(picture(128, 128), metadata()), "128x128"),
        (write_metadata(picture(96, 64), metadata()), "96x64"),
    ],
)
def test_what_is_not_whole_is_refused_with_the_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(NotWholeError, match=reason):
        verify_face(write(tmp_path / "a_0.jpg", content), 96)


def test_a_missing_face_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotWholeError, match="cannot be read"):
        verify_face(tmp_path / "nothing.jpg")


def test_a_mark_only_face_is_the_frame_itself(tmp_path: Path) -> None:
    content = write_metadata(picture(96, 64), metadata(face_type="mark_only", image_to_face_mat=None))
    assert verify_face(write(tmp_path / "a_0.jpg", content), 512).face_type == "mark_only"


def test_a_faceset_is_read_file_by_file_with_a_problem_for_each_that_is_none(tmp_path: Path) -> None:
    write(tmp_path / "b_0.jpg", write_metadata(picture(), metadata()))
    write(tmp_path / "a_0.JPG", write_metadata(picture(), metadata(source_filename="ä.png")))
    write(tmp_path / "c.jpg", picture())
    write(tmp_path / "d.jpg", b"")
    write(tmp_path / "notes.txt", b"x")
    (tmp_path / "folder.jpg").mkdir()
    if sys.platform != "win32":
        (tmp_path / "e.jpg").symlink_to(tmp_path / "gone")
    found = {face.path.name: face for face in scan_faceset(tmp_path)}
    assert list(found)[:4] == ["a_0.JPG", "b_0.jpg", "c.jpg", "d.jpg"]
    first = found["a_0.JPG"].metadata
    assert first is not None
    assert first.source_filename == "ä.png"
    assert "no metadata" in (found["c.jpg"].problem or "")
    assert "empty" in (found["d.jpg"].problem or "")
    assert set(found) - {"a_0.JPG", "b_0.jpg", "c.jpg", "d.jpg", "e.jpg"} == set()
