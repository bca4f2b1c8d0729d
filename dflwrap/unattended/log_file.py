"""`dflwrap.log` in the run folder: everything that was said, with its time; old parts move to dflwrap.log.1 ... .3."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

from dflwrap.common.text import display
from dflwrap.common.trees import is_link

NAME = "dflwrap.log"
HEADER = "dflwrap log"
"""How each file of ours begins: another file of that name is the user's, and stays as it is."""
LARGEST = 1_000_000
"""Bytes of one file; a night with 75,000 frames says less than half of it."""
EARLIER = 3
"""Full files that are kept."""
MOST_EARLY = 1000
"""Lines that are kept until there is a run folder."""


class RunLog:
    """Lines of one start of dflwrap. `write` may be called before `open`; nothing here raises."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._early: list[tuple[float, str]] = []
        self._handler: _Rotating | None = None
        self._closed = False

    def open(self, folder: Path, first: str) -> None:
        """From here on into `folder`, which is ours: the line `first`, then what was said before."""
        with self._lock:
            if self._handler is not None or self._closed:
                return
            path = folder / NAME
            if not _is_ours_or_free(path):
                self._closed = True
                return
            self._handler = _Rotating(path)
            early, self._early = self._early, []
            self._put(early[0][0] if early else time.time(), first)
            for moment, text in early:
                self._put(moment, text)

    def write(self, text: str) -> None:
        """One line or several. Not for a signal handler: takes a lock."""
        with self._lock:
            if self._handler is not None:
                self._put(time.time(), text)
            elif not self._closed and len(self._early) < MOST_EARLY:
                self._early.append((time.time(), text))

    def close(self) -> None:
        """Nothing is written any more."""
        with self._lock:
            self._closed = True
            if self._handler is not None:
                with suppress(OSError, ValueError):
                    self._handler.close()
                self._handler = None

    def _put(self, moment: float, text: str) -> None:
        assert self._handler is not None
        for line in text.splitlines() or [""]:
            self._handler.put(moment, display(line.rstrip()))


class _Rotating(RotatingFileHandler):
    """The library's rotation, but for files that are not ours, and for a disk that takes nothing for a while."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            path,
            maxBytes=LARGEST,
            backupCount=EARLIER,
            encoding="utf-8",
            delay=True,
            errors="backslashreplace",
        )
        self._path = path
        self.setFormatter(logging.Formatter("%(message)s"))

    def put(self, moment: float, line: str) -> None:
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment))
        self.handle(logging.LogRecord("dflwrap", logging.INFO, "", 0, f"{stamp} {line}", None, None))

    def _open(self) -> TextIOWrapper:
        stream = super()._open()
        if not stream.tell():
            stream.write(f"{HEADER}, times are local (UTC{time.strftime('%z')})\n")
        return stream

    def shouldRollover(self, record: logging.LogRecord) -> bool:  # noqa: N802 - the library's name
        if not super().shouldRollover(record):
            return False
        return all(
            _is_ours_or_free(self._path.with_name(f"{NAME}.{number}")) for number in range(1, EARLIER + 1)
        )

    def doRollover(self) -> None:  # noqa: N802
        try:
            super().doRollover()
        except OSError:  # held open by another program (Windows): the next line tries again
            if self.stream is None:
                with suppress(OSError):
                    self.stream = self._open()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """A full disk, or one that is gone: what is said is still on the terminal, and in the ledger."""
        if self.stream is not None:
            with suppress(OSError, ValueError):
                self.stream.close()
        self.stream = None  # opened again by the next line


def _is_ours_or_free(path: Path) -> bool:
    try:
        if is_link(path):
            return False
        if not path.exists():
            return True
        with path.open("rb") as file:
            head = file.read(len(HEADER))
        return head == HEADER.encode() or (not head and path.is_file())
    except OSError:
        return False
