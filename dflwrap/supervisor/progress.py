"""The state of a run as others may see it; those that draw it know the terminal, this does not."""

from __future__ import annotations

import re
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

from dflwrap.common.plan import Plan
from dflwrap.ledger.records import Counts

_BAR = re.compile(r"\s*\d{1,3}%\|")


@dataclass(slots=True)
class RunState:
    stage: str = "preparing"
    counts: Counts = field(default_factory=lambda: Counts(0, 0, 0, 0, 0, 0, 0))
    settled_here: int = 0
    """Frames that got their outcome from an extractor since this start of dflwrap."""
    extracting_since: float | None = None
    """`time.monotonic()` when the first frame of this start was finished."""
    attempt: int = 0
    plan: Plan | None = None
    extractor: str = ""
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=6))
    """The last lines of the extractor, safe to print."""

    def add_line(self, text: str) -> None:
        """A line of the extractor; of a progress bar only the last state stays."""
        if self.lines and _BAR.match(text) and _BAR.match(self.lines[-1]):
            self.lines.pop()
        self.lines.append(text)

    @property
    def done(self) -> int:
        return self.counts.total - self.counts.open

    def rate(self) -> float | None:
        """Frames per second of this start, or None while it is not known."""
        if self.extracting_since is None or self.settled_here < 2:
            return None
        elapsed = time.monotonic() - self.extracting_since
        return (self.settled_here - 1) / elapsed if elapsed > 0 else None

    def seconds_left(self) -> float | None:
        rate = self.rate()
        return self.counts.open / rate if rate else None


class Reporter(Protocol):
    """Draws or prints what happens. Every method may be called often and must be quick."""

    def notice(self, text: str) -> None:
        """Something worth a line: a decision, a quarantined frame, where things are."""
        ...

    def changed(self, state: RunState) -> None: ...
