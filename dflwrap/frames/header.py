"""What the first and last bytes of an image file say, without decoding it.

Cheap (two small reads) and safe on hostile files: nothing is allocated by what the file claims.
It covers what kills or fools an extractor silently: size, bit depth, CMYK, and a file cut short.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_HEAD = 4096
_TAIL = 4096
"""Bytes read at both ends; only a file with something behind the end of its image takes more."""
_BUFFER = 1024
"""Bytes read at each place of a JPEG's header that lies elsewhere."""
_FAR_TAIL = 64 * 1024
_MAX_SEGMENTS = 512


@dataclass(frozen=True, slots=True)
class HeaderFacts:
    """Facts of one image file; None where this reader does not know."""

    kind: str
    """jpeg, png, tiff, bmp, webp, gif, other, text / empty for what is no image, or damaged for a JPEG
    whose header only a decoder can judge."""
    width: int | None = None
    height: int | None = None
    bits: int | None = None
    """Bits per channel."""
    channels: int | None = None
    whole: bool | None = None
    """False: the end of the image data is missing."""
    problem: str | None = None
    """A fault in the header itself."""


def read_header(path: Path) -> HeaderFacts:
    """Facts of the file at `path`. Raises OSError when it cannot be opened or read."""
    with path.open("rb", buffering=_BUFFER) as file:
        return header_in(file)


def header_in(file: BinaryIO) -> HeaderFacts:
    """Facts of a file that is open at its start, or of its bytes in an `io.BytesIO`. Raises OSError."""
    head = file.read(_HEAD)
    if not head:
        return HeaderFacts("empty", problem="the file is empty (0 bytes)")
    if head.startswith(b"\xff\xd8"):
        return _jpeg(file, head)
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return _png(file, head)
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return HeaderFacts("tiff")
    if head.startswith(b"BM"):
        return HeaderFacts("bmp")
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return HeaderFacts("webp")
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return HeaderFacts("gif")
    if not head.strip(b"\0"):
        return HeaderFacts("other", problem="the file holds only zero bytes")
    if head.startswith(b"version https://git-lfs"):
        return HeaderFacts("text", problem="a git-LFS pointer, not an image")
    if _is_text(head):
        return HeaderFacts("text", problem="the file is text, not an image")
    return HeaderFacts("other")


def _is_text(head: bytes) -> bool:
    try:
        head[:1024].decode("ascii")
    except UnicodeDecodeError:
        return False
    return not any(byte < 9 for byte in head[:1024])


def _at(file: BinaryIO, head: bytes, position: int, count: int) -> bytes:
    """`count` bytes from `position` on, or what there is of them; head: the first ones, which are read already."""
    if position + count <= len(head):
        return head[position : position + count]
    file.seek(position)
    return file.read(count)


def _jpeg(file: BinaryIO, head: bytes) -> HeaderFacts:
    """Walk the marker segments to the start of scan (ITU-T T.81, annex B)."""
    position = 2
    width = height = bits = channels = None
    for _ in range(_MAX_SEGMENTS):
        marker = _at(file, head, position, 4)
        if len(marker) < 4:
            return HeaderFacts(
                "jpeg", width, height, bits, channels, False, "the file ends inside its header"
            )
        if marker[0] != 0xFF:
            return HeaderFacts("damaged", width, height, bits, channels)
        if marker[1] == 0xFF:  # fill byte
            position += 1
            continue
        if marker[1] == 0x01 or 0xD0 <= marker[1] <= 0xD8:  # markers without a length
            position += 2
            continue
        length = marker[2] << 8 | marker[3]
        if 0xC0 <= marker[1] <= 0xCF and marker[1] not in (0xC4, 0xC8, 0xCC):
            frame = _at(file, head, position + 4, 6)
            if len(frame) == 6:
                bits, height, width, channels = struct.unpack(">BHHB", frame)
        if marker[1] == 0xDA:
            whole = _holds(file, b"\xff\xd9", position + 2 + length)
            problem = None if width and height else "its header names no size"
            return HeaderFacts("jpeg", width, height, bits, channels, whole, problem)
        position += 2 + length
    return HeaderFacts("damaged", width, height, bits, channels)


def _holds(file: BinaryIO, mark: bytes, data_start: int) -> bool:
    """True when the mark that ends an image stands behind `data_start`; some tools add bytes after it.

    JPEG: inside entropy-coded data FF is always followed by 00 or a restart marker, so FF D9 after the
    first scan ends the image. PNG: the mark is a whole chunk with its checksum.
    """
    end = file.seek(0, 2)
    for tail in (_TAIL, _FAR_TAIL):
        file.seek(max(data_start, end - tail))
        if mark in file.read(tail):
            return True
    position, carry = data_start, b""
    while position < end:
        file.seek(position)
        chunk = carry + file.read(1 << 20)
        if mark in chunk:
            return True
        carry = chunk[1 - len(mark) :]
        position += 1 << 20
    return False


def _png(file: BinaryIO, head: bytes) -> HeaderFacts:
    if len(head) < 29 or head[12:16] != b"IHDR":
        return HeaderFacts("png", whole=False, problem="the file ends inside its header")
    width, height, bits, colour = struct.unpack(">IIBB", head[16:26])
    channels = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}.get(colour)
    whole = _holds(file, b"IEND\xaeB`\x82", 33)
    problem = None if width and height else "its header names no size"
    return HeaderFacts("png", width, height, bits, channels, whole, problem)
