"""What a file is, by its first bytes: a text that may be a log, or something that cannot be one."""

from __future__ import annotations

import codecs

SNIFFED = 4096
"""Bytes that decide."""
_PICTURES = (
    b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"BM", b"II*\0", b"MM\0*", b"\0\0\1\0", b"8BPS",
)  # fmt: skip
_PROGRAMS = (b"\x7fELF", b"MZ", b"\xfe\xed\xfa", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")
_MODELS = (b"\x93NUMPY", b"\x89HDF\r\n\x1a\n", b"\x80\x02", b"\x80\x03", b"\x80\x04")
_PACKED = (b"7z\xbc\xaf\x27\x1c", b"Rar!", b"\xfd7zXZ", b"BZh", b"\x28\xb5\x2f\xfd", b"MSCF")
_DOCUMENTS = (b"%PDF", b"\xd0\xcf\x11\xe0", b"{\\rtf")
_TEXT_CONTROLS = frozenset(b"\t\n\r\x08\x0c\x1b\0")


def not_a_log(head: bytes) -> str | None:
    """Why a file that starts with `head` is no log ("a picture: send the text instead"), or None.

    NUL bytes alone are no sign: UTF-16 has them, and a power cut leaves them.
    """
    head = head[:SNIFFED]
    if not head:
        return "empty: nothing was written to it"
    if _starts(head, _PICTURES) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        return "a picture: copy the text out of the window and give that"
    if head[4:8] == b"ftyp" or head[:4] == b"\x1aE\xdf\xa3" or head[:4] == b"RIFF":
        return "a video or sound file, not a log"
    if _starts(head, _PROGRAMS) and b"\0" in head:
        return "a program or library, not a log"
    if _starts(head, _MODELS) and b"\0" in head:
        return "a data file of a model, not a log"
    if _starts(head, _PACKED):
        return (
            "a packed archive of a kind that dflwrap does not open: unpack it first (.gz and .zip are opened)"
        )
    if _starts(head, _DOCUMENTS):
        return "a document: save the text as a .txt file and give that"
    if head[:16] == b"SQLite format 3\0":
        return "a database, not a log (give the run folder that holds it)"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return None
    controls = sum(1 for byte in head if byte < 32 and byte not in _TEXT_CONTROLS)
    high = sum(1 for byte in head if byte >= 128)
    if controls > len(head) // 20 and high > len(head) // 20:
        return "a file of binary data, not a text"
    return None


def _starts(head: bytes, signs: tuple[bytes, ...]) -> bool:
    return head.startswith(signs) and not (head[:2] in (b"BM", b"MZ") and _is_text(head))


def _is_text(head: bytes) -> bool:
    """Two letters also begin words; a picture or program has other bytes right after them."""
    return all(byte >= 32 or byte in b"\t\n\r" for byte in head[:200])
