"""Would a face run code when DeepFaceLab opens it? Asked of whole files, as DeepFaceLab's own reader takes them.

It loads the pickle of every APP15 segment that it comes to, and its walk over the segments is not that of
other readers: it reads on after the end of the picture, and takes a restart interval (DRI) for two bytes long.
So what it comes to is looked for in its way; a face that is clean to others may not be to it.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Iterator

from dflwrap.faceset.face_file.errors import BrokenMetadataError, HostileMetadataError
from dflwrap.faceset.face_file.jpeg import APP15, SOS
from dflwrap.faceset.face_file.pickle_data import ALLOWED_GLOBALS, load_data

MOST_SEGMENTS = 10_000
"""A picture has some ten; a walk over a file made of nothing else would take minutes."""

_DRI = 0xDD
_PLAIN_OPCODES = frozenset(
    {
        "BINFLOAT",
        "BINPUT",
        "LONG_BINPUT",
        "MEMOIZE",
        "BINGET",
        "LONG_BINGET",
        "MARK",
        "POP",
        "STOP",
        "PROTO",
        "FRAME",
    }
    | {"EMPTY_LIST", "APPEND", "APPENDS", "EMPTY_DICT", "SETITEM", "SETITEMS", "TUPLE", "TUPLE1", "TUPLE2"}
    | {
        "TUPLE3",
        "EMPTY_TUPLE",
        "NONE",
        "NEWTRUE",
        "NEWFALSE",
        "BININT",
        "BININT1",
        "BININT2",
        "LONG1",
        "LONG4",
    }
    | {
        "BINUNICODE",
        "SHORT_BINUNICODE",
        "BINUNICODE8",
        "BINBYTES",
        "SHORT_BINBYTES",
        "BINBYTES8",
        "BYTEARRAY8",
    }
    | {"BINSTRING", "SHORT_BINSTRING", "GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD"}
)
"""What the pickles of DeepFaceLab's files are made of (as `pickle_data` reads them)."""
_CODES = {opcode.code: opcode.name for opcode in pickletools.opcodes}


def check_harmless(data: bytes, read: bytes | None = None) -> None:
    """Raises `HostileMetadataError` for a file that would run code, or eat memory, in DeepFaceLab.

    read: the pickle that was read from it already.
    """
    for payload in payloads(data):
        if payload == read:
            continue
        try:
            load_data(payload)
        except BrokenMetadataError as error:
            # DeepFaceLab's reader may read on where ours does not.
            if _calls_strangers(payload):
                raise HostileMetadataError(
                    "the face metadata is damaged, and would call strange functions when DeepFaceLab loads it"
                ) from error


def payloads(data: bytes) -> Iterator[bytes]:
    """What DeepFaceLab hands to `pickle.loads`, or would if the rest of the file pleased it.

    Raises HostileMetadataError for a file with too many.
    """
    position = 0
    for _ in range(MOST_SEGMENTS):
        if position + 2 > len(data) or data[position] != 0xFF:
            return
        marker = data[position + 1]
        position += 2
        if 0xD0 <= marker <= 0xD9:  # markers without a segment
            continue
        if marker == _DRI:
            length = 2
        else:
            length = int.from_bytes(data[position : position + 2], "big") - 2
            position += 2
        if length > 0:
            if marker == APP15:
                yield data[position : position + length]
            position += length
        if marker == SOS:
            end = data.find(b"\xff\xd9", position)
            position = len(data) if end < 0 else end
    raise HostileMetadataError("the file holds more segments than any picture")


def _calls_strangers(payload: bytes) -> bool:
    """True where the pickle, read on to its end whatever it does, names a function that is not allowed."""
    stream = io.BytesIO(payload)
    pushed: list[object] = []  # by the last two opcodes; None for everything but a constant
    memo: dict[object, object] = {}
    end = 0
    try:
        for opcode, argument, _ in pickletools.genops(stream):
            end = stream.tell()
            if opcode.name not in _PLAIN_OPCODES:
                return True
            if opcode.name == "GLOBAL" and tuple(str(argument).split(" ", 1)) not in ALLOWED_GLOBALS:
                return True
            if opcode.name == "STACK_GLOBAL" and tuple(pushed[-2:]) not in ALLOWED_GLOBALS:
                return True
            if opcode.name in ("MEMOIZE", "BINPUT", "LONG_BINPUT"):
                memo[len(memo) if argument is None else argument] = pushed[-1] if pushed else None
            else:
                known = memo.get(argument) if opcode.name in ("BINGET", "LONG_BINGET") else argument
                pushed = [*pushed[-1:], known]
    except Exception:
        # pickletools raises errors of many kinds. Where it stops at an opcode that has only one reading, so does
        # pickle; where it has several (numbers written as text), pickle may read on.
        following = payload[end : end + 1].decode("latin-1")
        return bool(following) and _CODES.get(following, "") not in {"", *_PLAIN_OPCODES}
    return False
