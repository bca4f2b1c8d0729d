"""Writing pickle opcodes by hand, so that what is written never depends on this Python or this numpy.

numpy >= 2 names its functions by `numpy._core` in a pickle, which DeepFaceLab's numpy 1.19 does not have;
`numpy.core.multiarray._reconstruct` is loaded by both. No opcode here uses the memo, so the result can be
put into any pickle of protocol 3 or later.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from dflwrap.faceset.face_file.pickle_data import load_data

_EMPTY_ARRAY = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R"
"""What numpy 1.19 itself writes for an array before its state is set."""

_POINT = struct.Struct(">3sdcdc")
"""A list of two floats."""


def value_opcodes(value: Any) -> bytes:
    """Opcodes that push a string, a float, or a list of such."""
    if isinstance(value, str):
        raw = value.encode("utf-8", "surrogatepass")
        return b"X" + len(raw).to_bytes(4, "little") + raw
    if isinstance(value, float):
        return b"G" + struct.pack(">d", value)
    if len(value) == 2 and type(value[0]) is type(value[1]) is float:
        return _POINT.pack(b"](G", value[0], b"G", value[1], b"e")  # a face has 272 numbers in such pairs
    return b"](" + b"".join(map(value_opcodes, value)) + b"e"


def array_opcodes(values: Sequence[Any]) -> bytes:
    """Opcodes that push a numpy array of one or two dimensions, 64 bits an element.

    Whole numbers become integers, as DeepFaceLab's detector rectangle is: its debug pictures need them so.
    """
    rows = len(values)
    nested = rows > 0 and not isinstance(values[0], int | float)
    flat = [float(item) for row in values for item in row] if nested else [float(item) for item in values]
    shape = _int(rows) + _int(len(values[0])) + b"\x86" if nested else _int(rows) + b"\x85"
    whole = all(item.is_integer() and abs(item) < 2**53 for item in flat) and not nested
    code = b"i8" if whole else b"f8"
    raw = struct.pack(f"<{len(flat)}{'q' if whole else 'd'}", *(map(int, flat) if whole else flat))
    dtype = b"cnumpy\ndtype\nX\x02\x00\x00\x00" + code + b"K\x00K\x01\x87R(K\x03X\x01\x00\x00\x00<NNN"
    dtype += 2 * b"J\xff\xff\xff\xff" + b"K\x00tb"
    data = b"B" + len(raw).to_bytes(4, "little") + raw
    return _EMPTY_ARRAY + b"(K\x01" + shape + dtype + b"\x89" + data + b"tb"


def _int(value: int) -> bytes:
    return b"J" + value.to_bytes(4, "little")


def with_items(payload: bytes, items: Mapping[str, bytes]) -> bytes:
    """The pickled dictionary `payload` with `items` (opcodes by key) set again at its end, all else as it is."""
    if not items:
        return payload
    _, stop = load_data(payload)
    body = payload[:stop]
    if payload[1] >= 4:
        body = _without_frames(body)
    return body + b"".join(value_opcodes(key) + value + b"s" for key, value in items.items()) + b"."


def _without_frames(body: bytes) -> bytes:
    """`body` less its FRAME opcodes, whose lengths would no longer fit (framing is optional)."""
    import pickletools  # only for facesets written by Python >= 3.8

    frames = [
        position
        for opcode, _, position in pickletools.genops(body + pickle.STOP)
        if opcode.name == "FRAME" and position is not None
    ]
    for position in reversed(frames):
        body = body[:position] + body[position + 9 :]
    return body
