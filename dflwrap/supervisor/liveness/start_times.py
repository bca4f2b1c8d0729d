"""How long starting took in earlier attempts of this run: what a start that comes to nothing is bounded by."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

START_FACTOR = 20.0
"""A start or a first frame may take this many times the slowest one so far."""
MIN_START_BOUND = 120.0
"""Seconds."""


@dataclass(frozen=True, slots=True)
class StartTimes:
    """Seconds; None: not seen yet, so nothing is concluded."""

    start: float | None = None
    """From the launch to the first frame that was handed to a worker."""
    first_frame: float | None = None
    """From there to the first frame that was done."""

    def slowest(self, other: StartTimes) -> StartTimes:
        return StartTimes(_slower(self.start, other.start), _slower(self.first_frame, other.first_frame))


NO_TIMES = StartTimes()


def learned_bound(seen: float | None, stated: float) -> float:
    """Seconds for a phase that took `seen` seconds at its slowest; never above the stated timeout."""
    if seen is None:
        return stated
    return min(stated, max(MIN_START_BOUND, START_FACTOR * seen))


class LearnedStartTimes:
    """The slowest start so far under each of a run's conditions (extractor, devices, mode)."""

    def __init__(self) -> None:
        self._seen: dict[Hashable, StartTimes] = {}

    def of(self, condition: Hashable) -> StartTimes:
        return self._seen.get(condition, NO_TIMES)

    def learn(self, condition: Hashable, times: StartTimes) -> None:
        self._seen[condition] = self.of(condition).slowest(times)


def _slower(one: float | None, other: float | None) -> float | None:
    known = [seconds for seconds in (one, other) if seconds is not None]
    return max(known, default=None)
