"""File names as text for people, and as plain names for an extractor."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata

MAX_STEM_BYTES = 200
"""UTF-8 bytes of a face's stem: file systems take 255 for a name, of which `_<index>.jpg`, a number that
makes it unique, and what later tools append want their part."""

OUR_PREFIX = "dflwrap-"
"""Names that we give to frames in a batch begin like this; a frame whose own name does gets another."""

_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_. ()-]{0,99}")


def is_plain(name: str) -> bool:
    """True when every extractor, code page and command line takes `name` as it is, and no name of ours."""
    if name.endswith((".", " ")) or name.lower().startswith(OUR_PREFIX):
        return False
    return _PLAIN.fullmatch(name) is not None


def is_single_name(name: str, *, windows: bool = os.name == "nt") -> bool:
    """True for a name that stays in its folder: no separator, no drive or stream, not `.` or `..`.

    Not covered: names that a file system refuses. On POSIX a backslash or a colon is a letter.
    """
    if not name or name in (".", "..") or "\0" in name or "/" in name:
        return False
    return not (windows and (set(name) & {"\\", ":"} or not name.strip(". ")))


def is_relative_name(name: str, *, windows: bool = os.name == "nt") -> bool:
    """The same for a name below a folder: its parts are joined with `/` on every system."""
    return all(is_single_name(part, windows=windows) for part in name.split("/"))


def flat(name: str) -> str:
    """A relative name as the name of one file: that of the frame `clipA/00001.png` is `clipA_00001.png`.

    Two relative names may share one: whoever needs them apart makes their stems unique.
    """
    return name.replace("/", "_")


def encode(name: str) -> bytes:
    """`name` as the bytes that the file system holds; `decode` turns them back."""
    return os.fsencode(name)


def decode(raw: bytes) -> str:
    """A file name as Python has it; what is no text becomes surrogates."""
    return os.fsdecode(raw)


def stem_and_suffix(name: str) -> tuple[str, str]:
    """`name` split as DFL does (the last dot); the suffix in lower case, with its dot."""
    before, _, after = name.rpartition(".")
    # Nearly all names; `splitext` takes three times as long.
    if before and before[-1] not in "./\\" and after.isalnum():
        return before, f".{after.lower()}"
    stem, suffix = os.path.splitext(name)  # noqa: PTH122 - a name, not a path
    return stem, suffix.lower()


def case_key(name: str) -> str:
    """Equal for names that are one file on a file system that ignores case or composes accents."""
    if name.isascii():
        return name.lower()
    folded = unicodedata.normalize("NFC", name).casefold()
    return unicodedata.normalize("NFC", folded)  # folding may take a composed letter apart


def face_stem(stem: str) -> str:
    """`stem` as the stem of face files: itself, unless no such file could be written or named in a ledger.

    Bytes that are not valid UTF-8 become `_xNN` (DFL dies of such names), and what is too long for
    `<stem>_<index>.jpg` is cut, with a digest of the whole in its place.
    """
    if stem.isascii() and len(stem) <= MAX_STEM_BYTES:
        return stem
    stem = "".join(f"_x{ord(c) & 0xFF:02x}" if "\ud800" <= c <= "\udfff" else c for c in stem)
    raw = stem.encode()
    if len(raw) <= MAX_STEM_BYTES:
        return stem
    digest = hashlib.sha256(raw).hexdigest()[:8]
    return f"{raw[: MAX_STEM_BYTES - 9].decode(errors='ignore')}~{digest}"
