"""What the user asks of a running extraction from outside: finish gently, or end now."""

from __future__ import annotations

import threading


class Control:
    """Set by signal handlers, read by the loop. The first request is gentle, the second is not."""

    def __init__(self) -> None:
        self._gentle = threading.Event()
        self._now = threading.Event()

    def request_stop(self) -> None:
        if self._gentle.is_set():
            self._now.set()
        self._gentle.set()

    @property
    def stopping(self) -> bool:
        return self._gentle.is_set()

    @property
    def at_once(self) -> bool:
        return self._now.is_set()

    @property
    def stop_event(self) -> threading.Event:
        """Set once a stop was requested: for waits that take an event."""
        return self._gentle

    def pause(self, seconds: float) -> bool:
        """Wait; True when a stop was requested meanwhile."""
        return self._gentle.wait(seconds)
