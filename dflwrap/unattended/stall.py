"""A run that gains no frame for a long time: worth sending word, once each time."""

from __future__ import annotations


class Stall:
    """Looked at now and then; knows no clock and no run."""

    def __init__(self, minutes: float) -> None:
        """minutes: without a frame; 0 = never."""
        self._seconds = 60 * minutes
        self._done = -1
        self._since = 0.0
        self._told = False

    def begins(self, done: int, now: float) -> bool:
        """True once in each stall. done: frames with an outcome; now: seconds on a clock that stops in sleep."""
        if done != self._done:
            self._done, self._since, self._told = done, now, False
        if self._told or not self._seconds or now - self._since < self._seconds:
            return False
        self._told = True
        return True
