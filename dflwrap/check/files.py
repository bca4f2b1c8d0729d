"""Findings about the files of the frames, one frame at a time."""

from __future__ import annotations

import stat
import sys
from collections import Counter
from typing import Protocol

from dflwrap.check.findings import Findings
from dflwrap.frames.decoding.measures import Measures
from dflwrap.frames.inventory import FrameEntry
from dflwrap.frames.judgement import Entry
from dflwrap.frames.names import stem_and_suffix

_SUFFIXES = {
    "jpeg": frozenset({".jpg", ".jpeg", ".jpe", ".jfif"}),
    "png": frozenset({".png"}),
    "tiff": frozenset({".tif", ".tiff"}),
    "bmp": frozenset({".bmp"}),
    "webp": frozenset({".webp"}),
    "gif": frozenset({".gif"}),
}
"""Endings of the formats that are known by their first bytes."""
_KNOWN = frozenset[str]().union(*_SUFFIXES.values())
_OFFLINE, _RECALL_ON_OPEN, _RECALL_ON_DATA_ACCESS = 0x1000, 0x40000, 0x400000
"""FILE_ATTRIBUTE_* of winnt.h: what cloud providers set on a file whose content is elsewhere."""
_DATALESS = 0x40000000
"""SF_DATALESS of macOS's sys/stat.h."""
ZERO_BYTES = "only zero bytes"


class Stat(Protocol):
    """The one field of `os.stat_result` that is looked at."""

    @property
    def st_mode(self) -> int: ...


def may_be_online_only(platform: str = sys.platform) -> bool:
    """Whether `is_online_only` is worth the asking: on Linux nothing tells."""
    return platform in ("win32", "darwin")


def is_online_only(info: Stat, platform: str = sys.platform) -> bool:
    """Whether reading the file would download it. info: of `os.stat`. See `may_be_online_only`."""
    if not stat.S_ISREG(info.st_mode):
        return False
    if platform == "win32":
        attributes = int(getattr(info, "st_file_attributes", 0))
        return bool(attributes & (_OFFLINE | _RECALL_ON_OPEN | _RECALL_ON_DATA_ACCESS))
    return platform == "darwin" and bool(int(getattr(info, "st_flags", 0)) & _DATALESS)


def find_in_entry(entry: FrameEntry, shown: str, findings: Findings) -> bool:
    """Findings that need no look into the file; True where there is nothing to look into. shown: its name."""
    if entry.problem is not None:
        name = "unreadable" if entry.problem.startswith("cannot be") else "not-a-frame"
        findings.add(name, f"{shown}: {entry.problem}")
        return True
    if entry.size == 0:
        findings.add("zero-bytes", shown)
        return True
    return False


def find_in_file(name: str, shown: str, found: Measures, findings: Findings) -> None:
    """Findings of the group "files". name: the file's; shown: for people."""
    unusable = _why_unusable(found)
    if unusable:
        why = found.damage or found.reason
        findings.add(unusable, f"{shown}: {why}" if why else shown)
        return
    if found.unread:
        findings.add("unreadable", f"{shown}: {found.reason}")
        return
    endings = _SUFFIXES.get(found.kind)
    if endings is not None and stem_and_suffix(name)[1] not in endings:
        findings.add("wrong-suffix", f"{shown}: {_a(found.kind)}")
    elif found.kind == "other" and stem_and_suffix(name)[1] in _KNOWN:
        findings.add("wrong-suffix", f"{shown}: another format, which can be read")
    unusual = _unusual(found)
    if unusual:
        findings.add("unusual-pixels", f"{shown}: {', '.join(unusual)}")
    if found.container.pictures > 1:
        findings.add("animated", shown)
    if found.container.orientation > 1:
        findings.add("turned-by-exif", f"{shown}: {_TURNS[found.container.orientation]}")


def _why_unusable(found: Measures) -> str:
    """The id of what makes a frame useless; "" for none, or where its size is the reason."""
    if found.unread:
        return ""
    if ZERO_BYTES in found.reason:
        return "zero-bytes"
    if found.kind == "text":
        return "not-a-frame"
    if not found.whole:
        return "truncated"
    if found.damage:
        return "damaged-data" if found.decoded or found.kind in ("jpeg", "png", "damaged") else "unreadable"
    if found.entry is Entry.REFUSE:
        return "" if found.cause in ("image-too-small", "huge-image") else "unreadable"
    return "" if found.decoded else "unreadable"


_TURNS = (
    *("", "upright", "mirrored", "upside down", "mirrored, upside down"),
    *("mirrored, on its side", "on its right side", "mirrored, on its side", "on its left side"),
)
"""By the value of the orientation tag."""


def _a(kind: str) -> str:
    return "a JPEG" if kind == "jpeg" else f"a {kind.upper()}"


def _unusual(found: Measures) -> list[str]:
    container, words = found.container, []
    if found.bits >= 32:
        words.append("floating point")
    elif found.bits > 8:
        words.append(f"{found.bits} bits per channel")
    if found.kind == "jpeg" and found.channels == 4:
        words.append("CMYK")
    if container.palette and found.kind != "gif":
        words.append("palette")
    if container.alpha or (found.kind == "tiff" and found.channels == 4):
        words.append("transparency")
    return words


class Sizes:
    """Sizes of the frames of one folder; holds one number per size."""

    MOST = 1000
    """Sizes that are told apart."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[int, int]] = Counter()

    def add(self, found: Measures) -> None:
        size = (found.width, found.height)
        if all(size) and (size in self._counts or len(self._counts) < self.MOST):
            self._counts[size] += 1

    def find(self, findings: Findings, where: str = "") -> None:
        """After the last frame. where: what the examples begin with."""
        if len(self._counts) < 2:
            return
        usual = self._counts.most_common(1)[0][0]
        for (width, height), count in self._counts.most_common():
            if (width, height) != usual:
                findings.add("mixed-sizes", f"{where}{width}x{height}: {count:,}", count=count)
