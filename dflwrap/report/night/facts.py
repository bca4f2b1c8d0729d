"""What the page knows of a run, gathered once: everything else is words about it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from dflwrap.ledger.history import Session
from dflwrap.ledger.records import AttemptRow, Counts, FrameRow
from dflwrap.report.night.clip import Piece
from dflwrap.report.night.faces import FaceLook, Row
from dflwrap.report.night.failures import Cause, Failure
from dflwrap.report.night.pictures import Picture
from dflwrap.report.night.timeline import Timeline

RUNNING, CUT_OFF = "running", "cut_off"


@dataclass(frozen=True, slots=True)
class Shown:
    """A frame that needs attention, with its picture where there is one."""

    name: str
    cause: str
    title: str
    evidence: str
    picture: Picture | None = None


@dataclass(frozen=True, slots=True)
class OddFace:
    """A face of the review."""

    file: str
    frame: str
    kind: str
    reason: str
    picture: Picture | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """One question of the morning. tone: "good" | "look" | "bad" | "plain"."""

    id: str
    question: str
    answer: str
    tone: str
    place: str
    """Id of the section that has more."""


@dataclass(slots=True)
class Facts:
    """A run at one moment."""

    made: float
    """Seconds since the epoch."""
    state: str
    """RUNNING | CUT_OFF | "complete" | "quarantined" | "stopped" | "interrupted"."""
    counts: Counts
    sessions: list[Session]
    input_dir: Path
    output_dir: Path
    options: dict[str, Any]
    extractor: dict[str, Any]
    attempts: list[AttemptRow] = field(default_factory=list)
    decisions: list[tuple[float, int | None, str]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    causes: list[Cause] = field(default_factory=list)
    """Of frames without a result, the most frequent first."""
    quarantined: list[Shown] = field(default_factory=list)
    not_attempted: list[Shown] = field(default_factory=list)
    doubtful: list[Shown] = field(default_factory=list)
    """Some of the frames without a face."""
    left_out: int = 0
    """Frames that the user asked to leave out, or took away meanwhile."""
    second_look: dict[str, Any] = field(default_factory=dict)
    no_face_reasons: dict[str, Any] = field(default_factory=dict)
    missing_faces: list[str] = field(default_factory=list)
    hostile: list[dict[str, Any]] = field(default_factory=list)
    ignored: list[dict[str, Any]] = field(default_factory=list)
    manual: list[str] = field(default_factory=list)
    clip: list[Piece] = field(default_factory=list)
    line: Timeline = field(default_factory=Timeline)
    faces: FaceLook = field(default_factory=FaceLook)
    review: list[OddFace] = field(default_factory=list)
    sheet: list[Row] = field(default_factory=list)
    machine: dict[str, str] = field(default_factory=dict)
    shared: bool = False
    """Without names, paths and pictures."""

    @property
    def stop(self) -> Session | None:
        """The last start of dflwrap, where it ended before its time."""
        last = self.sessions[-1] if self.sessions else None
        return last if last is not None and last.state == "stopped" else None

    @property
    def unfinished(self) -> int:
        """Frames that the next start would come to."""
        return self.counts.open

    @property
    def without_result(self) -> int:
        """Frames that are neither extracted nor without a face, although they were asked for."""
        return self.counts.quarantined + self.counts.not_attempted - self.left_out + self.counts.open

    def clock(self, moment: float) -> str:
        """`03:12`, with the day where the run took more than one."""
        try:
            when, first = (datetime.fromtimestamp(one).astimezone() for one in (moment, self.line.start))
        except (ValueError, OverflowError, OSError):
            return "?"
        return when.strftime("%H:%M" if when.date() == first.date() else "%H:%M on %d %b")

    @staticmethod
    def devices_of(attempt: AttemptRow) -> tuple[int, ...]:
        """Indices of the cards that an attempt was planned on; none = the CPU."""
        devices = json.loads(attempt.plan).get("devices")
        return tuple(d for d in devices if type(d) is int) if isinstance(devices, list) else ()


def open_as(row: FrameRow, state: str) -> str:
    """Why a frame has no outcome."""
    if row.evidence:
        return row.evidence
    return {
        RUNNING: "the run has not come to it yet",
        "stopped": "the run stopped before it",
        "interrupted": "the run was interrupted before it",
        CUT_OFF: "the run was cut off before it",
    }.get(state, "the run did not come to it")
