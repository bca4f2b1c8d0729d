"""What the options of `extract` may hold, each refused with one sentence that says what would do."""

from __future__ import annotations

import math
from pathlib import Path

from dflwrap.common.errors import DflwrapError
from dflwrap.common.trees import resolved
from dflwrap.frames.sizes import SMALLEST_SIDE

MOST = 1_000_000
"""Workers, or frames per attempt: beyond every use."""


def folder(option: str, path: Path) -> Path:
    """A full path that ends in the folder's own name; links stay, the run folder stands beside the link.

    Raises DflwrapError.
    """
    try:
        path = Path(path).absolute()
    except FileNotFoundError:
        raise DflwrapError(
            f"{option} {path}: the folder in which you started dflwrap no longer exists. "
            "Give full paths, or change into another folder first."
        ) from None
    return resolved(path) if ".." in path.parts else path


def number(option: str, value: str) -> int | None:
    """From 1; None for "auto". Raises DflwrapError."""
    if value == "auto":
        return None
    found = _whole(value)
    if found is None:
        raise DflwrapError(f'{option} {value[:40]!r} is not a whole number. Give a number from 1, or "auto".')
    if not 0 < found <= MOST:
        size = "small" if found < 1 else "large"
        raise DflwrapError(f'{option} {value} is too {size}. Give a number from 1 to {MOST}, or "auto".')
    return found


def gpus(value: str | None) -> tuple[int, ...]:
    """Indices of GPUs as DeepFaceLab takes them: "0" or "0,1". Raises DflwrapError."""
    if value is None:
        return ()
    found = [_whole(part) for part in value.split(",") if part.strip()]
    indices = tuple(dict.fromkeys(index for index in found if index is not None and 0 <= index <= MOST))
    if not found or len(indices) < len(dict.fromkeys(found)):
        raise DflwrapError(
            f'--force-gpu-idxs {value[:40]!r} is not a list of GPU numbers. Write for example "0,1".'
        )
    return indices


def longest_side(value: int) -> int:
    """0 = no limit. Raises DflwrapError."""
    if 0 < value < SMALLEST_SIDE:
        raise DflwrapError(
            f"--max-side {value} is too small: DeepFaceLab does not look at frames under {SMALLEST_SIDE} pixels. "
            f"Give {SMALLEST_SIDE} or more, or 0 for no limit."
        )
    return value


def finite(option: str, value: float) -> float:
    """Python reads "nan" and "inf" as numbers; as a timeout they would mean none. Raises DflwrapError."""
    if not math.isfinite(value):
        raise DflwrapError(f"{option} {value} is not a number to count with. Give it in figures, like 300.")
    return value


def _whole(text: str) -> int | None:
    text = text.strip()
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 12):
        return None
    return int(text)
