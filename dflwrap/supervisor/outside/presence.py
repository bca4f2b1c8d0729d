"""What a run is at, written into its ledger now and then, for `dflwrap status` in another terminal."""

from __future__ import annotations

import os
import platform
import time
from contextlib import suppress
from typing import Any

import psutil

from dflwrap.common.errors import DflwrapError, ExitCode
from dflwrap.ledger.ledger import Ledger

KEY = "presence"
"""In the ledger; `dflwrap.status.reading` reads it."""
WRITE_EVERY = 10.0
"""Seconds between two writes of the same stage: each is flushed to the disk."""
RUNNING, ENDED = "running", "ended"


class Presence:
    """Of one start of dflwrap. Nothing here raises: a run does not end because nobody can look at it."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._began = time.time()
        self._stage, self._since = "", self._began
        self._ended = False
        self._written = float("-inf")
        self._who = {"pid": os.getpid(), "started": _process_start(), "host": platform.node()[:200]}

    def show(self, stage: str, facts: dict[str, Any]) -> None:
        """Write it down where the stage is new, or the last time is long ago. To be called often."""
        if self._ended:  # what still follows (the report) changes nothing of how it ended
            return
        now = time.monotonic()
        if stage == self._stage and now - self._written < WRITE_EVERY:
            return
        if stage != self._stage:
            self._stage, self._since = stage, time.time()
        self._written = now
        self._put({"state": RUNNING, "stage": stage, "stage_since": self._since, **facts})

    def close(self) -> None:
        """An error has ended it, where nothing else was said of the end."""
        if self._stage and not self._ended:
            self.end("stopped", ExitCode.FAULT, None, "an error ended it; its log says more")

    def end(self, state: str, exit_code: int, stop: dict[str, Any] | None, reason: str) -> None:
        """state: as in the report. stop: as there."""
        self._ended = True
        self._put({"state": ENDED, "ended_as": state, "exit_code": exit_code, "stop": stop, "reason": reason})

    def _put(self, facts: dict[str, Any]) -> None:
        with suppress(DflwrapError):
            self._ledger.put(KEY, {**self._who, "began": self._began, "time": time.time(), **facts})


def _process_start() -> float | None:
    """With the process id, which process it is; seconds since the epoch."""
    try:
        return psutil.Process().create_time()
    except psutil.Error:
        return None
