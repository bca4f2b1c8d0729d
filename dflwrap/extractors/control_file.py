"""What the supervisor tells an extractor that is at work: lines of JSON, appended to a file in the attempt's folder.

The host of the workers (the agent inside DeepFaceLab, which loads this file by its path: standard library only,
Python 3.6 syntax; the built-in extractor) polls it a few times a second. Messages, by their `type`:

    workers      device ("GPU0", "CPU"), workers (its number from now on; 0: none, its place is kept), reason; optional:
                 room (true: the memory that a worker needs was seen to be free, so that what now fails alone for lack
                 of it fails by itself), threads (of workers on the CPU that start from now on)
    frames       names ([[id, name], ...]): more frames, ready now; optional: folder (that they lie in, and are only
                 read; without it, the batch folder)
    frames_end   no more frames come
    no_copy      frame (its name): it gets no copy, and the disk took no file that would say so

A host says in its `extractor_started` event which of them it follows (`supported`). A line without its end is not
whole yet, and waits. What is no message is passed over: one note tells of the first such line.
"""

# ruff: noqa: UP006, UP035, UP045, PTH117, PTH118, PTH123
import json
import os
from typing import Any, Callable, Dict, List, Optional

CONTROL_ENV = "DFLWRAP_CONTROL"
"""Environment variable with the path of the control file."""
STREAM_ENV = "DFLWRAP_STREAM"
"""Environment variable: "1" where the batch folder is filled while the extractor works, until `frames_end`."""
WORKERS, FRAMES, FRAMES_END, NO_COPY = "workers", "frames", "frames_end", "no_copy"
"""The types of message."""
NO_FRAME = "dflwrap-none.png"
"""An empty file in a batch folder that has no frame when the extractor starts: DeepFaceLab ends at once where it finds
nothing. To be passed over."""

MOST_WORKERS = 256
"""Of one device; more is no message."""
MOST_BYTES = 4 * 1024 * 1024
"""Of one line: some ten thousand names. A longer one is passed over, and never held in memory."""
CHUNK = 1024 * 1024
"""Bytes read in one look."""
SHOWN = 200
"""Characters of a bad line that the note shows."""

Message = Dict[str, Any]


def parse(line: bytes) -> Optional[Message]:
    """The message in a line; None where it is none, or its fields are not what they should be."""
    try:
        message = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, dict):
        return None
    check = _CHECKS.get(message.get("type")) if isinstance(message.get("type"), str) else None
    return message if check is not None and check(message) else None


def _is_workers(message: Message) -> bool:
    texts = isinstance(message.get("device"), str) and isinstance(message.get("reason", ""), str)
    numbers = _is_count(message.get("workers")) and _is_count(message.get("threads", 0))
    return texts and numbers and isinstance(message.get("room", False), bool)


def _is_count(number: Any) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and 0 <= number <= MOST_WORKERS


def _is_frames(message: Message) -> bool:
    names, folder = message.get("names"), message.get("folder")
    if folder is not None and not (isinstance(folder, str) and os.path.isabs(folder) and "\0" not in folder):
        return False
    return isinstance(names, list) and all(
        isinstance(one, list) and len(one) == 2 and isinstance(one[0], int) and _is_name(one[1])
        for one in names
    )


def _is_name(name: Any) -> bool:
    """Of a file right in the batch folder, and nowhere else."""
    return isinstance(name, str) and name not in ("", ".", "..") and not any(c in name for c in "/\\\0")


def path_of(folder: str, name: str) -> str:
    """The path of a frame of a message with a folder, as this Python takes it.

    What is not ASCII is UTF-8 on the disk, whatever the locale of an older Python says.
    """
    if os.name != "nt":
        folder = os.fsdecode(folder.encode("utf-8", "surrogateescape"))
    return os.path.join(folder, name)


_CHECKS: Dict[Any, Callable[[Message], bool]] = {
    WORKERS: _is_workers,
    FRAMES: _is_frames,
    FRAMES_END: lambda message: True,
    NO_COPY: lambda message: _is_name(message.get("frame")),
}


class ControlReader:
    """The host's side. It opens the file anew for each look, so that it holds nothing open."""

    def __init__(self, path: str, note: Callable[[str], None] = lambda text: None) -> None:
        """path: "" = nobody tells anything. note: told once, in a sentence, of lines that are no messages."""
        self._path, self._note = path, note
        self._offset = 0
        self._rest = b""
        self._skipping = False  # within a line that is too long
        self._noted = False

    def poll(self) -> List[Message]:
        """The messages that have come since the last look, in order. A file that is not there has none."""
        messages: List[Message] = []
        for line in self._lines():
            message = parse(line)
            if message is not None:
                messages.append(message)
            elif line.strip():
                self._bad(line)
        return messages

    def _lines(self) -> List[bytes]:
        if not self._path:
            return []
        try:
            with open(self._path, "rb") as stream:
                stream.seek(self._offset)
                data = stream.read(CHUNK)
        except OSError:
            return []
        self._offset += len(data)
        if self._skipping:
            _, end, data = data.partition(b"\n")
            self._skipping = not end
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) > MOST_BYTES:
            self._bad(self._rest)
            self._rest, self._skipping = b"", True
        return lines

    def _bad(self, line: bytes) -> None:
        if not self._noted:
            self._noted = True
            shown = repr(line[:SHOWN].decode("utf-8", "replace"))
            self._note("the control file holds a line that is no message, and is passed over: " + shown)


class ControlWriter:
    """The supervisor's side: each message is one write of a whole line.

    A file that somebody has deleted or cut meanwhile is filled up to where it ended: the reader goes on from there.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._torn = False
        self._end = 0  # of the file, as this writer left it

    def send(self, message: Message) -> None:
        """Append a message. Half a line, from a full disk, is ended by the next message.

        Raises OSError where the disk does not take it, ValueError where it is none that a host would follow.
        """
        line = json.dumps(message, ensure_ascii=True).encode("ascii")
        if parse(line) is None or len(line) >= MOST_BYTES:
            raise ValueError("no message of a control file: " + repr(message)[:SHOWN])
        with open(self._path, "ab", buffering=0) as stream:
            if stream.seek(0, os.SEEK_END) < self._end:
                stream.truncate(self._end)
                self._torn = True
            data = (b"\n" if self._torn else b"") + line + b"\n"
            self._torn = True
            self._torn = stream.write(data) != len(data)
            self._end = stream.tell()
        if self._torn:
            raise OSError("the control file took only a part of a line: " + self._path)

    def workers(self, device: str, workers: int, reason: str, room: bool = False, threads: int = 0) -> None:
        """Set the width of a device. Raises OSError."""
        message = {"type": WORKERS, "device": device, "workers": workers, "reason": reason}
        self.send(
            {**message, **({"room": True} if room else {}), **({"threads": threads} if threads else {})}
        )
