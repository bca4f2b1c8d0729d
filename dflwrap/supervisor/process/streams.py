"""The extractor's output: copied to the attempt's log files, cut into lines, both bounded."""

from __future__ import annotations

import sys
import threading
from collections import deque
from pathlib import Path
from typing import IO, NamedTuple

MAX_LINE = 64 * 1024
"""Longer lines are passed on in pieces of this many bytes."""
HEAD_BYTES = 16 * 1024 * 1024
TAIL_BYTES = 16 * 1024 * 1024
"""A log file keeps its first HEAD_BYTES and about its last TAIL_BYTES; what lies between is dropped."""
MAX_QUEUED = 20_000
MAX_QUEUED_BYTES = 8 * 1024 * 1024
"""Lines, and bytes in them, waiting for the supervisor; a flood beyond either is logged but not passed on."""
SHORT = 1024
"""Bytes of a line that is passed on though the bytes are full: an endless line must not cost an error message."""


class Line(NamedTuple):
    """A line of output, cut at MAX_LINE bytes."""

    stream: str
    """"stdout" or "stderr"."""
    text: bytes
    ended: bool
    """False: no line end yet, but nothing came for a while (a prompt?)."""


class LineQueue:
    """Lines on their way to the supervisor, from several threads; bounded by their number and their bytes."""

    def __init__(self, lines: int = MAX_QUEUED, size: int = MAX_QUEUED_BYTES) -> None:
        self._most, self._most_bytes = lines, size
        self._lines: deque[Line] = deque()
        self._bytes = 0
        self._lock = threading.Lock()

    def offer(self, line: Line) -> bool:
        """Add it; False where there is no room."""
        with self._lock:
            long = len(line.text) > SHORT
            if len(self._lines) >= self._most or (long and self._bytes + len(line.text) > self._most_bytes):
                return False
            self._lines.append(line)
            self._bytes += len(line.text)
            return True

    def take(self) -> Line:
        """The oldest. Raises IndexError where there is none."""
        with self._lock:
            line = self._lines.popleft()
            self._bytes -= len(line.text)
            return line

    def __len__(self) -> int:
        return len(self._lines)


class BoundedLog:
    """A log file that a flood cannot make larger than HEAD_BYTES + 2 * TAIL_BYTES."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._tail_paths = (path.with_suffix(".tail1.log"), path.with_suffix(".tail2.log"))
        self._file: IO[bytes] = path.open("wb")
        self._room = HEAD_BYTES
        self._turns = 0
        self.failed = False

    def write(self, data: bytes) -> None:
        """Never raises: a full disk must not stop the pipe from being drained."""
        try:
            self._write(data)
        except OSError:
            self.failed = True

    def _write(self, data: bytes) -> None:
        while data:
            if self._room <= 0:
                self._turn()
            part, data = data[: self._room], data[self._room :]
            self._file.write(part)
            self._room -= len(part)
        self._file.flush()

    def _turn(self) -> None:
        """Continue in the older of the two tail files."""
        self._file.close()
        self._file = self._tail_paths[self._turns % 2].open("wb")
        self._turns += 1
        self._room = TAIL_BYTES

    def close(self) -> None:
        """Join head and tails into one file."""
        try:
            self._file.close()
            if self._turns:
                self._join()
        except OSError:
            self.failed = True

    def _join(self) -> None:
        newest = (self._turns - 1) % 2
        tails = [self._tail_paths[newest]]
        if self._turns > 1:
            tails.insert(0, self._tail_paths[1 - newest])
        with self._path.open("ab") as file:
            if self._turns > 2:
                file.write(b"\n[dflwrap: the log was longer; what stood here is left out]\n")
            for tail in tails:
                with tail.open("rb") as part:
                    while chunk := part.read(1 << 20):
                        file.write(chunk)
                tail.unlink()


class StreamPump(threading.Thread):
    """Drains one pipe until its end, whatever comes through it."""

    def __init__(self, name: str, pipe: IO[bytes], log: Path, lines: LineQueue) -> None:
        super().__init__(name=f"pump-{name}", daemon=True)
        self._name, self._pipe, self._lines = name, pipe, lines
        self._log = BoundedLog(log)
        self._lock = threading.Lock()
        self._pending = b""
        self._told = True
        self.bytes_seen = 0

    def run(self) -> None:
        try:
            while chunk := self._pipe.read1(65536):  # type: ignore[attr-defined]
                self._log.write(chunk)
                self._cut(chunk)
                self.bytes_seen += len(chunk)
        except (OSError, ValueError):
            pass  # the pipe was closed under us
        if self._pending:
            self._pass_on(self._pending, ended=True)
        self._log.close()

    def _cut(self, chunk: bytes) -> None:
        with self._lock:
            pieces = (self._pending + chunk).replace(b"\r", b"\n").split(b"\n")
            self._pending = pieces.pop()
            self._told = False
            if len(self._pending) > MAX_LINE:
                pieces.append(self._pending)
                self._pending = b""
        for piece in pieces:
            for start in range(0, len(piece), MAX_LINE):
                self._pass_on(piece[start : start + MAX_LINE], ended=True)

    def _pass_on(self, text: bytes, *, ended: bool) -> None:
        if text.strip():
            self._lines.offer(Line(self._name, text, ended))

    def quiet(self) -> None:
        """Called when nothing came for a while: tells once what stands there without a line end."""
        with self._lock:
            if self._told or not self._pending:
                return
            self._told = True
            text = self._pending
        self._pass_on(text, ended=False)


class EventTail:
    """Reads the complete new lines of a growing events file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None
        self._pending = b""

    def read(self, most: int = sys.maxsize) -> list[bytes]:
        """The lines since the last call; after `most` bytes (rounded up to a MiB) the others follow at the next."""
        if self._file is None:
            try:
                self._file = self._path.open("rb")
            except OSError:
                return []
        lines: list[bytes] = []
        while most > 0 and (chunk := self._file.read(1 << 20)):
            most -= len(chunk)
            pieces = (self._pending + chunk).split(b"\n")
            self._pending = pieces.pop()[-MAX_LINE * 16 :]
            lines += pieces
        return lines

    def close(self) -> None:
        if self._file:
            self._file.close()
