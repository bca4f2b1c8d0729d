"""Many frames at once: a decoder child on every core, results in order, a bounded number of frames in hand."""

from __future__ import annotations

import errno
import math
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

from dflwrap.common.errors import StoppedError
from dflwrap.common.waits import heeding, join, never, take
from dflwrap.frames.conversion import TIMEOUT, Converter
from dflwrap.frames.decoder_child import SpareDecoders
from dflwrap.frames.decoding.measures import Measures, failed

T = TypeVar("T")

A_REQUEST = 64
"""Frames per request, at most: asking takes as long as decoding half of a small one."""
A_REQUEST_BYTES = 32 * 1024**2
"""Of files, from which a request is full: all of it has to be read and decoded within one `TIMEOUT`."""
A_FEW = 8
A_FEW_BYTES = 256 * 1024
"""Files, and their bytes, that one child decodes before another one has started: they stay one request."""
AHEAD = 3
"""Requests in hand per child."""
CLOSE_BOUND = 10.0

File = tuple[Path, int]
"""A path and its size in bytes."""


Job = Callable[[Converter], T]
"""What is to be done with a decoder child. It may raise OSError and ValueError."""


@dataclass(slots=True)
class _Request(Generic[T]):
    job: Job[T]
    answer: queue.SimpleQueue[T | Exception] = field(default_factory=queue.SimpleQueue)


class DecoderPool:
    """Children that end with the block, and start with their first job. One at a time may iterate."""

    def __init__(
        self, children: int, stopping: Callable[[], bool] = never, spares: SpareDecoders | None = None
    ) -> None:
        """spares: as for `Converter`."""
        self._stopping = stopping
        self._ended = False
        self._wanted: queue.SimpleQueue[_Request[Any] | None] = queue.SimpleQueue()
        self._converters = [Converter(self._ending, spares) for _ in range(max(1, children))]
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

    def measure(self, files: Iterable[File], dark_below: float) -> Iterator[tuple[Path, Measures]]:
        """Each file with its measures, in order; dark_below as for `Converter.measure`. Raises StoppedError."""
        requests = _requests(files, len(self._threads))
        for found in self.map((_measuring(request, dark_below) for request in requests), A_REQUEST):
            yield from found

    def map(self, jobs: Iterable[Job[T]], files: int = 1) -> Iterator[T]:
        """What each job returns, in order; what it raises is raised here. files: that a job handles, at most.

        Raises StoppedError.
        """
        waiting: deque[_Request[T]] = deque()
        for job in heeding(self._stopping, jobs):
            waiting.append(_Request(job))
            self._wanted.put(waiting[-1])
            if len(waiting) >= AHEAD * len(self._threads):
                yield self._answer(waiting.popleft(), files)
        while waiting:
            yield self._answer(waiting.popleft(), files)

    def _answer(self, request: _Request[T], files: int) -> T:
        # Every file of this job and of those before it may take its whole time.
        try:
            found = take(request.answer, TIMEOUT * (files + 1) * AHEAD, self._stopping)
        except queue.Empty:
            if self._stopping():
                raise StoppedError from None
            raise OSError(errno.ETIMEDOUT, "the decoders do not answer") from None
        if isinstance(found, Exception):
            raise found
        return found

    def _work(self, converter: Converter) -> None:
        while not self._ended:
            try:
                request = self._wanted.get(timeout=1.0)
            except queue.Empty:
                continue
            if request is None:
                return
            try:
                request.answer.put(request.job(converter))
            except StoppedError:
                return
            except Exception as error:  # told where the answer is waited for
                request.answer.put(error)


def _requests(files: Iterable[File], children: int) -> Iterator[list[File]]:
    """Full ones, and smaller and smaller ones of the last files, down to a few, so that the children end together
    (guided self-scheduling, Polychronopoulos and Kuck 1987; GSS(k) there)."""
    source = iter(files)
    ahead = deque(islice(source, children * A_REQUEST))
    while ahead:
        request: list[File] = []
        size, most = 0, math.ceil(len(ahead) / children)
        while ahead and (
            (len(request) < most and size < A_REQUEST_BYTES) or (len(request) < A_FEW and size < A_FEW_BYTES)
        ):
            request.append(ahead.popleft())
            size += request[-1][1]
        yield request
        ahead.extend(islice(source, len(request)))


def _measuring(files: list[File], dark_below: float) -> Job[list[tuple[Path, Measures]]]:
    def measure(converter: Converter) -> list[tuple[Path, Measures]]:
        try:
            found = converter.measure(files, dark_below)
        except (OSError, ValueError) as error:  # no child can be started: out of memory, of processes
            found = [failed(f"no decoder: {error}")] * len(files)
        return [(path, one) for (path, _), one in zip(files, found, strict=True)]

    return measure
