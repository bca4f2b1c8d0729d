"""What becomes of each frame: linked as it is, converted, or left out with a reason. Frames come in order."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dflwrap.check.files import find_in_file
from dflwrap.check.findings import Findings
from dflwrap.check.quality import Likenesses, flaw_of
from dflwrap.frames.decoding.measures import Measures
from dflwrap.frames.inventory import FrameEntry
from dflwrap.frames.judgement import Entry
from dflwrap.frames.sizes import SMALLEST_SIDE, scaled_size
from dflwrap.prepare.options import PrepareOptions

_SUFFIXES = {"jpeg": ".jpg", "png": ".png"}
"""Of frames that are linked as they are: what DeepFaceLab reads without a detour."""
UNUSABLE = "unusable"
"""Reason ids of `left out` begin with a finding's id, "every", "near-duplicates", or this."""


class Became(StrEnum):
    """What became of a frame in the prepared copy."""

    LINKED = "linked"
    CONVERTED = "converted"
    LEFT_OUT = "left out"


@dataclass(frozen=True, slots=True)
class Step:
    """What is done with one frame, and why."""

    became: Became
    why: str = ""
    """The id of a finding, or "every"; several are joined with ", ". "" for a frame that is fine."""
    reason: str = ""
    """For people."""
    suffix: str = ".png"
    max_side: int = 0
    orientation: int = 1
    lost: bool = False
    """Left out because it cannot be used, not because it was asked for."""
    dhash: int | None = None


class Decider:
    """For one folder of the output."""

    def __init__(self, options: PrepareOptions) -> None:
        self._options = options
        self._likenesses = Likenesses(options.limits)
        self._index = -1

    def is_skipped(self) -> bool:
        """To be asked once for each frame, before anything else: whether `--every` passes over it."""
        self._index += 1
        return self._index % self._options.every != 0

    def skipped(self) -> Step:
        return Step(Became.LEFT_OUT, "every", f"one frame of {self._options.every} is taken")

    def again(self, dhash: int | None) -> None:
        """A frame that was decided on by an earlier start."""
        if dhash is not None:
            self._likenesses.repeats(dhash)

    def decide_unopened(self, entry: FrameEntry) -> Step | None:
        """For what need not be opened."""
        if entry.problem is not None:
            return Step(Became.LEFT_OUT, "not-a-frame", entry.problem, lost=True)
        if entry.size == 0:
            return Step(Became.LEFT_OUT, "zero-bytes", "the file is empty (0 bytes)", lost=True)
        return None

    def decide(self, name: str, found: Measures) -> Step:
        """name: of the file."""
        if not found.usable:
            findings = Findings()
            find_in_file(name, name, found, findings)
            first = next((finding.kind.id for finding in findings.sorted()), "")
            why = "too-small" if found.cause == "image-too-small" else first or UNUSABLE
            return Step(
                Became.LEFT_OUT, why, found.damage or found.reason or "no decoder reads it", lost=True
            )
        pixels = found.pixels
        if pixels is None:
            return Step(Became.CONVERTED, "unusual-pixels", found.reason, max_side=self._max_side(found)[0])
        flaw = flaw_of(pixels, self._options.limits)
        if flaw and flaw in self._options.without:
            return Step(Became.LEFT_OUT, flaw, f"{flaw}, as requested")
        if self._options.dedupe and self._likenesses.repeats(pixels.dhash):
            return Step(Became.LEFT_OUT, "near-duplicates", "nearly the same as an earlier frame")
        return self._kept(found, pixels.dhash)

    def _kept(self, found: Measures, dhash: int) -> Step:
        why, reasons = [], []
        max_side, scaled = self._max_side(found)
        if found.container.orientation > 1:
            why.append("turned-by-exif")
            reasons.append("turned upright")
        if found.container.pictures > 1:
            why.append("animated")
            reasons.append("only its first picture")
        if scaled:
            why.append("huge" if found.entry is Entry.CONVERT and not self._options.max_side else "max-side")
            reasons.append(scaled)
        if found.entry is Entry.CONVERT and not scaled:
            why.append("unusual-pixels" if found.bits > 8 or found.channels == 4 else "format")
            reasons.append(found.reason)
        if not why and found.kind in _SUFFIXES:
            return Step(Became.LINKED, suffix=_SUFFIXES[found.kind], dhash=dhash)
        return Step(
            Became.CONVERTED,
            ", ".join(why) or "format",
            "; ".join(reasons) or f"{found.kind} to PNG",
            max_side=max_side,
            orientation=found.container.orientation,
            dhash=dhash,
        )

    def _max_side(self, found: Measures) -> tuple[int, str]:
        """The longest side to bring it to, and words for it; (0, "") where it stays."""
        wanted = min((side for side in (self._options.max_side, found.max_side) if side), default=0)
        size = scaled_size(found.width, found.height, wanted)
        if min(found.width, found.height) < SMALLEST_SIDE or size == (found.width, found.height):
            return 0, ""
        return wanted, f"{found.width}x{found.height} brought to {size[0]}x{size[1]}"
