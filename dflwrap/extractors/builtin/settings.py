"""What the host tells a worker, and what a worker tells the host: plain data that pickles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

PARTIAL_PREFIX = ".part-"
"""A file being written; the worker's process id follows."""

Warp = Literal["lanczos", "cubic"]
WARPS = get_args(Warp)
"""The default first."""

MIN_RECT_SIDE = 40
"""Pixels; smaller faces are dropped, as DeepFaceLab drops them."""
SMALLEST_FACE = 0.0185
"""In shorter sides of the frame: where this is more than `MIN_RECT_SIDE` (from 2160 pixels on), what is smaller may be
missed. It bounds the looks at one frame: 60 tiles of 16:9."""


def smallest_face(width: int, height: int) -> float:
    """Pixels: the side of the smallest face that is looked for in such a frame."""
    return max(MIN_RECT_SIDE, SMALLEST_FACE * min(width, height))


FailureKind = Literal["exception", "unreadable", "worker_lost"]


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """All a worker needs to know, once."""

    input_dir: str
    output_dir: str
    debug_dir: str | None
    face_type: str
    image_size: int
    jpeg_quality: int
    max_faces: int
    threads: int
    """Of TensorFlow and OpenCV; 0 = their default."""
    warp: Warp = "lanczos"


@dataclass(frozen=True, slots=True)
class Ready:
    """The worker has its models loaded."""


@dataclass(frozen=True, slots=True)
class StartFailed:
    """The worker cannot work at all."""

    error: str
    traceback: str


@dataclass(frozen=True, slots=True)
class FrameDone:
    """A frame that was looked at; `seconds` for all of its work, rectangles in pixels of the frame."""

    frame: str
    faces: tuple[str, ...]
    rects: tuple[tuple[int, int, int, int], ...]
    seconds: float
    looked: bool


@dataclass(frozen=True, slots=True)
class FrameFailed:
    """A frame that was not, and why."""

    frame: str
    error: str
    traceback: str
    kind: FailureKind


Message = Ready | StartFailed | FrameDone | FrameFailed
