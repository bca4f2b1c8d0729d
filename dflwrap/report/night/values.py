"""Values of others (ledger, telemetry, verdicts) on their way to the page: of the type that is expected, or nothing."""

from __future__ import annotations

import math
from typing import Any

from dflwrap.common.text import display_start

GIB = 2**30
LONGEST = 400
"""Characters of a text from a log or an error that the page shows."""


def number(value: Any) -> float | None:
    """A finite number, or None."""
    return float(value) if type(value) in (int, float) and math.isfinite(value) else None


def text(value: Any, longest: int = LONGEST) -> str:
    """A text on one line, safe to show; "" for what is none."""
    return display_start(value, longest) if isinstance(value, str) else ""


def texts(value: Any, most: int, longest: int = LONGEST) -> list[str]:
    """The first `most` texts of a list."""
    return [text(item, longest) for item in items(value)[:most] if isinstance(item, str)]


def items(value: Any) -> list[Any]:
    """A list, or an empty one."""
    return value if isinstance(value, list) else []


def table(value: Any) -> dict[str, Any]:
    """An object, or an empty one."""
    return value if isinstance(value, dict) else {}


def pace(rate: float) -> str:
    """A speed in the unit that gives a readable number: "118 frames/s", "2.4 frames/s", "3.1 s a frame"."""
    if rate >= 10:
        return f"{rate:,.0f} frames/s"
    if rate <= 0:
        return "nothing"
    return f"{rate:.1f} frames/s" if rate >= 1 else f"{1 / rate:,.1f} s a frame"


def length(seconds: float) -> str:
    """`45 s`, `12 min`, `7 h 05 min`."""
    whole = max(0, round(seconds))
    if whole < 90:
        return f"{whole} s"
    minutes = round(whole / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def listed(parts: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else ""
