"""The manifest of a prepared folder: what became of every original, a line each, and the mark that it is ours.

Lines are appended as frames are done: a start after a power cut reads them and continues. The last line may be torn.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from dflwrap.common.durable import sync
from dflwrap.common.errors import DflwrapError
from dflwrap.common.text import display
from dflwrap.common.trees import is_folder, is_there
from dflwrap.prepare.deciding import Became

NAME = "dflwrap-prepare.jsonl"
SCHEMA_VERSION = 1
SYNC_EVERY = 200
"""Lines; a power cut costs so many frames at most, which are done again."""


WORK = ".dflwrap-prepare"
"""Folder in the output for what is not whole yet; ours, and gone at the end."""


@dataclass(frozen=True, slots=True)
class Row:
    """One frame of the manifest."""

    original: str
    """Relative to the input, with `/`; for a frame of a video its number."""
    size: int
    mtime_ns: int
    became: str
    target: str | None
    """Relative to the output, with `/`; None where it was left out."""
    why: str = ""
    reason: str = ""
    lost: bool = False
    dhash: str | None = None
    """In hexadecimal, where there is a picture in the output."""

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


_TYPES: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("original", "became", "why", "reason"), str),
    **dict.fromkeys(("size", "mtime_ns"), int),
    **dict.fromkeys(("target", "dhash"), (str, type(None))),
    "lost": bool,
}
_TARGET = re.compile(r"(?:(?!\.{1,2}/)[^/\\\0]+/)?\d{5,12}\.(?:png|jpg)")
_DHASH = re.compile(r"[0-9a-f]{1,32}")


def _row_of(data: dict[str, Any]) -> Row | None:
    """None for what no dflwrap writes: a damaged line, whose frame is done again."""
    if set(data) != set(_TYPES) or not all(isinstance(data[name], kind) for name, kind in _TYPES.items()):
        return None
    row = Row(**data)
    sound = (
        row.became in set(Became)
        and (row.target is None) == (row.became == Became.LEFT_OUT)
        and (row.target is None or _TARGET.fullmatch(row.target))
        and (row.dhash is None or _DHASH.fullmatch(row.dhash))
    )
    return row if sound else None


class Manifest:
    """One per output folder; to be used as a context."""

    def __init__(self, output: Path, header: dict[str, Any]) -> None:
        """header: what must be the same for a start to continue. Raises DflwrapError where it is not."""
        self.path = output / NAME
        self._known: dict[str, Row] = {}
        self._unsynced = 0
        self._file: IO[str] | None = None
        self.finished = False
        """The last start came to its end; what was added since is still to be done."""
        header = {"dflwrap_prepare": SCHEMA_VERSION, **header}
        if is_there(self.path):
            self._read(header)
        elif is_folder(output) and any(path.name != WORK for path in output.iterdir()):
            raise DflwrapError(
                f"The output is not empty, and dflwrap has not prepared it: {display(str(output))}. Give a new folder."
            )
        self._header = header

    def _read(self, header: dict[str, Any]) -> None:
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DflwrapError(f"The manifest cannot be read: {display(str(self.path))} ({error}).") from None
        rows = list(_parsed(lines))
        if not rows:  # torn before its first line was whole: nothing was done yet
            return
        if rows[0] != header:
            raise DflwrapError(
                f"{display(str(self.path.parent))} was prepared from another input or with other options. "
                "Give a new folder, or the same input and options to resume."
            )
        for data in rows[1:]:
            self.finished = "finished" in data
            row = _row_of(data)
            if row is not None:
                self._known[row.original] = row

    def __enter__(self) -> Manifest:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        torn = is_there(self.path) and not self.path.read_bytes().endswith(b"\n")
        empty = not is_there(self.path) or not self.path.stat().st_size
        self._file = self.path.open("a", encoding="ascii", newline="\n")
        if torn and not empty:
            self._file.write("\n")
        if empty or (not self._known and not self.finished):
            self._write(self._header)
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._sync()
            self._file.close()

    def known(self, original: str) -> Row | None:
        """What an earlier start has made of it."""
        return self._known.get(original)

    def rows(self) -> Iterator[Row]:
        """Of the earlier starts."""
        yield from self._known.values()

    def is_changed(self, original: str, size: int, mtime_ns: int) -> bool:
        """Whether it is another file than the one that an earlier start saw."""
        row = self._known.get(original)
        return row is not None and (row.size, row.mtime_ns) != (size, mtime_ns)

    def add(self, row: Row) -> None:
        """Raises OSError."""
        self._write(row.to_json())
        self._unsynced += 1
        if self._unsynced >= SYNC_EVERY:
            self._sync()

    def finish(self, counts: dict[str, int]) -> None:
        self._write({"finished": counts})

    def _write(self, data: dict[str, Any]) -> None:
        assert self._file is not None
        self._file.write(json.dumps(data) + "\n")
        self._file.flush()

    def _sync(self) -> None:
        assert self._file is not None
        self._file.flush()
        sync(self._file.fileno())
        self._unsynced = 0


def _parsed(lines: list[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict):
            yield row
