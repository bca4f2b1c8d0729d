"""One start of dflwrap that nobody watches: from keeping the computer awake to what follows the end."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import IO

from dflwrap import __version__
from dflwrap.cli.terminal.countdown import counted_down
from dflwrap.cli.terminal.printer import CLOSE_BOUND, Printer, within
from dflwrap.common.errors import ExitCode
from dflwrap.supervisor.liveness.awake_clock import AwakeClock
from dflwrap.supervisor.progress import RunState
from dflwrap.supervisor.stop_request import Control
from dflwrap.unattended.awake import kept_awake
from dflwrap.unattended.deadline import Deadline
from dflwrap.unattended.log_file import RunLog
from dflwrap.unattended.notify import Notifier
from dflwrap.unattended.priority import lower_priority
from dflwrap.unattended.stall import Stall
from dflwrap.unattended.watcher import watched
from dflwrap.unattended.when_done import COUNTDOWN, parse_when_done, start
from dflwrap.unattended.wishes import Wishes

FOLLOWED = frozenset({ExitCode.COMPLETE, ExitCode.QUARANTINED, ExitCode.NEEDS_USER})
"""Exit codes that `--when-done` follows; and a stop by the clock."""
STALL_EVERY = 5.0
"""Seconds between two looks at the frames that are done."""


class Night:
    """What one start of dflwrap, with one run or several, has around it."""

    def __init__(self, wishes: Wishes, control: Control) -> None:
        """Raises DflwrapError for wishes that cannot be met."""
        self.wishes, self.control = wishes, control
        self.follows = parse_when_done(wishes.when_done)
        self.deadline = Deadline.of(wishes.stop_at, wishes.max_hours)
        self.opening: list[str] = []
        """What a run says at its start."""
        self._heard: Callable[[str], None] = self.opening.append
        self.notifier = Notifier(wishes.notify, lambda text: self._heard(text))
        self.log: Log | None = None
        """Of the last run."""

    def begin(self, awake_why_not: str, awake_expected: bool) -> None:
        """Say what the user has to know."""
        if awake_why_not and awake_expected:
            self.opening.append(
                f"This computer may go to sleep by itself: it cannot be kept awake ({awake_why_not})."
            )
        if self.wishes.low_priority and not lower_priority():
            self.opening.append("The system does not allow a lower priority.")
        if self.deadline is not None:
            self.opening.append(self.deadline.words(datetime.now()))
        self.notifier.check()

    def look_at_clock(self) -> None:
        """Once a second."""
        why = self.deadline.reached() if self.deadline is not None else ""
        if why:
            self.control.stop_because(why)

    @contextmanager
    def run(self, name: str, state: RunState, notice: Callable[[str], None]) -> Iterator[None]:
        """Around each run: what is to be said is said by `notice`, and a stall is told. name: of its frames."""
        self._heard = notice
        for text in self.opening:
            notice(text)
        self.opening.clear()
        stall, clock = Stall(self.wishes.stall_minutes), AwakeClock()

        def look() -> None:
            if stall.begins(state.done, clock.now()) and state.stage != "finished":
                self.notifier.send(
                    f"dflwrap: {name} stands still",
                    f"No frame for {self.wishes.stall_minutes:g} minutes ({state.stage}); {progress(state)}.",
                )

        with watched(look, STALL_EVERY):
            yield
        self._heard = self._late

    def _late(self, text: str) -> None:
        """Said after a run has ended."""
        with suppress(OSError, ValueError):
            print(text, file=sys.stderr)
        self._into_log(text)

    def _into_log(self, text: str) -> None:
        if self.log is not None:
            self.log.late(text)

    def ended(self, name: str, code: int, words: str) -> None:
        """Send word of one run's end. Not where the user ended it, nor where nothing was started."""
        heading = {
            ExitCode.COMPLETE: "finished",
            ExitCode.QUARANTINED: "finished, with frames set aside",
            ExitCode.NEEDS_USER: "stopped, needs you",
            ExitCode.INTERRUPTED: "stopped by the clock",
            ExitCode.FAULT: "failed",
        }.get(ExitCode(code))
        if heading is None or (code == ExitCode.INTERRUPTED and not self.by_clock):
            return
        self.notifier.send(f"dflwrap: {name} {heading}", words)

    @property
    def by_clock(self) -> bool:
        """The clock has ended it, and the user did not."""
        return bool(self.control.reason) and not self.control.by_user

    @property
    def _came_to_its_end(self) -> bool:
        """The clock ended it; or of a job that did all its runs, one was stopped alone."""
        return self.by_clock or not self.control.stopping

    def follow(self, code: int, facts: dict[str, str], stream: IO[str], as_json: bool) -> None:
        """Wait for the last message, then do what follows the end."""
        control = self.control
        called_off = control.by_user
        control.answer = lambda text: None  # the display is gone
        self.notifier.finish(stopping=lambda: control.by_user and not called_off)
        follows = code in FOLLOWED or (code == ExitCode.INTERRUPTED and self._came_to_its_end)
        if self.follows is None or not follows or control.by_user:
            return
        words = self.follows.words
        output = sys.stderr if as_json else stream
        facts = {**facts, "DFLWRAP_EXIT_CODE": str(int(code)), "DFLWRAP_REASON": control.reason}
        self._into_log(f"In {COUNTDOWN} s {words} (--when-done)")
        if counted_down(
            COUNTDOWN,
            lambda left: f"In {left} s {words}; any key calls it off.",
            stream,
            lambda: control.by_user,
        ):
            said = start(self.follows, facts, output, lambda: control.by_user)
        else:
            said = "Called off (--when-done)."
        with suppress(OSError, ValueError):
            stream.write(f"{said}\n")
        self._into_log(said)

    def follow_unread(self, code: int, facts: dict[str, str]) -> None:
        """The same where the terminal takes nothing any more."""
        with Path(os.devnull).open("w") as nowhere:
            self.follow(code, facts, nowhere, as_json=False)


def progress(state: RunState) -> str:
    """How far it is."""
    return f"{state.done} of {state.counts.total} frames are done"


@contextmanager
def nightly(wishes: Wishes, control: Control) -> Iterator[Night]:
    """Around one start of dflwrap. Raises DflwrapError for wishes that cannot be met; then nothing has begun."""
    night = Night(wishes, control)
    with ExitStack() as stack:
        awake = stack.enter_context(kept_awake(wishes.keep_awake))
        night.begin(awake.why_not, awake.expected)
        stack.enter_context(watched(night.look_at_clock))
        yield night


class Log:
    """dflwrap.log of one run, written by a thread of its own: a disk that does not answer stops nobody."""

    def __init__(self) -> None:
        self._file = RunLog()
        self._printer = Printer(self._file.write)

    def __call__(self, text: str) -> None:
        self._printer.say(text)

    def open(self, run_folder: Path) -> None:
        """From here on, and with what was said before."""
        self._file.open(run_folder, f"dflwrap {__version__} starts")

    def late(self, text: str) -> None:
        """After `close`: waited for, with a limit."""
        within(lambda: self._file.write(text), CLOSE_BOUND)

    def close(self) -> None:
        """The run has ended."""
        self._printer.close()
