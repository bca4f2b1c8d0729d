"""What real folders hold besides good frames."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image as PilImage

from dflwrap.samples.photos import Image


def encoded(image: Image, suffix: str, *parameters: int) -> bytes:
    """`image` as a file of this type in memory (OpenCV on Windows opens no non-ASCII path).

    Raises ValueError.
    """
    ok, buffer = cv2.imencode(suffix, image, list(parameters))
    if not ok:
        raise ValueError(f"cannot encode {suffix}")
    return buffer.tobytes()


def _cmyk(image: Image) -> bytes:
    buffer = io.BytesIO()
    rgb = PilImage.fromarray(np.ascontiguousarray(image[:, :, ::-1]))
    rgb.convert("CMYK").save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def _sixteen_bit(image: Image) -> bytes:
    ok, buffer = cv2.imencode(".png", image.astype(np.uint16) * 257)
    if not ok:
        raise ValueError("cannot encode a 16-bit PNG")
    return buffer.tobytes()


def _rgba(image: Image) -> bytes:
    alpha = np.full((*image.shape[:2], 1), 200, np.uint8)
    return encoded(np.concatenate((image, alpha), axis=2), ".png", cv2.IMWRITE_PNG_COMPRESSION, 1)


def _truncated(image: Image) -> bytes:
    whole = encoded(image, ".jpg")
    return whole[: len(whole) * 2 // 5]


def _thumbnail(image: Image) -> bytes:
    return encoded(np.asarray(cv2.resize(image, (100, 100), interpolation=cv2.INTER_AREA), np.uint8), ".png")


@dataclass(frozen=True, slots=True)
class UglyFile:
    """A file (name relative to the folder), what is wrong with it, and its bytes made of a good frame."""

    name: str
    wrong: str
    content: Callable[[Image], bytes]


def _jpeg(image: Image) -> bytes:
    return encoded(image, ".jpg")


def _png(image: Image) -> bytes:
    return encoded(image, ".png", cv2.IMWRITE_PNG_COMPRESSION, 1)


UGLY_FILES = (
    UglyFile("truncated.jpg", "a JPEG cut in its data", _truncated),
    UglyFile("zero_bytes.jpg", "a file of zero bytes", lambda _: b""),
    UglyFile("text.png", "a text named .png", lambda _: b"This is no picture.\n"),
    UglyFile("black.png", "a black frame", lambda image: _png(np.zeros_like(image))),
    UglyFile("small_100x100.png", "a frame of 100x100 pixels", _thumbnail),
    UglyFile("tiny_1x1.png", "a frame of one pixel", lambda image: _png(image[:1, :1])),
    UglyFile("sixteen_bit.png", "a 16-bit PNG", _sixteen_bit),
    UglyFile("gray.png", "a grayscale frame", lambda image: _png(np.asarray(image[:, :, 1]))),
    UglyFile("alpha.png", "a frame with an alpha channel", _rgba),
    UglyFile("cmyk.jpg", "a CMYK JPEG", _cmyk),
    UglyFile("modern.webp", "a .webp", lambda image: encoded(image, ".webp", cv2.IMWRITE_WEBP_QUALITY, 90)),
    UglyFile("bitmap.bmp", "a .bmp", lambda image: encoded(image, ".bmp")),
    UglyFile("UPPER.JPG", "a suffix in upper case", _jpeg),
    UglyFile("with some spaces.jpg", "spaces in the name", _jpeg),
    UglyFile("Zoë_Größe_写真.jpg", "non-ASCII letters in the name", _jpeg),
    UglyFile("several_under_scores_01.jpg", "several underscores in the name", _jpeg),
    UglyFile("twin.png", "the same stem as twin.jpg", _png),
    UglyFile("twin.jpg", "the same stem as twin.png", _jpeg),
    UglyFile("folder/inside_1.jpg", "an image in a sub-folder", _jpeg),
    UglyFile("folder/inside_2.jpg", "an image in a sub-folder", _jpeg),
)
UGLY_FOLDER = ("folder_named.jpg", "a folder with the name of an image")
UGLY_LINKS = (
    ("link.jpg", "a symbolic link to an image of the folder", "twin.jpg"),
    ("broken_link.jpg", "a symbolic link to a file that does not exist", "not_there.jpg"),
)


def make_link(path: Path, target: str) -> str | None:
    """Make a symbolic link; the reason where this platform or user cannot."""
    if path.is_symlink():
        return None
    try:
        path.symlink_to(target)
    except (OSError, NotImplementedError) as error:
        return f"no symbolic links here ({getattr(error, 'strerror', None) or error})"
    return None
