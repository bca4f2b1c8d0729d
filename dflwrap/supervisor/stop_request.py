"""What the user asks of a running extraction from outside: finish gently, or end now."""

from __future__ import annotations

from collections.abc import Callable

from dflwrap.common.waits import Flag

FINISHING = "Stopping: finishing the frames at work; again to end now."
ENDING = "Ending now."


class Control:
    """Set by signal handlers, read by the loop. The first request is gentle, the second is not.

    Takes no lock: a handler runs amid whatever the main thread does, which may be waiting here.
    """

    def __init__(self) -> None:
        self._gentle = Flag()
        self._now = Flag()
        self.answer: Callable[[str], None] = lambda text: None
        """Says to the user what a request means; called amid the handler, so it must neither wait nor lock."""

    def request_stop(self) -> None:
        if not self._gentle.is_set():
            self._gentle.set()
            self.answer(FINISHING)
        elif not self._now.is_set():
            self._now.set()
            self.answer(ENDING)

    @property
    def stopping(self) -> bool:
        return self._gentle.is_set()

    @property
    def at_once(self) -> bool:
        return self._now.is_set()

    @property
    def stop_event(self) -> Flag:
        """Set once a stop was requested: for waits that take one."""
        return self._gentle

    def pause(self, seconds: float) -> bool:
        """Wait; True when a stop was requested meanwhile."""
        return self._gentle.wait(seconds)
