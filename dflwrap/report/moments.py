"""Moments in time for people and for files: ISO 8601 with the offset of this machine's time zone."""

from __future__ import annotations

from datetime import datetime


def iso(seconds: float | None) -> str | None:
    """`2026-11-27T03:12:45+01:00` of seconds since the epoch; None for None, and for what no calendar has."""
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return None
