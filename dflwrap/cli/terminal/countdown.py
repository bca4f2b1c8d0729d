"""Counting down where a key keeps something from happening."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO

from dflwrap.cli.terminal.asking import somebody_there, typed_already
from dflwrap.common.waits import wait_until


def counted_down(
    seconds: int,
    words: Callable[[int], str],
    stream: IO[str],
    stopping: Callable[[], bool],
    step: float = 1.0,
) -> bool:
    """True when it came to its end; False where a key was pressed, or `stopping` says so.

    Drawn once a second at a terminal, said once elsewhere. step: seconds of one count.
    """
    live = somebody_there(stream)
    stopped = False
    with _key_pressed() if live else _nobody() as pressed:

        def called_off() -> bool:
            return stopping() or pressed()

        for left in range(seconds, 0, -1):
            with suppress(OSError, ValueError):
                if live:
                    stream.write(f"\r{words(left)} ")
                elif left == seconds:
                    stream.write(f"{words(left)}\n")
                stream.flush()
            if wait_until(called_off, step):
                stopped = True
                break
    if live:
        with suppress(OSError, ValueError):
            stream.write("\n")
    return not stopped


@contextmanager
def _nobody() -> Iterator[Callable[[], bool]]:
    yield lambda: False


@contextmanager
def _key_pressed() -> Iterator[Callable[[], bool]]:
    if sys.platform == "win32":
        import msvcrt

        while msvcrt.kbhit():  # typed long before the question
            msvcrt.getwch()
        yield lambda: bool(msvcrt.kbhit()) or typed_already()
        while msvcrt.kbhit():
            msvcrt.getwch()
        return
    import select
    import termios
    import tty

    try:
        before = termios.tcgetattr(0)
        tty.setcbreak(0, termios.TCSAFLUSH)  # each key counts at once; what was typed before does not
    except (termios.error, OSError):
        yield typed_already
        return

    def pressed() -> bool:
        if typed_already():
            return True
        try:
            ready = bool(select.select([0], [], [], 0)[0])
            return ready and bool(os.read(0, 64))
        except OSError:
            return False

    try:
        yield pressed
    finally:
        with suppress(termios.error, OSError):
            termios.tcsetattr(0, termios.TCSADRAIN, before)
