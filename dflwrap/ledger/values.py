"""Values as the ledger's file holds them, checked on their way out: SQLite keeps whatever is put into it.

A value that no dflwrap writes means a damaged ledger, or one made to do harm: a name with a separator would
lead moves out of the faceset. Each function returns the value or raises ValueError.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any, TypeVar

from dflwrap.frames.names import decode, is_relative_name, is_single_name

T = TypeVar("T")

DEBUG_PREFIX = "debug/"
"""Of a move's target: the debug folder beside the faceset."""
_MOST = 2**63
_PLAIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_. -]*")
"""Single names on every system, which most are: known at a look where a ledger holds a hundred thousand."""
_PLAIN_RAW = re.compile(_PLAIN.pattern.encode())


def whole(value: Any, least: int = 0) -> int:
    """A whole number from `least` on. Raises ValueError."""
    if type(value) is not int or not least <= value < _MOST:
        raise ValueError(f"{_shown(value)} is no number from {least}")
    return value


def switch(value: Any) -> bool:
    """A yes or no. Raises ValueError for what is neither 0 nor 1."""
    return bool(_one_of(value, (0, 1)))


def moment(value: Any) -> float:
    """Seconds since the epoch. Raises ValueError."""
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ValueError(f"{_shown(value)} is no time")
    return float(value)


def text(value: Any) -> str:
    """A text, as SQLite has it. Raises ValueError."""
    if type(value) is not str:
        raise ValueError(f"{_shown(value)} is no text")
    return value


def maybe(check: Callable[[Any], T], value: Any) -> T | None:
    """`check`, or None for NULL."""
    return None if value is None else check(value)


def name(value: Any) -> str:
    """A name that stays in its folder. Raises ValueError."""
    if not _PLAIN.fullmatch(text(value)) and not is_single_name(value):
        raise ValueError(f"{_shown(value)} is not a plain file name")
    return str(value)


def raw_name(value: Any) -> str:
    """The name of a frame in the input folder or below it, kept as its bytes. Raises ValueError."""
    if type(value) is not bytes:
        raise ValueError(f"{_shown(value)} is no file name")
    if _PLAIN_RAW.fullmatch(value):
        return value.decode("ascii")
    relative = decode(value)
    if not is_relative_name(relative):
        raise ValueError(f"{_shown(value)} is no file name")
    return relative


def target(value: Any) -> str:
    """Of a move: a name in the faceset, or in the debug folder with `debug/` before it."""
    name(text(value).removeprefix(DEBUG_PREFIX))
    return str(value)


def source(value: Any) -> str:
    """Of a move: a file of an attempt, relative to the run folder. Raises ValueError."""
    parts = PurePosixPath(text(value)).parts
    if len(parts) < 2 or parts[0] != "attempts" or "/".join(parts) != value:
        raise ValueError(f"{_shown(value)} is no file of an attempt")
    for part in parts:
        name(part)
    return str(value)


def parsed(value: Any) -> Any:
    """A value kept as JSON. Raises ValueError."""
    try:
        return json.loads(text(value))
    except RecursionError:
        raise ValueError("JSON that is nested too deeply") from None


def table(value: Any) -> str:
    """The JSON text of an object. Raises ValueError."""
    if not isinstance(parsed(value), dict):
        raise ValueError(f"{_shown(value)} is no JSON object")
    return str(value)


def _one_of(value: Any, allowed: tuple[int, ...]) -> int:
    if type(value) is not int or value not in allowed:
        raise ValueError(f"{_shown(value)} is none of {allowed}")
    return value


def _shown(value: Any) -> str:
    return repr(value)[:80]
