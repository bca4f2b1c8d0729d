"""Rows of the ledger as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from dflwrap.frames.judgement import Entry

REMOVED = "removed"
"""Cause of frames that have left the total: they are no part of what is asked any more. Not a rule's id."""


class Outcome(StrEnum):
    """The one proven state in which every frame ends."""

    EXTRACTED = "extracted"
    NO_FACE = "no_face"
    QUARANTINED = "quarantined"
    NOT_ATTEMPTED = "not_attempted"


class NewFrame(NamedTuple):
    """A frame about to enter the ledger. A tuple: there may be 100,000."""

    file_name: str
    stem: str
    size: int
    mtime_ns: int
    entry: Entry
    plain: bool
    max_side: int
    entry_reason: str
    longest_side: int = 0
    """Pixels; 0 = not known."""
    cause: str = ""
    """For a refused frame: id of the known cause; `entry_reason` is the evidence."""


def source_name(file_name: str, stem: str) -> str:
    """`FrameRow.source_name` of a frame of which no more is known."""
    return stem + Path(file_name).suffix if "/" in file_name else file_name


class FrameRow(NamedTuple):
    """A frame as the ledger has it. A tuple: there may be 100,000, made anew at each reading."""

    id: int
    file_name: str
    """As the file system has it; where several folders are joined, with its folder: `clipA/00001.png`."""
    name: str
    """Safe to show."""
    stem: str
    entry: Entry
    plain: bool
    max_side: int
    outcome: Outcome | None
    faces: int
    attempt: int | None
    cause: str | None
    evidence: str | None
    failures: int
    """How often an attempt ended on this frame or failed it."""

    @property
    def source_name(self) -> str:
        """The frame as its faces name it: one name, also where several folders are joined (`clipA_00001.png`)."""
        return source_name(self.file_name, self.stem)


class Told(NamedTuple):
    """What a report says of a frame."""

    name: str
    """Safe to show."""
    attempt: int | None
    cause: str | None
    evidence: str | None


@dataclass(frozen=True, slots=True)
class FaceFacts:
    """What is recorded of a face's file, so that it is known again, and known to be untouched."""

    size: int
    """Bytes."""
    mtime_ns: int
    digest: bytes
    """Of the whole file (`faceset.facts.DIGEST`)."""
    rect: tuple[float, ...] | None
    """The metadata's `source_rect`, pixels of the frame: with the frame's name, which face it is."""


@dataclass(frozen=True, slots=True)
class FaceRow:
    """A face that the run has put into the faceset, or found there and adopted."""

    name: str
    """Its file name when it was recorded; the user may have renamed it since."""
    frame: int
    facts: FaceFacts | None
    """None in ledgers of the first version."""
    adopted: bool
    missing: bool = False
    """It was not in the folder at the last look."""
    edited: bool = False
    """Its bytes are no longer those that were recorded first: the user's work is in it."""


@dataclass(frozen=True, slots=True)
class Move:
    """A journalled move of one file into the faceset (or its debug folder)."""

    source: str
    """Relative to the run folder."""
    target: str
    """A file name in the faceset; "debug/<name>" for a debug picture."""
    frame: int
    attempt: int
    facts: FaceFacts | None = None
    """Of a face; None for a debug picture."""


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """An attempt as the ledger has it; times in seconds since the epoch."""

    number: int
    started: float
    ended: float | None
    extractor: str
    plan: str
    reason: str
    frames: int
    gained: int | None
    ended_by: str | None
    exit_status: int | None
    cause: str | None
    verdict: str | None


@dataclass(frozen=True, slots=True)
class Counts:
    """Frames by outcome. `open` frames have none yet."""

    total: int
    """Without the removed ones."""
    extracted: int
    no_face: int
    quarantined: int
    not_attempted: int
    open: int
    faces: int
    removed: int = 0
    """Taken out of the input folder by the user between two runs, before they had a result."""
