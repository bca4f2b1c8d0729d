"""A stream of the terminal whose lines go into the run's log as well."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO, Any, cast


class _Told:
    """Whole lines reach the log; everything but `write` is the stream's own."""

    def __init__(self, stream: IO[str], log: Callable[[str], None]) -> None:
        self._stream, self._log, self._line = stream, log, ""

    def write(self, text: str) -> int:
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            self._log(line)
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def told(stream: IO[str], log: Callable[[str], None]) -> IO[str]:
    """`stream`, heard by `log`."""
    return cast(IO[str], _Told(stream, log))
