"""What is asked of `prepare`, as plain data. Light: the command line shows its defaults."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from dflwrap.check.thresholds import Thresholds
from dflwrap.common.choices import LayoutChoice


class Flaw(StrEnum):
    """Findings by which frames can be left out."""

    BLURRED = "blurred"
    DARK = "dark"
    OVEREXPOSED = "overexposed"
    BLACK = "black"


@dataclass(frozen=True, slots=True)
class PrepareOptions:
    """What the user wants of the copy."""

    layout: LayoutChoice = LayoutChoice.AUTO
    max_side: int = 0
    """Longest side in pixels; 0 = as it is."""
    every: int = 1
    """One frame of so many is taken."""
    dedupe: bool = False
    without: tuple[str, ...] = ()
    """Values of `Flaw`."""
    limits: Thresholds = field(default_factory=Thresholds)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "layout": self.layout.value, "without": list(self.without)}
