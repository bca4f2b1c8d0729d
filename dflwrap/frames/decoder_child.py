"""A process that decodes images, and those that are kept for the next part of a run that needs one."""

from __future__ import annotations

import os
import queue
import select
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from types import TracebackType
from typing import IO, Any, Self

from dflwrap.common.waits import wait_until

END_BOUND = 5.0
"""Seconds for a killed child to be gone; one whose disk does not answer cannot be killed, and is left behind."""
MOST_SPARE = 4
"""Children that are kept while nobody uses them; each holds about 60 MB."""

OWN_GROUP: dict[str, Any] = (
    {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}  # type: ignore[attr-defined,unused-ignore]
    if sys.platform == "win32"
    else {"process_group": 0}
)
"""Ctrl+C is for dflwrap, not for its children: for subprocess.Popen."""

AT_ONCE: int = 0 if sys.platform == "win32" else getattr(select, "PIPE_BUF", 512)
"""Bytes that an empty pipe takes without waiting for its reader (POSIX). A child has read what it has answered."""

_KEPT = str(32 * 1024**2)
KEEPS_MEMORY = {"MALLOC_MMAP_THRESHOLD_": _KEPT, "MALLOC_TRIM_THRESHOLD_": _KEPT}
"""For glibc (mallopt(3)): memory that a decoder frees, up to 32 MiB, is there for the next frame. Fresh pages for each
cost a third of the time of a small frame."""


class DecoderChild:
    """Starts with its making. One request at a time, each with one answer. Raises OSError where it cannot start."""

    def __init__(self) -> None:
        self.busy = True
        """It owes an answer, or is about to be asked: nobody else may have it."""
        self.answers: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        """Of this child alone: the answer of a killed one is never taken for another's. b"" at its end."""
        self._said: IO[bytes] | None = None
        """What its decoders say; the child reads and empties it."""
        with suppress(OSError):  # a full temporary folder: decoding continues, and says less
            self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the child
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "dflwrap.frames.decoding.decoder"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said or subprocess.DEVNULL,
            env=KEEPS_MEMORY | os.environ,
            # Ctrl+C is for dflwrap: a decoder that died of it would look like an image that kills it.
            **OWN_GROUP,
        )
        assert self.process.stdout is not None
        threading.Thread(
            target=_pump, args=(self.process.stdout, self.answers), name="decoder-answers", daemon=True
        ).start()

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def send(self, data: bytes) -> None:
        """Does not wait for the child to read. That it has died is told by the end of the answers."""
        stream = self.process.stdin
        assert stream is not None
        if len(data) <= AT_ONCE:
            _write(stream, data)
        else:  # in a thread: a child that hangs before it reads would hold a long request up forever
            threading.Thread(target=_write, args=(stream, data), name="decoder-request", daemon=True).start()

    def exit_status(self) -> int | None:
        """Of a child that has died; None where the system has not said it within the bound."""
        wait_until(lambda: not self.alive, END_BOUND)
        return self.process.returncode

    def end(self) -> None:
        if self._said is not None:
            self._said.close()
        self.process.kill()
        wait_until(lambda: not self.alive, END_BOUND)
        if self.process.stdin and self.process.returncode is not None:
            with suppress(OSError):
                self.process.stdin.close()


class SpareDecoders:
    """Children that one part of a run is done with, for the next: starting one takes 0.15 s of CPU.

    Any thread may use them. They end with the block, and one that comes back later ends at once.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._children: list[DecoderChild] = []
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._closed = True
            children, self._children = self._children, []
        for child in children:
            child.end()

    def lend(self) -> DecoderChild | None:
        """One that is alive, for the caller alone; None where there is none."""
        for _ in range(MOST_SPARE):
            with self._lock:
                child = self._children.pop() if self._children else None
            if child is None or child.alive:
                return child
            child.end()
        return None

    def take_back(self, child: DecoderChild) -> None:
        """One that owes no answer."""
        with self._lock:
            if not self._closed and len(self._children) < MOST_SPARE:
                self._children.append(child)
                return
        child.end()


def _write(stream: IO[bytes], data: bytes) -> None:
    with suppress(OSError, ValueError):
        stream.write(data)
        stream.flush()


def _pump(stream: IO[bytes], answers: queue.SimpleQueue[bytes]) -> None:
    with stream:
        for line in stream:
            answers.put(line)
    answers.put(b"")
