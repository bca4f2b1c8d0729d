"""Time that passes only while somebody looks."""

from __future__ import annotations

import time
from collections.abc import Callable

PAUSE = 2.0
"""Seconds that a gap between two looks counts at most. The loop looks ten times a second; where each of its
turns takes longer than this, time still passes."""


class AwakeClock:
    """`time.monotonic`, in seconds, with gaps in which nobody asked it cut short: the computer slept, this
    process was stopped, or everything was frozen. The extractor did too, and is not late for it.

    A steady clock may count the computer's sleep (Windows) or not (Linux, macOS).
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last = clock()
        self._slept = 0.0

    def now(self) -> float:
        last, self._last = self._last, self._clock()
        self._slept += max(0.0, self._last - last - PAUSE)
        return self._last - self._slept
