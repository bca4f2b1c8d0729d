"""What the user wants of a run that nobody watches, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field

STALL_MINUTES = 30.0
"""Minutes without a frame after which word is sent: the slowest known start of an extractor takes that long."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """Of one start of dflwrap, however many runs it makes."""

    keep_awake: bool = True
    stop_at: str = ""
    """A time of day, "07:30"; "" = none."""
    max_hours: float = 0.0
    """0 = no limit."""
    when_done: str = ""
    """"sleep", "shutdown", a command, or "" for nothing."""
    low_priority: bool = False
    notify: tuple[str, ...] = field(default=(), repr=False)
    """Addresses as apprise takes them. They hold passwords: never to be shown or stored."""
    stall_minutes: float = STALL_MINUTES
    """0 = no word of a stall."""
