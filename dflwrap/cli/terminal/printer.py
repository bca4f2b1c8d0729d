"""Printing in a thread of its own: a blocked terminal stops nobody but this thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

from dflwrap.common.waits import join, never

MOST_WAITING = 1000
"""Lines that wait for a blocked terminal (a selection in a console of Windows, Ctrl-S, a pipe that is not
read); later ones are counted, not kept."""
CLOSE_BOUND = 5.0
"""Seconds for the lines that still wait at the end."""


class Printer:
    """Hands lines to `write` in order. `say` never waits, and may be called in a signal handler."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._lines: SimpleQueue[str | None] = SimpleQueue()  # unlike Queue, safe in a signal handler
        self._left_out = 0
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="printer", daemon=True)
        self._thread.start()

    def say(self, line: str) -> None:
        if self._ended:
            return
        if self._lines.qsize() >= MOST_WAITING:
            self._left_out += 1
        else:
            self._lines.put(line)

    def close(self) -> None:
        """Let what waits be printed, for CLOSE_BOUND seconds at most."""
        self._lines.put(None)
        join(self._thread, CLOSE_BOUND)

    def _run(self) -> None:
        try:
            while (line := self._lines.get()) is not None:
                self._write(line)
                if self._left_out and not self._lines.qsize():
                    self._tell_left_out()
            if self._left_out:
                self._tell_left_out()
        except (Exception, SystemExit):
            self._left_out = 0  # nobody reads any more (Rich answers a broken pipe with SystemExit)
        finally:
            self._ended = True

    def _tell_left_out(self) -> None:
        left_out, self._left_out = self._left_out, 0
        self._write(f"({left_out} lines were left out while the terminal was blocked: see the report)")


def within(work: Callable[[], None], seconds: float, stopping: Callable[[], bool] = never) -> bool:
    """Do `work`, which prints, in a thread. False where it has not ended after `seconds`, or when `stopping` says so:
    then the terminal is blocked, and the thread with it. Raises what `work` raises.
    """
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run, name="last-words", daemon=True)
    thread.start()
    ended = join(thread, seconds, stopping)
    if raised:
        raise raised[0]
    return ended
