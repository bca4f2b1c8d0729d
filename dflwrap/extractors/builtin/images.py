"""Reading a frame as DeepFaceLab does: as stored, not turned by EXIF, three channels of eight bits."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from dflwrap.common.retrying import retry_held_open
from dflwrap.extractors.builtin.finding.detector import Frame
from dflwrap.faceset.face_file.errors import TornFaceError
from dflwrap.faceset.face_file.jpeg import IncompleteJpegError, check_image_data, header_segments

_JPEG_FLAGS = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION


class UnreadableFrameError(Exception):
    """The file is no whole image; the text says why."""


def read_frame(path: Path) -> Frame:
    """height x width x 3, BGR, contiguous. Raises `UnreadableFrameError`.

    Grey becomes three channels, alpha is dropped, 16 bits are scaled to 8. A JPEG cut in its data is
    refused: decoders fill the rest with grey, and a face on the edge would be half one.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UnreadableFrameError("not a file")
        data = retry_held_open(path.read_bytes, bound=3.0)
    except OSError as error:
        raise UnreadableFrameError(f"cannot be read ({error.strerror or error})") from error
    if not data:
        raise UnreadableFrameError("the file is empty")
    is_jpeg = data.startswith(b"\xff\xd8")
    if is_jpeg:
        _refuse_cut_jpeg(data)
    try:
        image: Any = cv2.imdecode(
            np.frombuffer(data, np.uint8), _JPEG_FLAGS if is_jpeg else cv2.IMREAD_UNCHANGED
        )
    except cv2.error as error:
        raise UnreadableFrameError(f"cannot be decoded ({str(error).strip().splitlines()[-1]})") from error
    if image is None:
        raise UnreadableFrameError("cannot be decoded as an image")
    return _three_channels(_eight_bits(image))


def _refuse_cut_jpeg(data: bytes) -> None:
    try:
        check_image_data(data, header_segments(data))
    except IncompleteJpegError as error:
        raise UnreadableFrameError(str(error)) from error
    except TornFaceError:
        pass  # Odd, but cameras write such files: the decoder decides.


def _eight_bits(image: Any) -> Any:
    if image.dtype == np.uint8:
        return image
    if image.dtype == np.uint16:
        return cv2.convertScaleAbs(image, alpha=1 / 257)
    if np.issubdtype(image.dtype, np.floating):
        whole = np.nan_to_num(image, nan=0.0, posinf=1.0, neginf=0.0)
        return (np.clip(whole, 0, 1) * 255 + 0.5).astype(np.uint8)
    info = np.iinfo(image.dtype)
    return (np.clip(image, 0, None).astype(np.float64) * (255 / info.max) + 0.5).astype(np.uint8)


def _three_channels(image: Any) -> Frame:
    if image.ndim == 2:
        image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    elif image.shape[2] < 3:  # grey with alpha
        image = cv2.cvtColor(np.ascontiguousarray(image[:, :, 0]), cv2.COLOR_GRAY2BGR)
    elif image.shape[2] > 3:
        image = np.ascontiguousarray(image[:, :, :3])
    return np.asarray(image, np.uint8)
