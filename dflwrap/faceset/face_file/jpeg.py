"""The segments of a JPEG file, found without decoding it (ITU-T T.81, annex B)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dflwrap.faceset.face_file.errors import TornFaceError

SOI, EOI, SOS, TEM = 0xD8, 0xD9, 0xDA, 0x01
APP0, APP15 = 0xE0, 0xEF
MAX_SEGMENT_PAYLOAD = 65_533
"""Bytes: the two-byte length of a segment counts itself."""

_SOF_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]", re.DOTALL)


class IncompleteJpegError(TornFaceError):
    """The bytes end before what was looked for: read more of the file, or it is torn."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One marker segment: `data[start:end]` is all of it, `data[start + 4:end]` its payload."""

    marker: int
    start: int
    end: int

    def payload(self, data: bytes) -> bytes:
        return data[self.start + 4 : self.end]


def header_segments(data: bytes) -> tuple[Segment, ...]:
    """The segments from after SOI up to and including the first SOS header.

    Raises `TornFaceError` for what is no JPEG, `IncompleteJpegError` where the bytes end too early.
    """
    if not data:
        raise IncompleteJpegError("the file is empty")
    if not data.startswith(b"\xff\xd8"):
        raise TornFaceError("the file is not a JPEG: it does not begin with FF D8")
    segments = []
    position = 2
    while True:
        segment = _segment_at(data, position)
        segments.append(segment)
        if segment.marker == SOS:
            return tuple(segments)
        position = segment.end


def _segment_at(data: bytes, position: int) -> Segment:
    if position + 4 > len(data):
        raise IncompleteJpegError(f"the JPEG ends inside its header, at byte {len(data)}")
    if data[position] != 0xFF:
        raise TornFaceError(f"the JPEG header is damaged at byte {position}")
    marker = data[position + 1]
    if marker in (SOI, EOI, TEM, 0x00, 0xFF) or 0xD0 <= marker <= 0xD7:
        raise TornFaceError(f"the JPEG header holds the misplaced marker FF {marker:02X} at byte {position}")
    length = int.from_bytes(data[position + 2 : position + 4], "big")
    if length < 2:
        raise TornFaceError(f"the JPEG header is damaged at byte {position}")
    end = position + 2 + length
    if end > len(data):
        raise IncompleteJpegError(f"the JPEG ends inside its header, at byte {len(data)}")
    return Segment(marker, position, end)


def image_size(data: bytes, segments: tuple[Segment, ...]) -> tuple[int, int]:
    """(width, height) in pixels from the frame header (SOF). Raises TornFaceError."""
    for segment in segments:
        if segment.marker in _SOF_MARKERS:
            payload = segment.payload(data)
            if len(payload) >= 6:
                return int.from_bytes(payload[3:5], "big"), int.from_bytes(payload[1:3], "big")
    raise TornFaceError("the JPEG says no image size")


def check_image_data(data: bytes, segments: tuple[Segment, ...]) -> None:
    """Check that the image data runs from the first SOS to an EOI that is the end of the file.

    Marker by marker, so that an FF D9 inside a table between two scans is not taken for the end.
    What this does not prove: that the compressed data in between decodes to the picture meant.

    Raises TornFaceError or IncompleteJpegError.
    """
    position = segments[-1].end
    while True:
        found = _NEXT_MARKER.search(data, position)
        if found is None:
            raise IncompleteJpegError("the JPEG is cut short: its end marker FF D9 is missing")
        if data[found.start() + 1] == EOI:
            break
        position = _segment_at(data, found.start()).end
    if found.start() == segments[-1].end:
        raise TornFaceError("the JPEG holds no image data")
    if found.end() != len(data):
        raise TornFaceError(f"{len(data) - found.end()} bytes of something else follow the end of the JPEG")
