"""`report.json` on the disk: there from the start, and written at the end also where the disk is full."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from dflwrap.common.errors import DflwrapError, NeedsUserError
from dflwrap.common.storage import FULL_ERRNOS
from dflwrap.ledger.ledger import Ledger
from dflwrap.report.summary import RUNNING, build_report, write_report

LEAST_RESERVE = 64 * 1024
PER_FRAME = 256
"""Bytes of the report for one frame that was not reached: its name, the cause and the reason."""


class ReportFile:
    """The report of one run, and the room that is kept for it.

    It never tells of an earlier state: from `running` on, a process that is killed leaves a report that says so.
    """

    def __init__(self, path: Path, ledger: Ledger) -> None:
        self._path, self._ledger = path, ledger
        self._reserve = path.with_suffix(".reserve")
        self.ignored: Sequence[dict[str, str]] = ()
        """What in the input folder is no frame."""

    def running(self) -> None:
        """Say that the run is under way, with the figures of now. Raises OSError."""
        self.write(self.build(RUNNING, None))

    def stopped(self, cause: str, sentence: str) -> None:
        """Say why the run ended, as far as that can be said: what ended it may be the disk."""
        with suppress(OSError, DflwrapError):
            self.write(self.build("stopped", {"cause": cause, "sentence": sentence, "steps": []}))

    def build(self, state: str, stop: dict[str, Any] | None) -> dict[str, Any]:
        """The report of now."""
        return build_report(self._ledger, state=state, stop=stop, ignored=self.ignored)

    def write(self, report: dict[str, Any]) -> None:
        """Put it onto the disk; where that is full, into the reserve, or in place of the one before. Raises OSError."""
        for make_room in (self.release, self._unlink):
            try:
                write_report(self._path, report)
            except OSError as error:
                if error.errno not in FULL_ERRNOS:
                    raise
                make_room()
            else:
                return
        write_report(self._path, report)

    def _unlink(self) -> None:
        self._path.unlink(missing_ok=True)

    def reserve(self) -> None:
        """Keep room for a report over the run's frames; where there is none, none is kept."""
        try:
            # Random bytes: a file system that compresses would keep no room for zeros.
            left = LEAST_RESERVE + PER_FRAME * self._ledger.counts().total
            with self._reserve.open("wb") as file:
                while left > 0:
                    left -= file.write(os.urandom(min(left, 1 << 20)))
        except OSError:
            self.release()

    def release(self) -> None:
        with suppress(OSError):  # a disk that is gone, or read-only: there is nothing to be won
            self._reserve.unlink(missing_ok=True)


def say_stopped(path: Path, error: NeedsUserError) -> None:
    """Why the run ended, in the report that is there: for a ledger that no new one can be made of.

    Its figures stay those of when it was written. Where it cannot be changed it keeps saying "running".
    """
    with suppress(OSError, ValueError, TypeError, KeyError):
        report = json.loads(path.read_bytes())
        stop = {"cause": error.cause, "sentence": str(error), "steps": list(error.steps)}
        report["run"] |= {"state": "stopped", "stop": stop}
        write_report(path, report)
