"""Reading the pickle in a face image as data: nothing that the file names is ever called.

A pickle is a program. `pickle.loads` runs it; this reader interprets only the opcodes that DeepFaceLab's
own files hold, and knows the handful of globals numpy needs as plain stand-ins (`Array`). Everything
else is reported as hostile. Memory is bounded by the payload (one JPEG segment): nothing is copied,
no buffer is made larger than the bytes that fill it, and the memo is a dictionary.

Covers protocols 2 to 5 as CPython 3.6 to 3.14 and numpy 1.x and 2.x write them. Does not cover
protocols 0 and 1, which nothing in this field writes.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dflwrap.faceset.face_file.errors import BrokenMetadataError, HostileMetadataError

MAX_PAYLOAD = 65_533
"""Bytes: what one JPEG segment can hold."""

ALLOWED_GLOBALS = {
    **{
        (f"numpy{core}.{module}", name): name
        for core in (".core", "._core")
        for module, name in (
            ("multiarray", "_reconstruct"),
            ("multiarray", "scalar"),
            ("numeric", "_frombuffer"),
        )
    },
    ("numpy", "ndarray"): "ndarray",
    ("numpy", "dtype"): "dtype",
    ("collections", "OrderedDict"): "OrderedDict",
    ("_codecs", "encode"): "encode",
    ("builtins", "bytes"): "bytes",
    ("__builtin__", "bytes"): "bytes",
    ("builtins", "bytearray"): "bytes",
    ("__builtin__", "bytearray"): "bytes",
}
_STRUCT_CODES = {
    "b1": "?", "i1": "b", "u1": "B", "i2": "h", "u2": "H", "i4": "i", "u4": "I",
    "i8": "q", "u8": "Q", "f2": "e", "f4": "f", "f8": "d",
}  # fmt: skip


@dataclass(slots=True)
class DType:
    """A numpy dtype by its code ("f8") and byte order ("<", ">" or "|")."""

    code: str
    order: str = "<"


@dataclass(slots=True)
class Array:
    """A numpy array as its parts; `values` makes plain nested lists of it."""

    shape: tuple[int, ...] = ()
    dtype: DType | None = None
    fortran: bool = False
    raw: Any = b""

    def values(self) -> Any:
        """Nested lists of numbers. `BrokenMetadataError` for object arrays and sizes that do not fit.

        Raises BrokenMetadataError.
        """
        code = _STRUCT_CODES.get(self.dtype.code) if self.dtype is not None else None
        if self.dtype is None or code is None or not isinstance(self.raw, bytes):
            raise BrokenMetadataError("the face metadata holds an array of an unknown kind")
        count = math.prod(self.shape)
        order = ">" if self.dtype.order == ">" else "<"
        if any(side < 0 for side in self.shape) or len(self.raw) != count * struct.calcsize(order + code):
            raise BrokenMetadataError("the face metadata holds an array whose size does not fit its data")
        flat = list(struct.unpack(f"{order}{count}{code}", self.raw))
        if self.fortran and len(self.shape) == 2:
            rows, columns = self.shape
            return [[flat[column * rows + row] for column in range(columns)] for row in range(rows)]
        if self.fortran and len(self.shape) > 2:
            raise BrokenMetadataError("the face metadata holds an array of an unknown layout")
        return _nested(flat, self.shape)


def _nested(flat: list[Any], shape: Sequence[int]) -> Any:
    if not shape:
        return flat[0]
    for side in reversed(shape[1:]):
        flat = [flat[i : i + side] for i in range(0, len(flat), side)] if side else []
    return flat


@dataclass(frozen=True, slots=True)
class _Global:
    name: str


def load_data(payload: bytes) -> tuple[Any, int]:
    """The value the pickle describes, and the position of its STOP opcode.

    Raises `HostileMetadataError` for a global or an opcode that DeepFaceLab's files do not hold,
    `BrokenMetadataError` for a pickle that is cut or nonsense.
    """
    if len(payload) > MAX_PAYLOAD:
        raise HostileMetadataError("the face metadata is larger than a JPEG segment can be")
    reader = _Reader(payload)
    try:
        return reader.run()
    except (IndexError, struct.error, UnicodeDecodeError, UnicodeEncodeError, KeyError, TypeError) as error:
        raise BrokenMetadataError("the face metadata is cut short or damaged") from error


class _Reader:
    def __init__(self, payload: bytes) -> None:
        self._payload = payload
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def run(self) -> tuple[Any, int]:
        data, stack, marks, memo = self._payload, self._stack, self._marks, self._memo
        position = 0
        unpack_float = struct.Struct(">d").unpack_from
        while True:
            opcode = data[position]
            position += 1
            # The first four make up nearly all of a face's metadata: they come first for speed.
            if opcode == 0x47:  # BINFLOAT
                stack.append(unpack_float(data, position)[0])
                position += 8
            elif opcode == 0x71:  # BINPUT
                memo[data[position]] = stack[-1]
                position += 1
            elif opcode == 0x94:  # MEMOIZE
                memo[len(memo)] = stack[-1]
            elif opcode == 0x28:  # MARK
                marks.append(len(stack))
            elif opcode == 0x5D:  # EMPTY_LIST
                stack.append([])
            elif opcode == 0x65:  # APPENDS
                mark = marks.pop()
                _target(stack[mark - 1], list).extend(stack[mark:])
                del stack[mark:]
            elif opcode == 0x2E:  # STOP
                if len(stack) != 1:
                    raise BrokenMetadataError("the face metadata is damaged")
                return stack[0], position - 1
            else:
                position = self._rare(opcode, position)

    def _rare(self, opcode: int, position: int) -> int:
        data, stack, memo = self._payload, self._stack, self._memo
        if opcode in _LENGTH_PREFIXED:
            width, kind = _LENGTH_PREFIXED[opcode]
            length = int.from_bytes(data[position : position + width], "little")
            start = position + width
            position = start + length
            if position > len(data):
                raise BrokenMetadataError("the face metadata is cut short")
            stack.append(_decoded(data[start:position], kind))
        elif opcode in _CONSTANTS:
            stack.append(_CONSTANTS[opcode])
        elif opcode in _INTEGERS:
            width, signed = _INTEGERS[opcode]
            if position + width > len(data):
                raise BrokenMetadataError("the face metadata is cut short")
            stack.append(int.from_bytes(data[position : position + width], "little", signed=signed))
            position += width
        elif opcode == 0x7D:  # EMPTY_DICT
            stack.append({})
        elif opcode == 0x75:  # SETITEMS
            items = self._to_mark()
            if len(items) % 2:
                raise BrokenMetadataError("the face metadata is damaged")
            _target(stack[-1], dict).update(zip(map(_key, items[::2]), items[1::2], strict=True))
        elif opcode == 0x73:  # SETITEM
            value, key = stack.pop(), stack.pop()
            _target(stack[-1], dict)[_key(key)] = value
        elif opcode == 0x61:  # APPEND
            value = stack.pop()
            _target(stack[-1], list).append(value)
        elif opcode in (0x85, 0x86, 0x87):  # TUPLE1 to TUPLE3
            count = opcode - 0x84
            if len(stack) < count:
                raise BrokenMetadataError("the face metadata is damaged")
            stack[-count:] = [tuple(stack[-count:])]
        elif opcode == 0x74:  # TUPLE
            stack.append(tuple(self._to_mark()))
        elif opcode == 0x72:  # LONG_BINPUT
            memo[int.from_bytes(data[position : position + 4], "little")] = stack[-1]
            position += 4
        elif opcode == 0x68:  # BINGET
            stack.append(memo[data[position]])
            position += 1
        elif opcode == 0x6A:  # LONG_BINGET
            stack.append(memo[int.from_bytes(data[position : position + 4], "little")])
            position += 4
        elif opcode == 0x63:  # GLOBAL
            end_module = _line_end(data, position)
            end_name = _line_end(data, end_module + 1)
            module, name = data[position:end_module].decode(), data[end_module + 1 : end_name].decode()
            stack.append(_allowed_global(module, name))
            position = end_name + 1
        elif opcode == 0x93:  # STACK_GLOBAL
            name, module = stack.pop(), stack.pop()
            stack.append(_allowed_global(module, name))
        elif opcode == 0x52:  # REDUCE
            arguments, function = stack.pop(), stack.pop()
            stack.append(_reduced(function, arguments))
        elif opcode == 0x62:  # BUILD
            state = stack.pop()
            _build(stack[-1], state)
        elif opcode == 0x30:  # POP
            stack.pop()
        elif opcode == 0x80:  # PROTO
            position += 1
        elif opcode == 0x95:  # FRAME: only a hint for buffered reading
            position += 8
        else:
            raise HostileMetadataError(
                f"the face metadata holds the pickle opcode {opcode:#04x}, which DeepFaceLab never writes"
            )
        return position

    def _to_mark(self) -> list[Any]:
        mark = self._marks.pop()
        items = self._stack[mark:]
        del self._stack[mark:]
        return items


_LENGTH_PREFIXED = {
    0x58: (4, "text"), 0x8C: (1, "text"), 0x8D: (8, "text"),  # BINUNICODE, SHORT_, BINUNICODE8
    0x42: (4, "bytes"), 0x43: (1, "bytes"), 0x8E: (8, "bytes"),  # BINBYTES, SHORT_, BINBYTES8
    0x96: (8, "bytes"),  # BYTEARRAY8
    0x54: (4, "latin1"), 0x55: (1, "latin1"),  # BINSTRING, SHORT_BINSTRING (Python 2)
    0x8A: (1, "int"), 0x8B: (4, "int"),  # LONG1, LONG4
}  # fmt: skip
_CONSTANTS: dict[int, Any] = {0x4E: None, 0x88: True, 0x89: False, 0x29: ()}
_INTEGERS = {0x4A: (4, True), 0x4B: (1, False), 0x4D: (2, False)}


def _decoded(raw: bytes, kind: str) -> Any:
    if kind == "text":
        return raw.decode("utf-8", "surrogatepass")
    if kind == "latin1":
        return raw.decode("latin-1")
    if kind == "int":
        return int.from_bytes(raw, "little", signed=True)
    return raw


def _target(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise BrokenMetadataError("the face metadata is damaged")
    return value


def _key(value: Any) -> str | int:
    # Only these: hashing a tuple of tuples of tuples takes unlimited time.
    if not isinstance(value, str | int):
        raise BrokenMetadataError("the face metadata holds a key that is not a name")
    return value


def _line_end(data: bytes, start: int) -> int:
    end = data.find(b"\n", start)
    if end < 0:
        raise BrokenMetadataError("the face metadata is cut short")
    return end


def _allowed_global(module: Any, name: Any) -> _Global:
    known = ALLOWED_GLOBALS.get((module, name)) if isinstance(module, str) and isinstance(name, str) else None
    if known is None:
        raise HostileMetadataError(
            f"the face metadata would call {str(module)[:60]}.{str(name)[:60]} when DeepFaceLab loads it"
        )
    return _Global(known)


def _reduced(function: Any, arguments: Any) -> Any:
    """What the call of an allowed global stands for."""
    if not isinstance(function, _Global) or not isinstance(arguments, tuple):
        raise HostileMetadataError("the face metadata calls something that is not a known function")
    match (function.name, arguments):
        case ("_reconstruct", (_Global(name="ndarray"), *_)):
            return Array()
        case ("_frombuffer", (bytes() as raw, DType() as dtype, tuple() as shape, str() as order)):
            return Array(_checked_shape(shape), dtype, order == "F", raw)
        case ("dtype", (str() as code, *_)):
            return DType(code.lstrip("<>|="), code[0] if code[:1] in ("<", ">") else "<")
        case ("scalar", (DType() as dtype, bytes() as raw)):
            return Array((), dtype, False, raw).values()
        case ("scalar", (DType(),)):
            return 0
        case ("encode", (str() as text, "latin1" | "latin-1")):
            return text.encode("latin-1")
        case ("bytes", ()):
            return b""
        case ("bytes", (bytes() as raw,)):
            return raw
        case ("OrderedDict", ()):
            return {}
    raise HostileMetadataError(
        f"the face metadata calls {function.name} in a way DeepFaceLab's files never do"
    )


def _build(target: Any, state: Any) -> None:
    match (target, state):
        case (DType(), (int(), str() as order, *_)):
            target.order = ">" if order == ">" else "<"
        case (Array(), (int(), tuple() as shape, DType() as dtype, bool() | int() as fortran, raw)):
            target.shape, target.dtype = _checked_shape(shape), dtype
            target.fortran, target.raw = bool(fortran), raw
        case _:
            raise HostileMetadataError(
                "the face metadata fills an object that DeepFaceLab's files never hold"
            )


def _checked_shape(shape: tuple[Any, ...]) -> tuple[int, ...]:
    if len(shape) > 8 or not all(isinstance(side, int) and 0 <= side <= MAX_PAYLOAD for side in shape):
        raise BrokenMetadataError("the face metadata holds an array of an impossible shape")
    return tuple(int(side) for side in shape)
