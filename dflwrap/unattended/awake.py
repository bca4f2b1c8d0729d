"""Keeping the computer from going to sleep by itself while a run works. The screen may turn off."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Awake:
    """What became of the wish."""

    def __init__(self, why_not: str = "", expected: bool = True) -> None:
        self.why_not = why_not
        """"" where the computer is kept awake."""
        self.expected = expected
        """False on a machine without a desktop: nothing there puts it to sleep either."""


@contextmanager
def kept_awake(wanted: bool) -> Iterator[Awake]:
    """Within the block, as far as the system lets us: Windows, macOS, and Linux with a desktop. Never raises.

    A dflwrap that is killed keeps nobody awake: the wish ends with its process.
    """
    mode = None
    state = Awake("switched off (--no-keep-awake)", expected=False)
    if wanted:
        state = Awake()
        try:
            from wakepy import keep

            mode = keep.running(on_fail="pass")
            active = mode.__enter__()
            if not active.active:
                state = _failed("the system offers no way to ask for it")
        except Exception as error:  # a broken desktop bus must not keep a run from starting
            state, mode = _failed(f"{type(error).__name__}"), None
    try:
        yield state
    finally:
        if mode is not None:
            with suppress(Exception):
                mode.__exit__(None, None, None)


def _failed(why: str) -> Awake:
    desktop = sys.platform in ("win32", "darwin") or bool(os.environ.get("DBUS_SESSION_BUS_ADDRESS"))
    return Awake(why, expected=desktop)
