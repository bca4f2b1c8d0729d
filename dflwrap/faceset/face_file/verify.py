"""Is this file a whole face? Asked of every face before it is promoted."""

from __future__ import annotations

import math
from pathlib import Path

from dflwrap.common.retrying import is_held_open, retry_held_open
from dflwrap.faceset.face_file.errors import FaceFileError, NotWholeError
from dflwrap.faceset.face_file.hostile import check_harmless
from dflwrap.faceset.face_file.jpeg import check_image_data, header_segments, image_size
from dflwrap.faceset.face_file.metadata import FACE_TYPES, MAX_FILE_BYTES, FaceMetadata, Points, metadata_in


def verify_face(path: Path, expected_size: int | None = None) -> FaceMetadata:
    """The metadata of a face that is whole; `NotWholeError` says why another is not.

    Whole: a JPEG whose image data ends in FF D9 at the end of the file, with metadata of a known face
    type, 68 finite landmarks in the face and in the frame, a source file name, and (except mark_only)
    `expected_size` pixels square. The picture is not decoded (this runs on every face of a faceset of
    a hundred thousand): that its compressed data means the right pixels is not proven. Raises OSError where
    another process keeps the file open: that is no fault of the face.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise NotWholeError("the file is too large for a face")
        data = retry_held_open(path.read_bytes)
    except OSError as error:
        if is_held_open(error):
            raise
        raise NotWholeError(f"the file cannot be read ({error.strerror or error})") from error
    return verify_bytes(data, expected_size)


def verify_bytes(data: bytes, expected_size: int | None = None) -> FaceMetadata:
    """As `verify_face`, of a file in memory. Raises NotWholeError."""
    try:
        try:
            segments = header_segments(data)
            check_image_data(data, segments)
            width, height = image_size(data, segments)
            metadata = metadata_in(data, segments)
        except FaceFileError:
            check_harmless(data)  # whatever else is wrong with it, this is what has to be told
            raise
        check_harmless(data, metadata.origin if metadata is not None else None)
    except FaceFileError as error:
        raise NotWholeError(str(error)) from error
    if metadata is None:
        raise NotWholeError("the face has no metadata")
    if metadata.face_type not in FACE_TYPES:
        raise NotWholeError(f"the face type {metadata.face_type[:40]!r} is not one of DeepFaceLab's")
    if not metadata.source_filename:
        raise NotWholeError("the metadata does not say which frame the face is from")
    for name, points in (("landmarks", metadata.landmarks), ("source landmarks", metadata.source_landmarks)):
        if not _finite(points):
            raise NotWholeError(f"the face has no 68 finite {name}")
    if metadata.face_type != "mark_only":
        if width != height or (expected_size is not None and width != expected_size):
            side = "the same" if expected_size is None else str(expected_size)
            raise NotWholeError(f"the face is {width}x{height} pixels; each side should be {side}")
        matrix = metadata.image_to_face_mat
        if matrix is None or not all(math.isfinite(value) for row in matrix for value in row):
            raise NotWholeError("the face has no alignment matrix")
    return metadata


def _finite(points: Points | None) -> bool:
    return points is not None and all(math.isfinite(value) for point in points for value in point)
