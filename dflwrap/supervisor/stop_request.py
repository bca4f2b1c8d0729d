"""What is asked of a running extraction from outside: finish gently, or end now."""

from __future__ import annotations

from collections.abc import Callable

from dflwrap.common.waits import Flag

FINISHING = "Stopping: finishing the frames at work; again to end now."
ENDING = "Ending now."


class Control:
    """Set by signal handlers, read by the loop. The first request is gentle, the second is not.

    Takes no lock: a handler runs amid whatever the main thread does, which may be waiting here.
    """

    def __init__(self, job: Control | None = None) -> None:
        """job: this one is of one of its runs, which may be stopped alone, and is stopped with the job."""
        self._job = job
        self._gentle: Flag = Flag(job._gentle if job is not None else None)
        self._now: Flag = Flag(job._now if job is not None else None)
        self._reason = ""
        self.by_user = False
        """The user asked, by a signal or from another terminal: then nothing follows the end by itself."""
        self.answer: Callable[[str], None] = lambda text: None
        """Says to the user what a request means; called amid the handler, so it must neither wait nor lock."""

    def request_stop(self) -> None:
        """By a signal of the user's."""
        self.by_user = True
        if not self._gentle.is_set():
            self._gentle.set()
            self.answer(FINISHING)
        elif not self._now.is_set():
            self._now.set()
            self.answer(ENDING)

    def stop_because(self, reason: str, *, by_user: bool = False, at_once: bool = False) -> None:
        """Gently, unless `at_once`. Nothing happens where a stop is under way already and this is no stronger one."""
        self.by_user = self.by_user or by_user
        if not self._gentle.is_set():
            self._reason = reason
            self._gentle.set()
            self.answer(f"Stopping: {reason}; finishing the frames at work.")
        if at_once and not self._now.is_set():
            self._now.set()
            self.answer(ENDING)

    @property
    def reason(self) -> str:
        """Why, where something else than the user's signal asked first: "it is 07:30 (--stop-at)"."""
        return self._reason or (self._job.reason if self._job is not None else "")

    @property
    def whole(self) -> Control:
        """What all that was started by one command heeds: the job, or the one run."""
        return self._job if self._job is not None else self

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
