"""From where on a picture counts as blurred, dark, ...; light, for the command line shows them."""

from __future__ import annotations

from dataclasses import dataclass

from dflwrap.common.choices import BLURRY_BELOW
from dflwrap.frames.sizes import HUGE_PIXELS


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Each is an option of `check`. Brightness, sharpness and light are measured at a longest side of 640 pixels."""

    blurred_below: float = BLURRY_BELOW
    """Variance of the Laplacian."""
    dark_below: float = 64.0
    """Brightness of 255 under which 95 % of a dark frame are."""
    overexposed_above: float = 0.35
    """Share of pixels with a brightness of 250 and more."""
    duplicate_bits: int = 2
    """Of the 128 bits of the dhash, that nearly the same picture may differ in."""
    frozen_frames: int = 24
    """Frames in a row: a second of film."""
    huge_pixels: int = HUGE_PIXELS
    """What `extract` brings down by itself."""
