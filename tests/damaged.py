"""Pictures with data missing that decode all the same, and what decoders say of them."""

from __future__ import annotations

import io
import struct
from pathlib import Path

from PIL import Image

END = b"\xff\xd9"


def encoded(picture: Path, kind: str, **options: object) -> bytes:
    """The picture as a file of another kind."""
    buffer = io.BytesIO()
    with Image.open(picture) as image:
        image.convert("RGB").save(buffer, kind, **options)  # type: ignore[arg-type]
    return buffer.getvalue()


def cut(jpeg: bytes, share: float = 0.5) -> bytes:
    """Its data end early, with an end mark."""
    return jpeg[: int(len(jpeg) * share)] + END


def zeroed(jpeg: bytes) -> bytes:
    """The second half is zero, with an end mark."""
    half = len(jpeg) // 2
    return jpeg[:half] + bytes(len(jpeg) - half - 2) + END


def first_scans(progressive: bytes, count: int) -> bytes:
    """Only the first scans of a progressive JPEG."""
    position = 0
    for _ in range(count + 1):
        position = progressive.index(b"\xff\xda", position + 1)
    return progressive[: progressive.rindex(b"\xff\xc4", 0, position)] + END


def with_a_hole(data: bytes, size: int = 3000) -> bytes:
    half = len(data) // 2
    return data[:half] + data[half + size :]


def chunks(png: bytes) -> list[bytes]:
    found, position = [], 8
    while position < len(png):
        length = struct.unpack_from(">I", png, position)[0]
        found.append(png[position : position + 12 + length])
        position += 12 + length
    return found


def without_data(png: bytes, which: slice) -> bytes:
    """Some of the chunks of image data are missing."""
    found = chunks(png)
    places = [place for place, chunk in enumerate(found) if chunk[4:8] == b"IDAT"]
    gone = set(places[which])
    return png[:8] + b"".join(chunk for place, chunk in enumerate(found) if place not in gone)


def flipped(data: bytes) -> bytes:
    """One byte in the middle is another one."""
    half = len(data) // 2
    return data[:half] + bytes([data[half] ^ 0xFF]) + data[half + 1 :]
