"""Many frames at once: a decoder child on every core, results in order, a bounded number of frames in hand."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Self

from dflwrap.common.errors import StoppedError
from dflwrap.common.waits import heeding, join, never, take
from dflwrap.frames.conversion import TIMEOUT, Converter
from dflwrap.frames.measures import Measures, failed

A_REQUEST = 8
"""Frames per request: asking costs little against decoding them."""
AHEAD = 3
"""Requests in hand per child."""
CLOSE_BOUND = 10.0

File = tuple[Path, int]
"""A path and its size in bytes."""


@dataclass(slots=True)
class _Request:
    files: list[File]
    answer: queue.SimpleQueue[list[Measures]] = field(default_factory=queue.SimpleQueue)


class DecoderPool:
    """Children that end with the block. One at a time may iterate."""

    def __init__(self, children: int, stopping: Callable[[], bool] = never) -> None:
        self._stopping = stopping
        self._ended = False
        self._wanted: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._converters = [Converter(self._ending) for _ in range(max(1, children))]
        self._threads = [
            threading.Thread(target=self._work, args=(one,), name=f"decoders {number}", daemon=True)
            for number, one in enumerate(self._converters)
        ]

    def _ending(self) -> bool:
        return self._ended or self._stopping()

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        for _thread in self._threads:
            self._wanted.put(None)
        for thread, converter in zip(self._threads, self._converters, strict=True):
            join(thread, CLOSE_BOUND)
            converter.close()

    def measure(self, files: Iterable[File]) -> Iterator[tuple[Path, Measures]]:
        """Each file with its measures, in order. Raises StoppedError."""
        waiting: deque[_Request] = deque()
        source = iter(files)
        for batch in heeding(self._stopping, iter(lambda: list(islice(source, A_REQUEST)), [])):
            waiting.append(_Request(batch))
            self._wanted.put(waiting[-1])
            if len(waiting) >= AHEAD * len(self._threads):
                yield from self._answered(waiting.popleft())
        while waiting:
            yield from self._answered(waiting.popleft())

    def _answered(self, request: _Request) -> Iterator[tuple[Path, Measures]]:
        # Every file of this request and of those before it may take its whole time.
        limit = TIMEOUT * (A_REQUEST + 1) * AHEAD
        try:
            found = take(request.answer, limit, self._stopping)
        except queue.Empty:
            if self._stopping():
                raise StoppedError from None
            found = [failed("the decoder does not answer")] * len(request.files)
        for (path, _), measures in zip(request.files, found, strict=True):
            yield path, measures

    def _work(self, converter: Converter) -> None:
        while not self._ended:
            try:
                request = self._wanted.get(timeout=1.0)
            except queue.Empty:
                continue
            if request is None:
                return
            try:
                request.answer.put(converter.measure(request.files))
            except StoppedError:
                return
            except (OSError, ValueError) as error:  # no child can be started: out of memory, of processes
                request.answer.put([failed(f"no decoder: {error}")] * len(request.files))
