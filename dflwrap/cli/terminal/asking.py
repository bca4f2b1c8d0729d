"""Asking the person at the terminal, with a timeout: nobody there means the documented default."""

from __future__ import annotations

import functools
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import IO

from dflwrap.common.choices import OnConflict
from dflwrap.common.text import display
from dflwrap.supervisor.reconcile.conflict import ConflictError

ANSWER_BOUND = 60.0
"""Seconds that a question waits for its answer."""
_SLICE = 0.2
"""Seconds: so that Ctrl-C is heard (Windows wakes no longer wait for it)."""


def somebody_there(stream: IO[str]) -> bool:
    """A person can read `stream` and type an answer."""
    try:
        return stream.isatty() and sys.stdin is not None and sys.stdin.isatty()
    except ValueError:  # closed
        return False


def ask_conflict(
    conflict: ConflictError,
    stream: IO[str],
    stopping: Callable[[], bool],
    bound: float = ANSWER_BOUND,
    default: OnConflict = OnConflict.STOP,
) -> OnConflict:
    """Show the conflict and its choices; the answer, or `default` without one in `bound` seconds."""
    letters = {"s": OnConflict.SET_ASIDE}
    lines = [
        f"{display(conflict.sentence)}.",
        "  s  set the earlier run and its faces aside (nothing is lost), and start over",
    ]
    if conflict.may_add:
        letters["a"] = OnConflict.ADD
        lines.append("  a  add: keep the earlier faces, and give the new ones names of their own")
    letters["q"] = OnConflict.STOP
    lines.append("  q  stop, and change nothing")
    keys = "/".join(letters)
    stream.write("\n".join(lines) + "\n")
    prompt = f"Your choice [{keys}], within {bound:.0f} s: "
    while (answer := ask(prompt, stream, stopping, bound)) is not None:
        if answer in letters:
            return letters[answer]
        prompt = f"Please type one of {keys} and press Enter: "
    stream.write(f"\nNo answer: {'nothing was changed' if default is OnConflict.STOP else default.value}.\n")
    return default


def ask(
    prompt: str, stream: IO[str], stopping: Callable[[], bool], bound: float = ANSWER_BOUND
) -> str | None:
    """The line that is typed, in lower case; None at the end of the input, at a stop, or after `bound` seconds."""
    stream.write(prompt)
    stream.flush()
    deadline = time.monotonic() + bound
    answers = _lines_of_stdin()
    while not stopping() and time.monotonic() <= deadline:
        with suppress(queue.Empty):
            answer = answers.get(timeout=_SLICE)
            if answer is None:
                answers.put(None)  # the next question must not wait either
            return answer
    return None


def typed_already() -> bool:
    """Something was typed that no question has taken: its reader, once there is one, takes the keys of all."""
    if not _lines_of_stdin.cache_info().currsize:
        return False
    with suppress(queue.Empty):
        return _lines_of_stdin().get_nowait() is not None
    return False


@functools.cache
def _lines_of_stdin() -> queue.SimpleQueue[str | None]:
    """Lines typed, in lower case; None at the end. One reader for all questions: a thread that reads from the
    descriptor itself, for one that is left blocked in `sys.stdin` would hold its lock at the end of the interpreter."""
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def read() -> None:
        try:
            while data := os.read(0, 4096):
                lines.put(data.decode("utf-8", "replace").strip().lower())
        except OSError:
            pass
        lines.put(None)

    threading.Thread(target=read, name="answers", daemon=True).start()
    return lines
