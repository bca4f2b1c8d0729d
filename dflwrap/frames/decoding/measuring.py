"""Measures one frame. Runs in the decoder child, and is imported there alone: it loads OpenCV."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from dhash import dhash_int

from dflwrap.frames.decoding import heif
from dflwrap.frames.decoding.container import Container, container_of
from dflwrap.frames.decoding.damage import CANNOT_READ, PNG, check, damage_of
from dflwrap.frames.decoding.measures import (
    BLACK_BRIGHTEST,
    BLACK_MEAN,
    BLACK_SHARE,
    GRID,
    HASH_SIDE,
    LONG_SIDE,
    WHITE,
    Measures,
    Pixels,
)
from dflwrap.frames.decoding.sharpness import sharpness
from dflwrap.frames.header import HeaderFacts, header_in
from dflwrap.frames.judgement import Entry, Judgement, judge_header

COLOUR_PIXELS = 32_000_000
"""Up to here a PNG is decoded in colours, which takes three times the memory of grey."""


def measure(name: str, data: bytes, said: Callable[[], str], dark_below: float) -> Measures:
    """Runs in the decoder child. data: the whole file. said: takes what the decoders wrote meanwhile.

    dark_below: brightness of 255, for `Pixels.dark`.
    """
    facts = header_in(io.BytesIO(data))
    judgement = judge_header(name, facts)
    if judgement.entry is Entry.REFUSE and judgement.cause != "image-too-small":
        return _of(facts, judgement)
    image, damage = _decoded(data, facts, said)
    pixels = None if image is None else _pixels(image, dark_below)
    bits, channels = facts.bits or 0, facts.channels or 0
    if image is not None and facts.bits is None:
        bits, channels = image.dtype.itemsize * 8, 1 if image.ndim == 2 else image.shape[2]
    width, height = facts.width or 0, facts.height or 0
    if image is not None and not width:
        height, width = image.shape[:2]
    return _of(
        HeaderFacts(facts.kind, width, height, bits, channels, facts.whole),
        judgement,
        damage,
        container_of(data),
        pixels,
        decoded=image is not None,
    )


def _of(
    facts: HeaderFacts,
    judgement: Judgement,
    damage: str = "",
    container: Container | None = None,
    pixels: Pixels | None = None,
    *,
    decoded: bool = False,
) -> Measures:
    return Measures(
        facts.kind,
        facts.width or 0,
        facts.height or 0,
        facts.bits or 0,
        facts.channels or 0,
        judgement.entry,
        judgement.reason,
        judgement.cause,
        judgement.max_side,
        facts.whole is not False and "ends inside" not in judgement.reason,
        judgement.unread,
        damage,
        decoded,
        container or Container(),
        pixels,
    )


def _decoded(data: bytes, facts: HeaderFacts, said: Callable[[], str]) -> tuple[Any, str]:
    """The picture and what is wrong with its data. A PNG that a decoder takes is whole: all check its sums."""
    last: list[Any] = [None]
    flags = _flags(facts)

    def decode(raw: bytes | bytearray) -> tuple[bool, str]:
        said()
        last[0] = cv2.imdecode(np.frombuffer(raw, np.uint8), flags)
        return last[0] is not None, said()

    if data.startswith(b"\xff\xd8"):
        damage = check(data, decode).damage
        return last[0], damage
    done, words = decode(data)
    if done:
        return last[0], "" if data.startswith(PNG) else damage_of(True, words)
    if data.startswith(PNG):
        return None, check(data, decode).damage or damage_of(False, words)
    image, why = heif.decode(data)
    return image, "" if image is not None else why or damage_of(False, words) or CANNOT_READ


def _flags(facts: HeaderFacts) -> int:
    """Of a large JPEG no more is decoded than is looked at; its data are read to the end all the same."""
    if facts.kind not in ("jpeg", "damaged", "png", "bmp", "gif"):
        return cv2.IMREAD_UNCHANGED
    flags = cv2.IMREAD_GRAYSCALE
    if facts.kind == "png" and (facts.channels or 0) >= 3 and _pixel_count(facts) <= COLOUR_PIXELS:
        flags = cv2.IMREAD_COLOR  # libpng turns colours to grey slower than OpenCV does
    if facts.kind in ("jpeg", "damaged"):
        longest = max(facts.width or 0, facts.height or 0)
        for reduced, factor in (
            (cv2.IMREAD_REDUCED_GRAYSCALE_8, 8),
            (cv2.IMREAD_REDUCED_GRAYSCALE_4, 4),
            (cv2.IMREAD_REDUCED_GRAYSCALE_2, 2),
        ):
            if longest >= factor * LONG_SIDE:
                flags = reduced
                break
    return flags | cv2.IMREAD_IGNORE_ORIENTATION


def _pixel_count(facts: HeaderFacts) -> int:
    return (facts.width or 0) * (facts.height or 0)


def _gray(image: Any) -> Any:
    if image.dtype == np.uint16:
        image = cv2.convertScaleAbs(image, alpha=1 / 257)
    elif image.dtype.kind == "f":
        image = (np.clip(np.nan_to_num(image), 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
    elif image.dtype != np.uint8:
        return None
    if image.ndim == 3 and image.shape[2] >= 3:
        return cv2.cvtColor(np.ascontiguousarray(image[:, :, :3]), cv2.COLOR_BGR2GRAY)
    return np.ascontiguousarray(image[:, :, 0]) if image.ndim == 3 else image


def _pixels(image: Any, dark_below: float) -> Pixels | None:
    gray = _gray(image)
    if gray is None:
        return None
    height, width = gray.shape
    scale = LONG_SIDE / max(gray.shape)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        gray = cv2.resize(gray, size, interpolation=cv2.INTER_AREA)
    mean = cv2.sumElems(gray)[0] / gray.size
    side, coarse = HASH_SIDE + 1, _quarter(gray)
    small = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_AREA)
    grid = cv2.resize(coarse, (GRID, GRID), interpolation=cv2.INTER_AREA)
    return Pixels(
        mean=mean,
        dark=_share_below(gray, dark_below),
        black=mean < BLACK_MEAN and _share_below(gray, BLACK_BRIGHTEST) >= BLACK_SHARE,
        white=_count_from(gray, WHITE) / gray.size,
        sharpness=sharpness(gray),
        across=_across(gray) if height == width else 0.0,
        dhash=dhash_int(small.ravel().tolist(), HASH_SIDE),
        grid=grid.tobytes(),
    )


def _share_below(gray: Any, brightness: float) -> float:
    return float((gray.size - _count_from(gray, brightness)) / gray.size)


def _count_from(gray: Any, brightness: float) -> int:
    """Pixels that are as bright, or brighter. Two such counts take a sixth of a histogram's time."""
    lowest = min(max(math.ceil(brightness), 0), 256)
    return cv2.countNonZero(cv2.threshold(gray, lowest - 1, 1, cv2.THRESH_BINARY)[1])


def _quarter(gray: Any) -> Any:
    """Means of 4x4 pixels, rounded; up to three rows and columns are cut off.

    As `resize` with INTER_AREA, in a third of its time: rows are added, then the four columns in one multiplication.
    """
    height, width = gray.shape[0] // 4, gray.shape[1] // 4
    if min(height, width) < GRID:
        return gray
    gray = gray[: 4 * height, : 4 * width]
    rows = np.add(gray[0::4], gray[1::4], dtype=np.uint16)
    rows += gray[2::4]
    rows += gray[3::4]
    sums = rows.view(np.uint64)
    sums *= np.uint64(0x0001_0001_0001_0001)
    sums >>= np.uint64(48)
    return cv2.convertScaleAbs(sums.astype(np.uint16), alpha=1 / 16)


def _across(gray: Any) -> float:
    if min(gray.shape) < 2:
        return 0.0
    horizontal = cv2.mean(cv2.absdiff(gray[:, 1:], gray[:, :-1]))[0]
    vertical = cv2.mean(cv2.absdiff(gray[1:], gray[:-1]))[0]
    return float(horizontal / vertical) if vertical > 0.05 else 0.0
