"""The state of a run as others may see it; those that draw it know the terminal, this does not."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from dflwrap.common.plan import Plan
from dflwrap.ledger.records import Counts
from dflwrap.supervisor.liveness.awake_clock import AwakeClock
from dflwrap.supervisor.outside.time_left import History, TimeLeft, time_left
from dflwrap.telemetry.base import DeviceSample

LEAST_SECONDS, LEAST_FRAMES = 10.0, 3
"""What a rate is measured over at least. The first frames tend to be reported together, long after they were done."""
_NOISE = re.compile(
    r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: [IW] |\b[IW]\d{4} \d\d:\d\d:\d{2,10}\.\d+ +\d+ "
    r"|WARNING:(?:tensorflow|absl):|WARNING: All log messages before absl"
    r"|INFO: (?:Created TensorFlow|Initialized TensorFlow)|To enable (?:the following|them in other)"
    r"|Instructions for updating:|Skipping registering GPU devices|_?np_\w+ = np\.dtype\("
)
"""What TensorFlow and its packages say in every run, healthy or not: informational and warning lines."""
_NOISE_WITH_A_PLACE = (
    (re.compile("Unable to register cu"), 60),
    (re.compile(r"\b(?:Future|Deprecation|PendingDeprecation|User|Runtime)Warning:"), 300),
)
"""The same, and how many characters before it name the file it is about. A pattern for both would try each such
stretch at each character: 0.25 ms for a line without noise."""
_BAR = re.compile(r"\s*(?:\d{1,3}%\||\d+it \[)")
"""tqdm's; it has no percentage beyond the total that it was begun with, as where frames come as a stream."""


class Pace:
    """How fast frames come back while attempts run. Neither the computer's sleep counts, nor waiting between attempts.

    Only the supervisor's thread moves it; the display reads it.
    """

    def __init__(self, clock: AwakeClock | None = None) -> None:
        self._clock = clock or AwakeClock()
        self._now = self._clock.now()
        self._since: float | None = None
        self._first = self._frames = 0
        self._history = History()

    def look(self) -> None:
        """To be called once a second or more often while an attempt runs."""
        before, self._now = self._now, self._clock.now()
        if self._since is not None:
            self._history.add(self._now - before, 0)

    def gained(self, frames: int) -> None:
        """So many frames have got their outcome from an extractor."""
        self.look()
        self._frames += frames
        if self._since is None:
            self._since, self._first = self._now, self._frames
        else:
            self._history.add(0.0, frames)

    @property
    def seconds(self) -> float:
        """Of extracting, from the first frame of this start on."""
        return 0.0 if self._since is None else self._now - self._since

    def rate(self) -> float | None:
        """Frames per second of this start, or None while that would mean nothing."""
        seconds, frames = self.seconds, self._frames - self._first
        return frames / seconds if seconds >= LEAST_SECONDS and frames >= LEAST_FRAMES else None

    def time_left(self, open_frames: int) -> TimeLeft | None:
        """None while it is not known."""
        return time_left(self._history.blocks, open_frames)


STARTING = "starting"
"""The stage until the first frame of an attempt is back."""


@dataclass(slots=True)
class RunState:
    """What the display shows."""

    stage: str = "preparing"
    progress: str = ""
    """How far the stage has come ("1,200 of 3,000"), where that is not shown by the totals."""
    began: float = field(default_factory=time.monotonic)
    attempt_began: float | None = None
    """Both as `time.monotonic()`."""
    gpus: tuple[DeviceSample, ...] = ()
    """The latest readings, of all GPUs."""
    counts: Counts = field(default_factory=lambda: Counts(0, 0, 0, 0, 0, 0, 0))
    pace: Pace = field(default_factory=Pace)
    attempt: int = 0
    plan: Plan | None = None
    workers: int | None = None
    """All together, where their number changes while an attempt runs; None: as the plan says."""
    extractor: str = ""
    redrawn: float = 0.0
    """When the totals were shown last (`time.monotonic`)."""
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=6))
    """The last lines of the extractor that tell something, safe to print; its log has them all."""

    def add_line(self, text: str) -> None:
        """A line of the extractor, unless it is noise; of a progress bar only the last state stays."""
        noise = _noise_in(text)  # glued to a progress bar as well
        if noise is not None:
            text = text[:noise].rstrip()
        if _BAR.match(text):
            for line in [line for line in self.lines if _BAR.match(line)]:
                self.lines.remove(line)
        if text:
            self.lines.append(text)

    @property
    def done(self) -> int:
        return self.counts.total - self.counts.open

    def time_left(self) -> TimeLeft | None:
        """None while it is not known."""
        return self.pace.time_left(self.counts.open)


def _noise_in(line: str) -> int | None:
    """Where it begins."""
    begins = [found.start() for found in (_NOISE.search(line),) if found]
    for pattern, place in _NOISE_WITH_A_PLACE:
        found = pattern.search(line)
        if found:
            begins.append(max(0, found.start() - place))
    return min(begins, default=None)


class Reporter(Protocol):
    """Draws or prints what happens. Every method may be called often and must be quick."""

    def notice(self, text: str) -> None:
        """Something worth a line: a decision, a quarantined frame, where things are."""
        ...

    def changed(self, state: RunState) -> None: ...


SILENT = 2.0
"""Seconds after which a stage of the start is worth a line; a display shows each at once."""
AGAIN = 30.0
"""Seconds between two lines on the same stage."""


class Stages:
    """What a start is at, for whoever waits for it: a folder of 100,000 frames, a faceset that others made."""

    def __init__(self, state: RunState, reporter: Reporter, stopping: Callable[[], bool]) -> None:
        self._state, self._reporter, self._stopping = state, reporter, stopping
        self._since, self._due = 0.0, float("inf")

    def at(self, stage: str) -> None:
        self._state.stage = stage
        self._since = time.monotonic()
        self._due = self._since + SILENT
        self._reporter.changed(self._state)

    def stopping(self) -> bool:
        """Whether the user stops the run. What takes its time asks this often, which is how the time is seen."""
        now = time.monotonic()
        if now >= self._due:
            self._due = now + AGAIN
            self._reporter.notice(f"{self._state.stage}: {now - self._since:.0f} s so far")
        return self._stopping()
