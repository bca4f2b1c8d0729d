"""DeepFaceLab's console grammar, read line by line.

What it says proves nothing (it prints "Done." over an empty folder), so nothing here becomes an outcome:
the lines become progress, prompts and marked log lines.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any

from dflwrap.common.events import Event, EventKind

MAX_TEXT = 2000
"""Characters of a log line that are kept in an event."""

_BAR = re.compile(r"\b(\d{1,9})/(\d{1,9}) \[\d+:\d\d")
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_NUL = dict.fromkeys([0, 0xFEFF, 0xFFFE])


class Mark(StrEnum):
    """What a marked log line says (`data["mark"]` of a LOG_LINE event)."""

    IMAGES_FOUND = "images_found"
    FACES_DETECTED = "faces_detected"
    WORKER_READY = "worker_ready"
    FRAME_ERROR = "frame_error"
    START_ERROR = "start_error"
    NO_RESPONSE = "no_response"
    UNREADABLE = "unreadable"
    DUPLICATE = "duplicate"
    ERROR = "error"
    DONE = "done"


_MARKS = tuple(
    (mark, re.compile(pattern))
    for mark, pattern in (
        (Mark.IMAGES_FOUND, r"^Images found: +(?P<count>\d+)"),
        (Mark.FACES_DETECTED, r"^Faces detected: +(?P<count>\d+)"),
        (Mark.WORKER_READY, r"^Running on (?P<name>.+?)\.?$"),
        (Mark.FRAME_ERROR, r"^Error while processing data: ?(?P<name>.*)"),
        (Mark.START_ERROR, r"^Error while subprocess initialization: ?(?P<name>.*)"),
        (Mark.NO_RESPONSE, r"^(?P<name>.+?) doesnt response, terminating it\."),
        (Mark.UNREADABLE, r"^/!\\ Failed to open (?P<name>.+), reason: cv2_imread\(\) fail"),
        (Mark.DUPLICATE, r"^Duplicate filenames are not allowed, skipping: (?P<name>.+)"),
        (Mark.DONE, r"^Done\.$"),
        (Mark.ERROR, r"^/!\\ (?P<name>.+)"),
    )
)
_ENDED_PROMPT = re.compile(r"^\s*Press (?:enter|any key) to continue\.\s*$", re.IGNORECASE)
_OPEN_PROMPT = re.compile(r"(?:[:?>]|\(y/n\)|continue[. ]*)\s*$", re.IGNORECASE)


class DflConsole:
    """One attempt's reader. Keeps no state, so a flood costs no memory."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock

    def feed(self, stream: str, line: bytes) -> Iterable[Event]:
        text = clean(line)
        progress = self._bar(text)
        if progress is not None:
            yield progress
            text = text.rpartition("]")[2]  # what another stream's text, glued to the bar, says
        if _ENDED_PROMPT.match(text):
            yield self._event(EventKind.PROMPT, {"text": text.strip()[:MAX_TEXT]})
            return
        for mark, pattern in _MARKS:
            found = pattern.match(text.strip())
            if found:
                yield self._event(EventKind.LOG_LINE, _log_line(stream, text, mark, found))
                return

    def idle(self, stream: str, text: bytes) -> Iterable[Event]:
        """A prompt is text on stdout that stands without a line end and asks for something."""
        shown = clean(text)
        progress = self._bar(shown)
        if progress is not None:
            yield progress
        elif stream == "stdout" and _OPEN_PROMPT.search(shown):
            yield self._event(EventKind.PROMPT, {"text": shown.strip()[-MAX_TEXT:]})

    def _bar(self, text: str) -> Event | None:
        bars = _BAR.findall(text)
        if not bars:
            return None
        done, total = (int(number) for number in bars[-1])
        return self._event(EventKind.PROGRESS, {"done": done, "total": total})

    def _event(self, kind: EventKind, data: dict[str, Any]) -> Event:
        return Event(kind, self._clock(), data=data)


def clean(line: bytes) -> str:
    """Text of a console line: UTF-8 where it is, never an error; no colours, NULs or byte-order marks."""
    return _ANSI.sub("", line.decode("utf-8", "replace").translate(_NUL))


def _log_line(stream: str, text: str, mark: Mark, found: re.Match[str]) -> dict[str, Any]:
    data: dict[str, Any] = {"stream": stream, "text": text.strip()[:MAX_TEXT], "mark": mark.value}
    parts = found.groupdict()
    if parts.get("count") is not None:
        data["count"] = int(parts["count"])
    if parts.get("name"):
        data["name"] = parts["name"][:MAX_TEXT]
    return data
