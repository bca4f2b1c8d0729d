"""Frames that the user wants left out: black, blurry, small. Off unless asked for.

What sharpness does not say: that the face is blurred. It is measured over the whole frame, so a sharp face
before a soft background counts as softer than it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dflwrap.frames.conversion import ConversionError, Converter, SourceUnreadError
from dflwrap.frames.decoding.measures import BLACK_BRIGHTEST, BLACK_MEAN
from dflwrap.frames.header import read_header

FILTERED = "filtered"
"""Cause of frames that were left out because the user asked for it."""


@dataclass(frozen=True, slots=True)
class Filters:
    """What the user wants left out."""

    min_side: int = 0
    """Pixels; frames with a shorter side are left out. 0 = off."""
    skip_black: bool = False
    blurry_below: float = 0.0
    """Variance of the Laplacian; 0 = off."""

    @property
    def any(self) -> bool:
        return bool(self.min_side or self.skip_black or self.blurry_below)


def why_left_out(path: Path, filters: Filters, converter: Converter) -> str | None:
    """The reason to leave the frame at `path` out, or None. Unreadable frames are not this one's business."""
    if filters.min_side:
        try:
            facts = read_header(path)
        except OSError:
            return None
        if facts.width and facts.height and min(facts.width, facts.height) < filters.min_side:
            return f"{facts.width}x{facts.height} pixels: shorter side under {filters.min_side}, as requested"
    if not (filters.skip_black or filters.blurry_below):
        return None
    try:
        look = converter.look(path)
    except (ConversionError, SourceUnreadError):
        return None
    if filters.skip_black and look.mean < BLACK_MEAN and look.brightest < BLACK_BRIGHTEST:
        return f"black: mean brightness {look.mean:.0f} of 255"
    if filters.blurry_below and look.sharpness < filters.blurry_below:
        return f"blurry: sharpness {look.sharpness:.1f}, asked for {filters.blurry_below:g}"
    return None
