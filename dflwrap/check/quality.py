"""Findings about what the pictures show: size, sharpness, light, stillness. The frames come in order."""

from __future__ import annotations

import statistics

from dhash import get_num_bits_different

from dflwrap.check.findings import Findings
from dflwrap.check.hash_set import HashSet
from dflwrap.check.thresholds import Thresholds
from dflwrap.frames.decoding.measures import Measures, Pixels
from dflwrap.frames.sizes import SMALLEST_SIDE

DARK_SHARE = 0.95
"""Of the pixels of a dark frame that are under `Thresholds.dark_below`."""
FROZEN_CHANGE = 1
"""Most that a cell of the 16x16 grid may change in a frozen picture, of 255: the cells' means take
noise away, and moving lips change one by more."""
_SQUASHED = 1.3
"""Detail across over detail down, in the middle of the frames: 16:9 squeezed into a square has up to 1.78
times its own. On the sample frames: 0.9 as they are, 1.1 cropped to a square, 1.35 squeezed into one."""
_SQUASHED_SIDES = frozenset({128, 256, 512})
_SQUASHED_FRAMES = 5


def flaw_of(pixels: Pixels, limits: Thresholds) -> str:
    """black, dark, overexposed, blurred, or "": the first that holds. `pixels` measured with the same limits."""
    if pixels.black:
        return "black"
    if pixels.dark >= DARK_SHARE:
        return "dark"
    if pixels.white > limits.overexposed_above:
        return "overexposed"
    return "blurred" if pixels.sharpness < limits.blurred_below else ""


class Likenesses:
    """Frames that repeat others; keeps the hash of each picture that does not."""

    def __init__(self, limits: Thresholds) -> None:
        self._limits = limits
        self._before: int | None = None
        self._seen = HashSet()

    def repeats(self, dhash: int) -> bool:
        """Nearly the frame before that was no repetition, or the very hash of any earlier one."""
        if dhash in self._seen or (
            self._before is not None
            and get_num_bits_different(self._before, dhash) <= self._limits.duplicate_bits
        ):
            return True
        self._before = dhash
        self._seen.add(dhash)
        return False


class Quality:
    """Findings of the group "quality", and those of "files" that need the frames before."""

    def __init__(self, findings: Findings, limits: Thresholds) -> None:
        self._findings, self._limits = findings, limits
        self._likenesses = Likenesses(limits)
        self._grid = b""
        self._still: list[str] = []
        """First and last name of a run of frozen frames."""
        self._still_count = 0
        self._squares: list[float] = []
        self._others = 0
        """Frames that are no square of a usual size."""

    def take(self, shown: str, found: Measures) -> str:
        """One frame; its flaw, "" for none."""
        flaw = self._size(shown, found)
        pixels = found.pixels
        if pixels is None or (found.damage and not found.decoded):
            return flaw
        if not flaw:
            flaw = flaw_of(pixels, self._limits)
            if flaw:
                self._findings.add(flaw, f"{shown}: {_figure(flaw, pixels)}")
        if self._likenesses.repeats(pixels.dhash) and flaw != "black":
            self._findings.add("near-duplicates", shown)
        self._stillness(shown, pixels)
        if found.width == found.height and found.width in _SQUASHED_SIDES:
            if pixels.across and len(self._squares) < 1000:
                self._squares.append(pixels.across)
        else:
            self._others += 1
        return flaw

    def _size(self, shown: str, found: Measures) -> str:
        width, height = found.width, found.height
        if not width or not height:
            return ""
        if min(width, height) < SMALLEST_SIDE:
            self._findings.add("too-small", f"{shown}: {width}x{height}")
            return "too-small"
        if width * height > self._limits.huge_pixels:
            self._findings.add("huge", f"{shown}: {width}x{height}")
        return ""

    def _stillness(self, shown: str, pixels: Pixels) -> None:
        same = bool(self._grid) and _is_still(self._grid, pixels.grid)
        self._grid = (
            pixels.grid if not same else self._grid
        )  # a slow fade adds up against the first of the row
        if same:
            self._still[1:] = [shown]
            self._still_count += 1
        else:
            self._end_of_row()
            self._still, self._still_count = [shown], 1

    def _end_of_row(self) -> None:
        if self._still_count >= self._limits.frozen_frames:
            row = " to ".join(self._still)
            self._findings.add("frozen", f"{row} ({self._still_count} frames)", count=self._still_count)

    def end(self, shown_folder: str) -> None:
        """After the last frame of a folder."""
        self._end_of_row()
        squares = self._squares
        if len(squares) >= _SQUASHED_FRAMES and len(squares) > 9 * self._others:
            middle = statistics.median(squares)
            if middle > _SQUASHED:
                self._findings.add(
                    "aspect-changed",
                    f"{shown_folder}: detail across is {middle:.1f} times that down",
                    count=len(squares),
                )


def _is_still(one: bytes, other: bytes) -> bool:
    """Of a picture that moves, the first cells tell."""
    return one == other or all(abs(a - b) <= FROZEN_CHANGE for a, b in zip(one, other, strict=True))


def _figure(flaw: str, pixels: Pixels) -> str:
    if flaw == "blurred":
        return f"sharpness {pixels.sharpness:.1f}"
    if flaw == "overexposed":
        return f"{pixels.white:.0%} white"
    return f"mean brightness {pixels.mean:.0f} of 255"
