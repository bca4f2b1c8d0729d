"""report.html beside a run: a bounded process every ten minutes and at the end. No run ever fails over it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from dflwrap.common.waits import join, never, wait_until

EVERY = 600.0
"""Seconds between two pages of a running run."""
LIVE_SECONDS, HURRIED_SECONDS, LAST_SECONDS = 15.0, 6.0, 45.0
"""For faces and pictures of a page; reading the ledger and writing come on top."""
BOUND = 150.0
"""Seconds after which a page that is not made is given up: the one before it stays."""
END_BOUND = 5.0
"""Seconds for a killed process to be gone."""


class PageMaker:
    """Makes the page of one run, in a process that a broken picture or a full disk may end."""

    def __init__(self, database: Path, target: Path) -> None:
        self.target = target
        self._database = database
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """From now on a page every ten minutes."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="report", daemon=True)
            self._thread.start()

    def last(self, stopping: Callable[[], bool] = never, *, hurried: bool = False) -> None:
        """The page of a run that has ended. stopping: the user does not want to wait for it; hurried: not for long."""
        self.close()
        if not stopping():
            self._make(False, HURRIED_SECONDS if hurried else LAST_SECONDS, stopping)

    def close(self) -> None:
        """No further page."""
        self._ended.set()
        if self._thread is not None:
            join(self._thread, END_BOUND + 1)

    def _run(self) -> None:
        while not self._ended.wait(EVERY):
            self._make(True, LIVE_SECONDS, self._ended.is_set)

    def _make(self, alive: bool, seconds: float, stopping: Callable[[], bool]) -> None:
        request = {
            "database": str(self._database),
            "target": str(self.target),
            "alive": alive,
            "seconds": seconds,
        }
        try:
            child = _started()
        except OSError:  # out of memory, of processes
            return
        try:
            if _asked(child, request):
                wait_until(lambda: child.poll() is not None, BOUND, stopping)
        finally:
            _end(child)


def _asked(child: subprocess.Popen[bytes], request: dict[str, Any]) -> bool:
    assert child.stdin is not None
    try:
        child.stdin.write(json.dumps(request).encode("ascii") + b"\n")
        child.stdin.flush()
    except OSError:
        return False
    return True


def _started() -> subprocess.Popen[bytes]:
    """Out of reach of the terminal's Ctrl-C, which is the run's."""
    command = [sys.executable, "-P", "-m", "dflwrap.report.page.process"]
    nothing = subprocess.DEVNULL
    if sys.platform == "win32":
        group = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=nothing, stderr=nothing, creationflags=group
        )
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=nothing, stderr=nothing, process_group=0)


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.kill()
        wait_until(lambda: child.poll() is not None, END_BOUND)
    if child.stdin is not None:
        with suppress(OSError):
            child.stdin.close()
