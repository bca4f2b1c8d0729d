"""The time at which a run has to end: `--stop-at` by the clock on the wall, `--max-hours` from its start."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from dflwrap.common.errors import DflwrapError

MOST_HOURS = 10_000.0
"""Beyond every night; a larger number is a slip."""


def next_time(text: str, now: datetime) -> datetime:
    """The next moment at which a clock on the wall shows `text` ("7:30"), after `now`; both without a time zone.

    Raises DflwrapError.
    """
    found = re.fullmatch(r"([0-9]{1,2}):([0-9]{2})", text.strip())
    if found is None or int(found[1]) > 23 or int(found[2]) > 59:
        raise DflwrapError(f"--stop-at {text[:40]!r} is not a time of day. Write it like 07:30 or 23:15.")
    wanted = now.replace(hour=int(found[1]), minute=int(found[2]), second=0, microsecond=0)
    return wanted if wanted > now else wanted + timedelta(days=1)


def passed_time() -> float:
    """Seconds on a clock that nobody sets, and that goes on while the computer sleeps."""
    if sys.platform == "win32":
        return time.monotonic()  # counts sleep there
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    if clock is None:  # macOS: this one counts sleep, `time.monotonic` does not
        clock = time.CLOCK_MONOTONIC
    return time.clock_gettime(clock)


@dataclass(frozen=True, slots=True)
class Deadline:
    """Looked at again and again, never waited for: a computer that slept past it ends the run when it wakes up."""

    stop_at: datetime | None = None
    """Local time, without a time zone: as the user reads it from a clock, also after a change to summer time."""
    ends: float | None = None
    """By `passed_time`."""
    max_hours: float = 0.0

    @classmethod
    def of(
        cls,
        stop_at: str,
        max_hours: float,
        now: Callable[[], datetime] = datetime.now,
        passed: Callable[[], float] = passed_time,
    ) -> Deadline | None:
        """None where neither is asked for ("" and 0). Raises DflwrapError for what is no time."""
        if not 0 <= max_hours <= MOST_HOURS:  # also "nan"
            raise DflwrapError(f"--max-hours {max_hours:g} will not do. Give hours from 0 to {MOST_HOURS:g}.")
        if not stop_at and not max_hours:
            return None
        return cls(
            next_time(stop_at, now()) if stop_at else None,
            passed() + 3600 * max_hours if max_hours else None,
            max_hours,
        )

    def reached(
        self, now: Callable[[], datetime] = datetime.now, passed: Callable[[], float] = passed_time
    ) -> str:
        """Why the run has to end, or ""."""
        if self.stop_at is not None and now() >= self.stop_at:
            return f"it is {self.stop_at:%H:%M} (--stop-at)"
        if self.ends is not None and passed() >= self.ends:
            hours = f"{self.max_hours:g} hour{'' if self.max_hours == 1 else 's'}"
            return (
                f"{hours} are over (--max-hours)" if self.max_hours != 1 else f"{hours} is over (--max-hours)"
            )
        return ""

    def words(self, now: datetime) -> str:
        """For the start of a run."""
        parts = []
        if self.stop_at is not None:
            day = "" if self.stop_at.date() == now.date() else "tomorrow "
            parts.append(f"{day}at {self.stop_at:%H:%M}")
        if self.ends is not None:
            parts.append(f"after {self.max_hours:g} hour{'' if self.max_hours == 1 else 's'}")
        return f"Stops {' or '.join(parts)} at the latest; the same command resumes."
