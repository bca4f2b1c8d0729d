"""What an image file's container says beside the picture: the turn by a tag, several pictures, palette, alpha.

Reads a few fields by their places and never allocates by what the file claims.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from dflwrap.frames.decoding.damage import PNG

_HEAD = 1 << 18
"""Bytes in which tags and chunk marks are looked for; cameras write them first."""
_MOST_TAGS = 200
_MOST_SEGMENTS = 200
_MOST_BLOCKS = 100_000
_ORIENTATION = 274
_TIFF_MAGIC = (b"II*\0", b"MM\0*")


@dataclass(frozen=True, slots=True)
class Container:
    """What a file holds besides one upright picture."""

    orientation: int = 1
    """The tag's value (TIFF 6.0, tag 274): 1 = upright, 2 to 8 = mirrored or turned."""
    pictures: int = 1
    """2 = more than one."""
    palette: bool = False
    alpha: bool = False


def container_of(data: bytes) -> Container:
    """`data`: the whole file. What is not understood counts as ordinary."""
    if data.startswith(b"\xff\xd8"):
        return Container(_orientation(_after(data[: _jpeg_head(data)], b"Exif\0\0")))
    if data.startswith(PNG):
        start = data.find(b"IDAT", 0, _HEAD)  # what is looked for stands before the picture's data
        head = data[: start if start > 0 else _HEAD]
        colour = data[25] if len(data) > 25 else 2
        alpha = colour in (4, 6) or b"tRNS" in head
        return Container(_orientation(_png_exif(head)), 1 + (b"acTL" in head), colour == 3, alpha)
    if data[:4] in _TIFF_MAGIC:
        return Container(_orientation(data), 1 + (_next_ifd(data) != 0))
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        flags = data[20] if data[12:16] == b"VP8X" and len(data) > 20 else 0
        return Container(1, 1 + bool(flags & 2), False, bool(flags & 16))
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return Container(1, 1 + _is_animated_gif(data), True)
    return Container()


def _jpeg_head(data: bytes) -> int:
    """Bytes before the picture's data (ITU-T T.81, annex B); _HEAD where the segments cannot be followed."""
    place = 2
    for _ in range(_MOST_SEGMENTS):
        if place + 4 > len(data) or data[place] != 0xFF:
            return _HEAD
        marker = data[place + 1]
        if marker == 0xDA:
            return place
        place += 1 if marker == 0xFF else 2 + (data[place + 2] << 8 | data[place + 3])
    return _HEAD


def _after(data: bytes, mark: bytes) -> bytes:
    place = data.find(mark, 0, _HEAD)
    return data[place + len(mark) : place + len(mark) + _HEAD] if place >= 0 else b""


def _png_exif(head: bytes) -> bytes:
    return _after(head, b"eXIf")


def _orientation(tiff: bytes) -> int:
    """The orientation in the first directory of TIFF data; 1 where there is none, or nonsense."""
    order = ">" if tiff[:2] == b"MM" else "<"
    try:
        if tiff[:4] not in _TIFF_MAGIC:
            return 1
        start = struct.unpack_from(order + "I", tiff, 4)[0]
        count = struct.unpack_from(order + "H", tiff, start)[0]
        for n in range(min(count, _MOST_TAGS)):
            tag, _, _, value = struct.unpack_from(order + "HHIH", tiff, start + 2 + 12 * n)
            if tag == _ORIENTATION:
                return value if 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1


def _next_ifd(tiff: bytes) -> int:
    """Where the second picture of a TIFF begins; 0 = there is none."""
    order = ">" if tiff[:2] == b"MM" else "<"
    try:
        start = struct.unpack_from(order + "I", tiff, 4)[0]
        count = struct.unpack_from(order + "H", tiff, start)[0]
        return int(struct.unpack_from(order + "I", tiff, start + 2 + 12 * count)[0])
    except struct.error:
        return 0


def _is_animated_gif(data: bytes) -> bool:
    """Walk the blocks to the second image descriptor (GIF89a specification, section 20)."""
    if len(data) < 13:
        return False
    place = 13 + _colours(data[10])
    pictures = 0
    for _ in range(_MOST_BLOCKS):
        if place >= len(data):
            return False
        kind = data[place]
        if kind == 0x21:  # an extension
            place += 2
        elif kind == 0x2C:
            pictures += 1
            if pictures > 1 or place + 10 > len(data):
                return pictures > 1
            place += 10 + _colours(data[place + 9]) + 1
        else:
            return False
        while place < len(data) and data[place]:
            place += data[place] + 1
        place += 1
    return False


def _colours(packed: int) -> int:
    """Bytes of the colour table that a packed field announces."""
    return 3 << ((packed & 7) + 1) if packed & 0x80 else 0
