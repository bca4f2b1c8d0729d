"""What the run has lived through: each start of dflwrap with its end, and how the work grew.

Both lie in the table `run` as JSON and are bounded. A start that has no end was cut off (a power cut, a kill).
"""

from __future__ import annotations

import math
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from dflwrap.common.errors import DflwrapError
from dflwrap.ledger.ledger import Ledger
from dflwrap.ledger.records import Counts

SESSIONS, PROGRESS = "sessions", "progress"
"""Keys of the run."""
RUNNING, CUT_OFF = "running", "cut_off"
MOST_SESSIONS = 500
MOST_POINTS = 1500
"""Above it every second point of the older half goes: 12 hours at one in 30 s."""
LONGEST_STEP, SHARE = 30.0, 0.01
"""Seconds between two points: a hundredth of the time so far, at least 1 s, at most so many."""
WRITE_EVERY = 10.0
"""Seconds between two writes: each is flushed to the disk."""


@dataclass(slots=True)
class Session:
    """One start of dflwrap on this run; times in seconds since the epoch."""

    started: float
    ended: float | None = None
    state: str = RUNNING
    """RUNNING | CUT_OFF | "complete" | "quarantined" | "stopped" | "interrupted"."""
    cause: str = ""
    sentence: str = ""
    steps: list[str] = field(default_factory=list)
    """Of a stop that needs the user."""


@dataclass(frozen=True, slots=True)
class Point:
    """How far the run was at a moment."""

    time: float
    done: int
    """Frames with an outcome."""
    faces: int


def sessions_of(ledger: Ledger) -> list[Session]:
    """All starts, the oldest first; what is no session is passed over."""
    rows = ledger.get(SESSIONS)
    found = [_session(row) for row in rows] if isinstance(rows, list) else []
    return [session for session in found if session is not None][-MOST_SESSIONS:]


def _session(row: Any) -> Session | None:
    if not isinstance(row, dict) or not _is_time(row.get("started")):
        return None
    ended, steps = row.get("ended"), row.get("steps")
    state, cause, sentence = (str(row.get(key) or "") for key in ("state", "cause", "sentence"))
    known_steps = [str(step) for step in steps] if isinstance(steps, list) else []
    known_end = float(ended) if ended is not None and _is_time(ended) else None
    return Session(float(row["started"]), known_end, state, cause, sentence, known_steps)


def _is_time(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def begin_session(ledger: Ledger) -> None:
    """dflwrap has started on the run; the start before it, where it has no end, was cut off."""
    sessions = closed(sessions_of(ledger), last_sign(ledger))
    _put(ledger, [*sessions, Session(time.time())])


def closed(sessions: list[Session], until: float | None) -> list[Session]:
    """A last session without an end is one that was cut off, at its last sign of life."""
    if sessions and sessions[-1].ended is None:
        last = sessions[-1]
        last.ended, last.state = max(last.started, until or 0.0), CUT_OFF
    return sessions


def end_session(
    ledger: Ledger, state: str, *, cause: str = "", sentence: str = "", steps: tuple[str, ...] = ()
) -> None:
    """This start has come to its end. One that found nothing to do leaves no trace.

    Never raises for a disk that is full or gone: the end of the run matters more.
    """
    with suppress(DflwrapError):
        sessions = sessions_of(ledger)
        if not sessions:
            return
        last = sessions[-1]
        worked = any(attempt.started >= last.started for attempt in ledger.attempts())
        if len(sessions) > 1 and not worked and state in ("complete", "quarantined"):
            _put(ledger, sessions[:-1])
            return
        last.ended, last.state = time.time(), state
        last.cause, last.sentence, last.steps = cause, sentence, list(steps)
        _put(ledger, sessions)


def _put(ledger: Ledger, sessions: list[Session]) -> None:
    ledger.put(SESSIONS, [asdict(session) for session in sessions[-MOST_SESSIONS:]])


def last_sign(ledger: Ledger) -> float | None:
    """When the ledger was last written to by a run, seconds since the epoch; None where it never was."""
    moments = [attempt.ended or attempt.started for attempt in ledger.attempts()]
    moments += [moment for moment, _, _ in ledger.decisions()[-1:]]
    moments += [point.time for point in points_of(ledger)[-1:]]
    newest = ledger.read("SELECT max(time) FROM samples")[0][0]
    moments += [float(newest)] if _is_time(newest) else []
    return max(moments, default=None)


def points_of(ledger: Ledger) -> list[Point]:
    """How the work grew, the oldest first; what is no point is passed over."""
    rows = ledger.get(PROGRESS)
    return [
        Point(float(row[0]), row[1], row[2])
        for row in (rows if isinstance(rows, list) else [])
        if isinstance(row, list) and len(row) == 3 and _is_time(row[0])
        if type(row[1]) is int and type(row[2]) is int
    ]


class ProgressLog:
    """Keeps a point of the way now and then; never raises, for no run may fail over it."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._points: list[Point] | None = None
        self._began = time.monotonic()
        self._next_point = self._next_write = 0.0

    def look(self, counts: Counts) -> None:
        """To be called whenever the totals are known."""
        now = time.monotonic()
        if now < self._next_point:
            return
        self._next_point = now + min(LONGEST_STEP, max(1.0, SHARE * (now - self._began)))
        self._add(counts)
        if now >= self._next_write:
            self._next_write = now + WRITE_EVERY
            self._write()

    def end(self, counts: Counts) -> None:
        """The last point, and everything onto the disk."""
        self._add(counts)
        self._write()

    def _add(self, counts: Counts) -> None:
        with suppress(DflwrapError):
            if self._points is None:
                self._points = points_of(self._ledger)
            self._points.append(Point(time.time(), counts.total - counts.open, counts.faces))
            self._points = thinned(self._points)

    def _write(self) -> None:
        with suppress(DflwrapError):
            self._ledger.put(PROGRESS, [[round(p.time, 1), p.done, p.faces] for p in self._points or ()])


def thinned(points: list[Point]) -> list[Point]:
    """At most MOST_POINTS: the oldest detail goes first."""
    while len(points) > MOST_POINTS:
        half = len(points) // 2
        points = points[:half:2] + points[half:]
    return points
