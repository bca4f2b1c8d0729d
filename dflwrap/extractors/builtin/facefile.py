"""From a frame and its faces to DeepFaceLab's face files."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from dflwrap.common.retrying import retry_held_open
from dflwrap.extractors.builtin.alignment import face_matrix, is_plausible, transform_points
from dflwrap.extractors.builtin.finding.detector import Floats, Frame
from dflwrap.extractors.builtin.finding.finder import Face
from dflwrap.extractors.builtin.settings import PARTIAL_PREFIX, Warp
from dflwrap.faceset.face_file.metadata import FaceMetadata, write_metadata

DEBUG_QUALITY = 50
_SAMPLING = {"lanczos": cv2.INTER_LANCZOS4, "cubic": cv2.INTER_CUBIC}
"""Lanczos is DeepFaceLab's: the same pixels."""


@dataclass(frozen=True, slots=True)
class FaceFormat:
    """How faces are to be written."""

    face_type: str
    size: int
    quality: int
    warp: Warp = "lanczos"


def encode_jpeg(image: Frame, quality: int) -> bytes:
    """A baseline JPEG in memory. Raises ValueError for what no JPEG can hold."""
    ok, buffer = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not ok:
        raise ValueError("the face cannot be encoded as JPEG")
    return buffer.tobytes()


def write_whole(path: Path, content: bytes) -> None:
    """Write beside `path`, then rename: the name never stands for half a file."""
    partial = path.with_name(f"{PARTIAL_PREFIX}{os.getpid()}")
    try:
        retry_held_open(lambda: partial.write_bytes(content))
        retry_held_open(lambda: partial.replace(path))
    except BaseException:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


def face_file(frame: Frame, face: Face, source_filename: str, how: FaceFormat) -> bytes | None:
    """The face JPEG with its metadata; None for a face whose landmarks and rectangle do not agree."""
    matrix: Floats | None = None
    image, landmarks = frame, face.landmarks
    if how.face_type != "mark_only":
        matrix = face_matrix(face.landmarks, how.size, how.face_type)
        if not is_plausible(matrix, face.rect, how.size, how.face_type):
            return None
        warped = cv2.warpAffine(frame, matrix, (how.size, how.size), flags=_SAMPLING[how.warp])
        image = np.asarray(warped, np.uint8)
        landmarks = transform_points(face.landmarks, matrix)
    metadata = FaceMetadata(
        face_type=how.face_type,
        landmarks=_points(landmarks),
        source_filename=source_filename,
        source_rect=tuple(float(value) for value in face.rect),
        source_landmarks=_points(face.landmarks),
        image_to_face_mat=None if matrix is None else tuple(tuple(map(float, row)) for row in matrix),
    )
    return write_metadata(encode_jpeg(image, how.quality), metadata)


def _points(points: Floats) -> tuple[tuple[float, float], ...]:
    return tuple((x, y) for x, y in points.tolist())


def debug_picture(frame: Frame, faces: list[Face], how: FaceFormat) -> bytes:
    """The frame with rectangle (red), landmarks (green) and aligned square (blue) of each face, as JPEG."""
    picture = frame.copy()
    for face in faces:
        left, top, right, bottom = face.rect
        cv2.rectangle(picture, (left, top), (right, bottom), (0, 0, 255), 1)
        for x, y in face.landmarks:
            cv2.circle(picture, (round(x), round(y)), 2, (0, 255, 0), -1, cv2.LINE_AA)
        if how.face_type != "mark_only":
            matrix = face_matrix(face.landmarks, how.size, how.face_type)
            square = np.array([[[0, 0], [how.size, 0], [how.size, how.size], [0, how.size]]], np.float64)
            corners = cv2.transform(square, cv2.invertAffineTransform(matrix))
            cv2.polylines(picture, [corners.round().astype(np.int32)], True, (255, 0, 0), 1, cv2.LINE_AA)
    return encode_jpeg(picture, DEBUG_QUALITY)
