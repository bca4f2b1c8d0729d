"""A short program, run to its end: bounded in time and in what is kept of its output, and nobody is left behind."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO

from dflwrap.common.waits import join, never, wait_until
from dflwrap.extractors.base import Launch
from dflwrap.supervisor.process.start import start_tree

MOST_OUTPUT = 256 * 1024
"""Bytes of a stream that are kept; the rest is read and dropped, so that the child is not held up."""
REST = 5.0
"""Seconds for what is left in the pipes, once the child has ended."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How it ended, and what it said."""

    status: int | None
    """Negative = signal; None: it did not end in time, and was ended."""
    stdout: bytes
    stderr: bytes


@dataclass(slots=True)
class _Kept:
    data: bytearray = field(default_factory=bytearray)

    def read(self, stream: IO[bytes]) -> None:
        while chunk := stream.read1(65536):  # type: ignore[attr-defined]
            self.data += chunk[: max(0, MOST_OUTPUT - len(self.data))]


def run_bounded(launch: Launch, timeout: float, stopping: Callable[[], bool] = never) -> Ended:
    """timeout: seconds. Raises CannotStartError."""
    tree = start_tree(launch)
    kept = (_Kept(), _Kept())
    readers = [
        threading.Thread(target=one.read, args=(stream,), daemon=True)
        for one, stream in zip(kept, (tree.stdout, tree.stderr), strict=True)
    ]
    try:
        for reader in readers:
            reader.start()
        ended = wait_until(lambda: tree.poll() is not None, timeout, stopping)
        status = tree.poll() if ended else None
        if not ended:
            tree.kill()
        for reader in readers:
            join(reader, REST)
    finally:
        tree.close()
    out, err = (bytes(one.data) for one in kept)
    return Ended(status, out, err)
