"""Which sizes of a frame an extraction can handle, in pixels. Read by every decoder child, and by `--help`: it
imports nothing."""

from __future__ import annotations

SMALLEST_SIDE = 128
"""DFL never looks at a frame with a shorter side (faceset-format, detector rules)."""
HUGE_PIXELS = 64_000_000
"""Above this a frame is downscaled on its way in: DFL holds it as 32-bit floats several times over
(20000x20000 took 3 GB and half a minute)."""
HUGE_SIDE = 8000
"""Longest side, in pixels, that a huge frame is brought down to."""
REPAIR_SIDE = 4096
"""Longest side, in pixels, of a frame that is re-encoded because an extractor failed on it: memory may have
been the reason. A 4K frame keeps its pixels, and its faces their detail."""
BOMB_PIXELS = 1_000_000_000
"""Above this a frame is refused: OpenCV itself refuses more than 2**30 pixels."""


def scaled_size(width: int, height: int, max_side: int) -> tuple[int, int]:
    """The size of a frame brought down to a longest side of `max_side` pixels, 0 = as it is.

    The aspect is kept, and the shorter side is never brought under SMALLEST_SIDE: a wide strip stays longer
    than `max_side` rather than become a frame that no detector looks at.
    """
    shorter, longer = sorted((width, height))
    if not max_side or longer <= max_side or shorter <= SMALLEST_SIDE:
        return width, height
    scale = max(max_side / longer, SMALLEST_SIDE / shorter)
    return max(1, round(width * scale)), max(1, round(height * scale))
