"""Writes events: one JSON object per line, whole lines only, flushed at once."""
# mypy: ignore-errors

import json
import os
import threading
import time

TRACEBACK_LIMIT = 8000
"""Characters of a traceback that are kept (its end, where the error is)."""


class Reporter:
    """The events file; `path` "" drops everything (an agent started by hand)."""

    def __init__(self, path):
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
        self._file = os.open(path, flags, 0o644) if path else None
        self._lock = threading.Lock()

    def emit(self, event, worker=None, frame=None, **data):
        if self._file is None:
            return
        body = {"event": event, "time": time.time()}
        if worker is not None:
            body["worker"] = worker
        if frame is not None:
            body["frame"] = frame
        body.update(data)
        line = (json.dumps(body, ensure_ascii=True, default=str) + "\n").encode("ascii")
        with self._lock:
            while line:
                line = line[os.write(self._file, line) :]


def say(function, *args):
    """Tell DeepFaceLab's console, whose reader may be gone: it is not worth an extraction."""
    try:
        function(*args)
    except (OSError, ValueError):
        pass


def last_line(text):
    """The line of a traceback that says what was raised."""
    lines = [line for line in (text or "").splitlines() if line.strip()]
    return lines[-1].strip()[:500] if lines else ""


def bounded(text):
    """The end of a long traceback: it is what tells the cause."""
    return text if len(text) <= TRACEBACK_LIMIT else "[...]\n" + text[-TRACEBACK_LIMIT:]
