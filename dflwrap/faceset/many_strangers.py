"""Many files that nobody has recorded, on all cores: a faceset of a hundred thousand faces is adopted in a minute.

Children do the reading, since it is Python's own work and one process has one core. A child that is lost, cannot be
started or does not answer costs time only: what it was asked is then looked at here.
"""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import IO

from dflwrap.common.waits import heeding, never, take
from dflwrap.faceset.strangers import Stranger, look_at, parsed, request
from dflwrap.frames.decoder_child import OWN_GROUP

FEW = 2000
"""Files up to which children cost more than they bring: one starts in some 0.2 s, and reads 2,000 files a second."""
MOST_CHILDREN = 8
"""They read from one disk."""
AT_ONCE = 100
"""Files per request."""
ANSWER_BOUND = 60.0
"""Seconds for one answer; it takes some fifty milliseconds, and a disk that sleeps wakes up within ten seconds."""
END_BOUND = 5.0
"""Seconds for a killed child to be gone."""


def look_at_all(
    folder: Path, names: Sequence[str], side: int, stopping: Callable[[], bool] = never
) -> Iterator[Stranger]:
    """`look_at` for each, in order. Raises StoppedError when `stopping` says so."""
    children = min(MOST_CHILDREN, os.cpu_count() or 1)
    if len(names) <= FEW or children == 1:
        for name in heeding(stopping, names):
            yield look_at(folder / name, side)
        return
    chunks = [names[start : start + AT_ONCE] for start in range(0, len(names), AT_ONCE)]
    free: queue.SimpleQueue[_Child] = queue.SimpleQueue()
    made = [_Child(stopping) for _ in range(children)]
    for child in made:
        free.put(child)

    def looked(chunk: Sequence[str]) -> list[Stranger]:
        child = free.get_nowait()  # there are as many as threads
        try:
            return child.ask(folder, chunk, side)
        finally:
            free.put(child)

    try:
        with ThreadPoolExecutor(children, thread_name_prefix="strangers") as pool:
            window = 4 * children
            for start in heeding(stopping, range(0, len(chunks), window)):
                for found in pool.map(looked, chunks[start : start + window]):
                    yield from found
    finally:
        for child in made:
            child.close()


class _Child:
    """Started with its first question. Not covered: asking one from two threads."""

    def __init__(self, stopping: Callable[[], bool]) -> None:
        self._stopping = stopping
        self._process: subprocess.Popen[bytes] | None = None
        self._answers: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._useless = False

    def ask(self, folder: Path, names: Sequence[str], side: int) -> list[Stranger]:
        """Raises StoppedError."""
        if not self._useless:
            try:
                process = self._started()
                assert process.stdin is not None
                process.stdin.write(request(folder, names, side))
                process.stdin.flush()
                return parsed(take(self._answers, ANSWER_BOUND, self._stopping), names)
            except (OSError, ValueError, queue.Empty):
                self._useless = True
                self.close()
        return [look_at(folder / name, side) for name in heeding(self._stopping, names)]

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "dflwrap.faceset.strangers"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                **OWN_GROUP,  # Ctrl+C is for dflwrap
            )
            assert self._process.stdout is not None
            pump = threading.Thread(
                target=_pump, args=(self._process.stdout, self._answers), name="strangers", daemon=True
            )
            pump.start()
        return self._process

    def close(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        with suppress(OSError, ValueError):
            if process.stdin is not None:
                process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            process.wait(END_BOUND)


def _pump(stream: IO[bytes], answers: queue.SimpleQueue[bytes]) -> None:
    with stream:
        for line in stream:
            answers.put(line)
    answers.put(b"")
