"""Whether an image file's data are whole: read and decoded in the decoder child, never in dflwrap itself.

A JPEG that lacks data but carries an end mark decodes to a picture with a grey, black or green part, and the decoder
only says so in a warning. What a decoder gives no sign of is not found: an overwritten stretch that still decodes.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

Decode = Callable[[bytes | bytearray], tuple[bool, str]]
"""Decodes a file's bytes: whether a picture came out, and what the decoder said meanwhile."""

_NEXT_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
"""In entropy-coded data FF is followed by 00 or a restart mark; anything else begins a segment (T.81, B.1.1.5)."""
_SEQUENTIAL = frozenset({0xC0, 0xC1})
_WITH_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_MOST_SEGMENTS = 10_000
_PIECE = 1 << 16
"""Bytes that are looked through at once: of a scan that ends soon, not much more."""
_NOTHING_YET = b"\xff" * 64
"""No scan gives as low a bit as that: they have four bits for it."""
_PADDING = 64
"""Zero bytes before the end mark that a camera may have put there; more is data that was wiped."""
_EXTRANEOUS = re.compile(r"(\d{1,10}) extraneous bytes before marker 0xd9")
_HARMLESS = re.compile(
    r"^\[ ?(?:WARN|INFO|DEBUG)|warning|Unknown Adobe color transform|bad ICC marker|unknown JFIF revision"
    r"|Invalid SOS parameters",
    re.I,
)
"""What a decoder says of a picture whose data are whole: odd profiles, unknown tags, unusual parameters."""
_LOG_PREFIX = re.compile(r"^\[ ?[A-Z]+:\d[^\]]{0,40}\] (?:global )?\S{0,80} \w{1,60} ?")
"""OpenCV's own: "[ERROR:0@1.52] global grfmt_tiff.cpp:117 TIFF_Error "."""
MOST_WORDS = 200
PNG = b"\x89PNG\r\n\x1a\n"
LARGEST = 1 << 30
"""Bytes of unpacked PNG data up to which they are looked at here; such frames are decoded on their way in anyhow."""
CANNOT_READ = "the decoder cannot read it"


@dataclass(frozen=True, slots=True)
class Checked:
    """`damage`: what is missing, in the decoder's words; "" where nothing is. `note`: what is odd and harmless."""

    damage: str = ""
    note: str = ""


def check(data: bytes, decode: Decode) -> Checked:
    """Look at a whole file. `decode` may be called several times, or not at all."""
    if data.startswith(b"\xff\xd8"):
        return _jpeg(data, decode)
    if data.startswith(PNG):
        return Checked(_png(data))
    return Checked(damage_of(*decode(data)))


def damage_of(done: bool, said: str) -> str:
    """What is wrong by what a decoder did and said; "" = nothing."""
    if done:
        return damage_in(said)
    lines = [_LOG_PREFIX.sub("", line.strip()) for line in said.splitlines()]
    return damage_in(said) or next((words[:MOST_WORDS] for words in lines if words), CANNOT_READ)


def damage_in(said: str) -> str:
    """The first line of a decoder that tells of damage, without its log prefix; "" if none does."""
    for line in said.splitlines():
        words = _LOG_PREFIX.sub("", line.strip())
        if words and not _HARMLESS.search(line):
            return words[:MOST_WORDS]
    return ""


# -- JPEG ---------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Layout:
    """What a JPEG consists of. Positions are in bytes."""

    frame: int = 0
    """The marker of the frame header (SOFn)."""
    coverage: dict[int, bytearray] = field(default_factory=dict)
    """By component: the lowest bit that the scans so far give of each of the 64 coefficients; see _NOTHING_YET."""
    scans: int = 0
    end: int | None = None
    """Behind the end mark."""
    essential: bytearray = field(default_factory=bytearray)
    """The file without its APPn and COM segments and without bytes that belong to none: a decoder's warnings are
    then about the picture. (libjpeg says only its first one.)"""


def _jpeg(data: bytes, decode: Decode) -> Checked:
    layout = _layout(data)
    done, said = decode(layout.essential)
    damage = damage_in(said)
    if not done and not damage:
        damage = damage_of(*decode(data))
    if damage and _is_padding(damage, data, layout.end):
        return Checked(note="zero bytes stand before its end mark")
    if not damage:
        damage = _missing_scans(layout)
    if damage or layout.end is None or layout.end == len(data):
        return Checked(damage)
    return Checked(note=f"{len(data) - layout.end} bytes stand behind its end mark")


def _layout(data: bytes) -> _Layout:
    layout = _Layout()
    layout.essential += b"\xff\xd8"
    position = 2
    for _ in range(_MOST_SEGMENTS):
        found = _NEXT_MARKER.search(data, _past_stuffing(data, position) if layout.scans else position)
        if found is None:
            break
        start = found.start()
        marker = data[start + 1]
        if layout.scans and start > position:
            layout.essential += memoryview(data)[position:start]  # the data of the scan
        if marker == 0xD9:
            layout.essential += b"\xff\xd9"
            layout.end = start + 2
            return layout
        if marker in (0x01, 0xD8):  # without a length
            position = start + 2
            continue
        if start + 4 > len(data):
            break
        position = start + 2 + (data[start + 2] << 8 | data[start + 3])
        segment = data[start:position]
        if marker in _WITH_FRAME:
            layout.frame = marker
            layout.coverage = {
                segment[10 + 3 * n]: bytearray(_NOTHING_YET) for n in range(_count(segment, 9, 10, 3))
            }
        elif marker == 0xDA:
            segment = _take_scan(layout, segment)
        if not 0xE0 <= marker <= 0xEF and marker != 0xFE:
            layout.essential += segment
    layout.essential += memoryview(data)[position:]
    return layout


def _past_stuffing(data: bytes, position: int) -> int:
    """The first place from `position` on where FF is not followed by 00, or the last byte.

    For the data of a scan: there NumPy takes a quarter of the time that `re` takes to stop at each FF.
    """
    import numpy as np

    last = len(data) - 1
    while position < last:
        piece = np.frombuffer(data, np.uint8, min(_PIECE, len(data) - position), position)
        marks = (piece[:-1] == 0xFF) & (piece[1:] != 0)
        place = int(marks.argmax())
        if marks[place]:
            return position + place
        position += len(marks)
    return position


def _count(segment: bytes, at: int, first: int, size: int) -> int:
    """Entries that a segment says it has, as far as it holds them."""
    return min(segment[at], (len(segment) - first) // size) if len(segment) > at else 0


def _take_scan(layout: _Layout, segment: bytes) -> bytes:
    """Note what the scan gives. Returns its header as a decoder takes it without grumbling."""
    layout.scans += 1
    count = _count(segment, 4, 5, 2)
    tail = 5 + 2 * count
    if len(segment) < tail + 3:
        return segment
    if layout.frame in _SEQUENTIAL:  # some cameras write nonsense here
        segment = segment[:tail] + b"\x00\x3f\x00" + segment[tail + 3 :]
    first, last, low = segment[tail], min(segment[tail + 1], 63), segment[tail + 2] & 15
    for n in range(count):
        known = layout.coverage.get(segment[5 + 2 * n])
        if known is not None and first <= last:
            known[first : last + 1] = bytes([low]) * (last + 1 - first)
    return segment


def _missing_scans(layout: _Layout) -> str:
    """A progressive file may end after any scan: decoders take what is there, silently."""
    if layout.end is None or not layout.scans:
        return ""
    lacking = sum(any(bits) for bits in layout.coverage.values())
    if not lacking:
        return ""
    scans = "its first scan" if layout.scans == 1 else f"its first {layout.scans} scans"
    return f"JPEG data end after {scans}: the rest of the picture's detail is missing"


def _is_padding(damage: str, data: bytes, end: int | None) -> bool:
    found = _EXTRANEOUS.search(damage)
    if found is None or end is None:
        return False
    body = data[max(0, end - 2 - 2 * _PADDING) : end - 2]
    zeros = len(body) - len(body.rstrip(b"\0"))
    return int(found[1]) <= zeros <= _PADDING


# -- PNG ----------------------------------------------------------------------------------------

_ADAM7 = (
    *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)),
    *((0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
)
"""First column and row, and the steps, of the passes of an interlaced PNG (specification, 8.2)."""


def _png(data: bytes) -> str:
    """Checksums of the chunks that make up the picture, and its compressed data to their end, piece by piece."""
    inflate, seen, expected, got = zlib.decompressobj(), False, 0, 0
    for kind, body, crc in _chunks(data):
        name = kind.decode("ascii", "replace")
        if crc is None:
            return f"PNG data end inside the {name} chunk"
        critical = not kind[0] & 0x20
        if critical and zlib.crc32(body, zlib.crc32(kind)) != crc:
            return f"PNG: {name}: CRC error"
        if kind == b"IHDR":
            expected = _raw_size(body)
            if expected > LARGEST:
                return ""
        elif kind == b"IEND":
            return _png_end(inflate, seen, expected, got)
        elif kind == b"IDAT" and not inflate.eof:
            seen = True
            try:
                got += _inflated(inflate, body, expected)
            except zlib.error as error:
                return f"PNG: IDAT: {str(error)[:100]}"
    return "PNG data end without their end chunk"


def _png_end(inflate: zlib._Decompress, seen: bool, expected: int, got: int) -> str:
    if not seen:
        return "PNG: no image data (IDAT) at all"
    if got < expected:
        return "PNG: IDAT: not enough image data"
    return ""


def _inflated(inflate: zlib._Decompress, body: bytes, expected: int) -> int:
    """Bytes that came out; what is more than the picture can hold is not unpacked."""
    total, left = 0, body
    while left and total <= expected + (1 << 16):
        total += len(inflate.decompress(left, 1 << 20))
        left = inflate.unconsumed_tail
    return total


def _raw_size(header: bytes) -> int:
    """Bytes of the unpacked image data; 0 where the header is nonsense."""
    if len(header) < 13:
        return 0
    width, height, bits, colour, _, _, interlaced = struct.unpack_from(">IIBBBBB", header)
    pixel = bits * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(colour, 0)
    total = 0
    for left, top, right, down in _ADAM7 if interlaced else ((0, 0, 1, 1),):
        columns, rows = (width - left + right - 1) // right, (height - top + down - 1) // down
        if columns > 0 and rows > 0:
            total += rows * ((columns * pixel + 7) // 8 + 1)
    return total if pixel else 0


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes, int | None]]:
    """(kind, body, checksum) of each chunk; checksum None where the file ends before it."""
    position = 8
    while position + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        body = data[position + 8 : position + 8 + length]
        at = position + 8 + length
        yield kind, body, struct.unpack_from(">I", data, at)[0] if at + 4 <= len(data) else None
        position = at + 4
