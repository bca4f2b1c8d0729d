"""The metadata DeepFaceLab keeps in a face JPEG: a pickled dict in the APP15 segment.

Read as data (`pickle_data`), never unpickled. Written so that DeepFaceLab's Python 3.6 with numpy 1.19
loads it (protocol 3) and finds its own types: DeepFaceLab indexes `source_rect` as a numpy array, so with
a list its sorters die, or move the face to trash.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dflwrap.faceset.face_file.errors import BrokenMetadataError, FaceFileError, MetadataTooLargeError
from dflwrap.faceset.face_file.jpeg import (
    APP0,
    APP15,
    MAX_SEGMENT_PAYLOAD,
    IncompleteJpegError,
    Segment,
    header_segments,
)
from dflwrap.faceset.face_file.pickle_data import Array, load_data
from dflwrap.faceset.face_file.pickle_opcodes import array_opcodes, value_opcodes, with_items

Points = tuple[tuple[float, float], ...]
Matrix = tuple[tuple[float, ...], ...]

FACE_TYPES = frozenset(
    {
        "half_face",
        "midfull_face",
        "full_face",
        "full_face_no_align",
        "whole_face",
        "head",
        "head_no_align",
        "mark_only",
    }
)
DEFAULT_FACE_TYPE = "full_face"
"""What DeepFaceLab takes a face for that does not say its type."""

_CORE_KEYS = (
    "face_type",
    "landmarks",
    "source_filename",
    "source_rect",
    "source_landmarks",
    "image_to_face_mat",
)
_HEADER_BYTES = 64 * 1024
"""Read first: the header of most faces, without the picture. With masks and polygons it can be twice that."""
MAX_FILE_BYTES = 256 * 1024 * 1024
"""Larger files are no aligned faces; they are not read into memory."""


@dataclass(frozen=True, slots=True)
class FaceMetadata:
    """One face: where it lies in its frame, and how it was aligned.

    Lengths are pixels; "frame" is the source image, "face" the aligned JPEG. A key that the file does
    not hold is None.
    """

    face_type: str = DEFAULT_FACE_TYPE
    landmarks: Points | None = None
    """68 (x, y) in the face."""
    source_filename: str | None = None
    """File name of the frame, with its suffix."""
    source_rect: tuple[float, ...] | None = None
    """Left, top, right, bottom of the detector's rectangle in the frame."""
    source_landmarks: Points | None = None
    """68 (x, y) in the frame."""
    image_to_face_mat: Matrix | None = None
    """2 x 3 affine matrix, frame -> face. None for mark_only."""
    extras: Mapping[str, Any] = field(default_factory=dict)
    """Keys of later steps (seg_ie_polys, xseg_mask, ...). Opaque: arrays are stand-ins."""
    origin: bytes | None = field(default=None, repr=False, compare=False)
    """The pickle this was read from: what keeps opaque extras exactly as they were on rewriting."""


def read_metadata(path: Path) -> FaceMetadata | None:
    """The metadata of a face file; None for a JPEG without any.

    Reads the header only. Raises `TornFaceError` (no JPEG, or cut short in its header),
    `HostileMetadataError`, `BrokenMetadataError`, and OSError as the file system does.
    """
    with path.open("rb") as file:
        head = file.read(_HEADER_BYTES)
        try:
            return parse_metadata(head)
        except IncompleteJpegError:
            if len(head) < _HEADER_BYTES:
                raise
        head += file.read(MAX_FILE_BYTES)
    return parse_metadata(head)


def parse_metadata(jpeg: bytes) -> FaceMetadata | None:
    """As `read_metadata`, of a JPEG (or its first bytes) in memory."""
    return metadata_in(jpeg, header_segments(jpeg))


def metadata_in(jpeg: bytes, segments: tuple[Segment, ...]) -> FaceMetadata | None:
    """As `parse_metadata`, with the segments already found."""
    found = None
    for segment in segments:
        if segment.marker == APP15:
            # DeepFaceLab loads every APP15 and keeps the last: each is checked, the last counts.
            found = _parse_payload(segment.payload(jpeg))
    return found


def _parse_payload(payload: bytes) -> FaceMetadata:
    values, _ = load_data(payload)
    if not isinstance(values, dict):
        raise BrokenMetadataError("the face metadata is not a dictionary")
    face_type = values.get("face_type", DEFAULT_FACE_TYPE)
    source_filename = values.get("source_filename")
    if not isinstance(face_type, str) or not isinstance(source_filename, str | None):
        raise BrokenMetadataError("the face metadata holds a name that is no text")
    return FaceMetadata(
        face_type=face_type,
        landmarks=_pairs(values.get("landmarks"), "landmarks"),
        source_filename=source_filename,
        source_rect=_numbers(values.get("source_rect"), 4, "source_rect"),
        source_landmarks=_pairs(values.get("source_landmarks"), "source_landmarks"),
        image_to_face_mat=_matrix(values.get("image_to_face_mat")),
        extras={str(key): value for key, value in values.items() if key not in _CORE_KEYS},
        origin=payload,
    )


def _numbers(value: Any, count: int, name: str) -> tuple[float, ...] | None:
    if isinstance(value, Array):
        value = value.values()
    if value is None:
        return None
    if isinstance(value, list | tuple) and len(value) == count:
        try:
            numbers = tuple(float(v) for v in value if isinstance(v, int | float))
        except OverflowError:
            numbers = ()
        if len(numbers) == count:
            return numbers
    raise BrokenMetadataError(f"the face metadata's {name} is not what DeepFaceLab writes")


def _pairs(value: Any, name: str) -> Points | None:
    if isinstance(value, Array):
        value = value.values()
    if value is None:
        return None
    if not isinstance(value, list | tuple) or len(value) != 68:
        raise BrokenMetadataError(f"the face metadata's {name} are not 68 points")
    points = []
    for item in value:
        if type(item) is list and len(item) == 2 and type(item[0]) is type(item[1]) is float:
            points.append((item[0], item[1]))  # nearly always: this runs on every face of a faceset
            continue
        pair = _numbers(item, 2, name)
        if pair is None:
            raise BrokenMetadataError(f"the face metadata's {name} are not 68 points")
        points.append((pair[0], pair[1]))
    return tuple(points)


def _matrix(value: Any) -> Matrix | None:
    if isinstance(value, Array):
        value = value.values()
    if value is None:
        return None
    if isinstance(value, list | tuple) and len(value) == 2:
        rows = [_numbers(row, 3, "image_to_face_mat") for row in value]
        if rows[0] is not None and rows[1] is not None:
            return (rows[0], rows[1])
    raise BrokenMetadataError("the face metadata's image_to_face_mat is not a 2 x 3 matrix")


def _plain(metadata: FaceMetadata) -> dict[str, Any]:
    """The core keys as lists and floats; None is left out, as DeepFaceLab does."""
    values: dict[str, Any] = {
        "face_type": metadata.face_type,
        "landmarks": _lists(metadata.landmarks),
        "source_filename": metadata.source_filename,
        "source_rect": None if metadata.source_rect is None else [float(v) for v in metadata.source_rect],
        "source_landmarks": _lists(metadata.source_landmarks),
        "image_to_face_mat": _lists(metadata.image_to_face_mat),
    }
    return {key: value for key, value in values.items() if value is not None}


def _lists(rows: Sequence[Sequence[float]] | None) -> list[list[float]] | None:
    return None if rows is None else [[float(value) for value in row] for row in rows]


_PLAIN_TYPES = (str, bytes, int, float, bool, type(None))


def _check_plain(value: Any) -> None:
    if type(value) in _PLAIN_TYPES:
        return
    if type(value) is list or type(value) is tuple:
        for item in value:
            _check_plain(item)
    elif type(value) is dict:
        for key, item in value.items():
            _check_plain(key)
            _check_plain(item)
    else:
        raise BrokenMetadataError(f"{type(value).__name__} objects cannot be written into face metadata")


_ARRAY_KEYS = ("source_rect", "image_to_face_mat")
"""What DeepFaceLab holds as numpy arrays; the landmarks are lists."""


def dump_payload(metadata: FaceMetadata) -> bytes:
    """The pickle for `metadata`, as DeepFaceLab's Python 3.6 loads it.

    What was read from a file keeps that file's pickle, and the keys that differ are set again at its
    end: so nothing of the extras is touched, whatever it is. Raises `MetadataTooLargeError`.
    """
    values = _plain(metadata)
    if metadata.origin is not None:
        payload = metadata.origin
        values = _changes(payload, values)
    else:
        _check_plain(metadata.extras)
        payload = pickle.dumps(dict(metadata.extras), protocol=3)
        _check_size(payload)
    items = {
        key: array_opcodes(value) if key in _ARRAY_KEYS else value_opcodes(value)
        for key, value in values.items()
    }
    payload = with_items(payload, items)
    _check_size(payload)
    return payload


def _check_size(payload: bytes) -> None:
    if len(payload) > MAX_SEGMENT_PAYLOAD:
        raise MetadataTooLargeError(
            f"the face metadata takes {len(payload):,} bytes; a JPEG segment holds {MAX_SEGMENT_PAYLOAD:,}"
        )


def _changes(origin: bytes, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """What of `wanted` is not in `origin`, or not in the type that DeepFaceLab's tools need."""
    before = _plain(_parse_payload(origin))
    raw, _ = load_data(origin)
    return {
        key: value
        for key, value in wanted.items()
        if before.get(key) != value or (key in _ARRAY_KEYS and not isinstance(raw[key], Array))
    }


def write_metadata(jpeg: bytes, metadata: FaceMetadata) -> bytes:
    """`jpeg` with `metadata` as its only APP15 segment, right after its last APPn segment.

    Raises `TornFaceError` for what is no JPEG, `MetadataTooLargeError`.
    """
    payload = dump_payload(metadata)
    segments = header_segments(jpeg)
    kept = [segment for segment in segments if segment.marker != APP15]
    last_app = max((i for i, segment in enumerate(kept) if APP0 <= segment.marker <= APP15), default=-1)
    own = b"\xff\xef" + (len(payload) + 2).to_bytes(2, "big") + payload
    parts = [jpeg[segment.start : segment.end] for segment in kept]
    parts.insert(last_app + 1, own)
    return b"".join((jpeg[:2], *parts, jpeg[segments[-1].end :]))


def rewrite(jpeg: bytes, transform: Callable[[FaceMetadata], FaceMetadata]) -> bytes:
    """`jpeg` with its metadata mapped; opaque extras and the picture stay as they are, byte by byte.

    Raises `BrokenMetadataError` where there is no metadata, and what `parse_metadata` raises.
    """
    metadata = parse_metadata(jpeg)
    if metadata is None:
        raise BrokenMetadataError("the face has no metadata")
    return write_metadata(jpeg, transform(metadata))


def scale_source(metadata: FaceMetadata, factor_x: float, factor_y: float) -> FaceMetadata:
    """The same face, its frame coordinates times the factors.

    For a frame that was scaled on its way in: the factors are original size / prepared size, and the
    result refers to the original frame. `source_rect` and `source_landmarks` are multiplied, the
    linear part of `image_to_face_mat` is divided; the face itself does not change. A rectangle of whole
    pixels, as DeepFaceLab's are, stays one.
    Raises FaceFileError for factors that are not positive and finite.
    """
    if not all(math.isfinite(factor) and factor > 0 for factor in (factor_x, factor_y)):
        raise FaceFileError("the scale of a frame must be a positive number")
    rect, points, matrix = metadata.source_rect, metadata.source_landmarks, metadata.image_to_face_mat
    if rect is not None:
        scaled = tuple(value * factor for value, factor in zip(rect, (factor_x, factor_y) * 2, strict=True))
        whole = all(value.is_integer() for value in rect)
        rect = tuple(float(round(value)) for value in scaled) if whole else scaled
    if points is not None:
        points = tuple((x * factor_x, y * factor_y) for x, y in points)
    if matrix is not None:
        matrix = tuple((row[0] / factor_x, row[1] / factor_y, row[2]) for row in matrix)
    return replace(metadata, source_rect=rect, source_landmarks=points, image_to_face_mat=matrix)
