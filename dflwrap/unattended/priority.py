"""Letting other programs go first (`--low-priority`)."""

from __future__ import annotations

import sys
from contextlib import suppress

import psutil

NICE = 10
"""As `nice` without a number gives: programs at the usual priority get nine tenths of a core that both want."""


def lower_priority() -> bool:
    """Of this process and of all that it starts from now on; False where the system refuses.

    The video card knows no priority: another program there is not helped by it.
    """
    process = psutil.Process()
    try:
        if sys.platform == "win32":
            process.nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)  # handed on to children, unlike a higher one
        elif process.nice() < NICE:
            process.nice(NICE)
    except (psutil.Error, OSError):
        return False
    with suppress(psutil.Error, OSError, AttributeError, ValueError):
        if sys.platform.startswith("linux"):
            process.ionice(psutil.IOPRIO_CLASS_BE, value=7)
        elif sys.platform == "win32":
            process.ionice(psutil.IOPRIO_LOW)
    return True
