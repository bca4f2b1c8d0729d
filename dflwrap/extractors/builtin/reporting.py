"""What the host says: events for a program, console lines for a person (and for DeepFaceLab's readers)."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any, TextIO

from dflwrap.common.events import EVENTS_ENV, Event, EventKind
from dflwrap.common.output import prepare_output
from dflwrap.common.text import display

_BAR_WIDTH = 30
_BAR_INTERVAL = 0.1
"""Seconds between two drawings of the bar."""


class EventWriter:
    """Appends one JSON line per event, each in one write; does nothing without a file."""

    def __init__(self, path: Path | None) -> None:
        """Opens `path` for appending. Raises OSError where that is not possible."""
        self._file = None if path is None else path.open("ab", buffering=0)
        self._torn = False

    @classmethod
    def from_environment(cls) -> EventWriter:
        """The writer into the file the environment names, if it names one."""
        path = os.environ.get(EVENTS_ENV)
        return cls(Path(path) if path else None)

    def write(
        self, kind: EventKind, /, worker: str | None = None, frame: str | None = None, **data: Any
    ) -> None:
        """Append an event. A full disk must not end the extraction: what cannot be written is lost."""
        if self._file is None:
            return
        line = Event(kind, time.time(), worker, frame, data).to_json().encode("ascii") + b"\n"
        try:
            written = self._file.write(b"\n" + line if self._torn else line)
            self._torn = written is not None and written < len(line)
        except OSError:
            self._torn = True

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


class Console:
    """Lines on stdout, a bar on stderr, in DeepFaceLab's grammar."""

    def __init__(self, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._err = err or sys.stderr
        self._began = 0.0
        self._drawn = 0.0
        self._open_bar = False
        prepare_output(self._out, self._err)

    def line(self, text: str) -> None:
        self._end_bar()
        shown = "\n".join(map(display, text.split("\n")))  # file names and error texts are not ours
        print(shown, file=self._out, flush=True)

    def error(self, text: str) -> None:
        self.line(f"/!\\ {text}")

    def bar(self, done: int, total: int) -> None:
        """Draw the bar; the last drawing ends its line."""
        now = time.monotonic()
        if not self._began:
            self._began = now
        if done < total and now - self._drawn < _BAR_INTERVAL:
            return
        self._drawn = now
        share = done / total if total else 1.0
        filled = int(share * _BAR_WIDTH)
        elapsed = now - self._began
        rate = done / elapsed if elapsed > 0 else 0.0
        left = _clock((total - done) / rate) if rate > 0 else "?"
        speed = f"{rate:.2f}it/s" if rate > 0 else "?it/s"
        body = "#" * filled + " " * (_BAR_WIDTH - filled)
        text = f"\r{share:4.0%}|{body}| {done}/{total} [{_clock(elapsed)}<{left}, {speed}]"
        print(text, end="", file=self._err, flush=True)
        self._open_bar = True
        if done >= total:
            self._end_bar()

    def _end_bar(self) -> None:
        if self._open_bar:
            print(file=self._err, flush=True)
            self._open_bar = False


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes:02d}:{rest:02d}"
