"""A GPU reader whose calls may hang in the driver, made safe: asked in its own thread, with a timeout.

A call that does not come back in time yields "not available", at once from then on, until the driver has
answered it after all. The thread is a daemon: a driver that never answers does not keep dflwrap from ending.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from dflwrap.common.waits import wait_until
from dflwrap.telemetry.base import DeviceDescription, DeviceSample, GpuReader

T = TypeVar("T")

START_TIMEOUT = 10.0
"""Seconds. A driver without persistence mode initialises its cards on the first call; some seconds each."""
CALL_TIMEOUT = 2.0
"""Seconds."""


@dataclass(slots=True)
class _Request:
    function: Callable[[GpuReader], Any]
    done: threading.Event = field(default_factory=threading.Event)
    answer: Any = None


class BoundedReader:
    """Asks the reader that `factory` makes, never longer than the timeouts.

    factory: called in the asking thread; an exception of it means "nothing to read", its text says why.
    """

    def __init__(
        self,
        factory: Callable[[], GpuReader],
        *,
        start_timeout: float = START_TIMEOUT,
        call_timeout: float = CALL_TIMEOUT,
    ) -> None:
        self._factory = factory
        self._timeout = call_timeout
        self._requests: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._started = threading.Event()
        self._why_not: str | None = None
        self._stuck: _Request | None = None
        self._lock = threading.Lock()
        threading.Thread(target=self._serve, name="gpu-telemetry", daemon=True).start()
        wait_until(self._started.is_set, start_timeout)

    @property
    def why_not(self) -> str | None:
        if not self._started.is_set():
            return "the NVIDIA driver does not answer (it hangs while starting)"
        if self._why_not is not None:
            return self._why_not
        stuck = self._stuck
        if stuck is not None and not stuck.done.is_set():
            return f"the NVIDIA driver has not answered for more than {self._timeout:g} s"
        return None

    @property
    def refused(self) -> str | None:
        """Why the reader could not be made; None while it is starting (perhaps forever) or there."""
        return self._why_not if self._started.is_set() else None

    def describe(self) -> tuple[DeviceDescription, ...]:
        return self._call(lambda reader: reader.describe(), ())

    def sample(self) -> tuple[DeviceSample, ...]:
        return self._call(lambda reader: reader.sample(), ())

    def close(self) -> None:
        """Ends the asking thread if the driver lets it."""
        self._call(lambda reader: reader.close(), None)
        self._requests.put(None)
        self._why_not = "closed"

    def _call(self, function: Callable[[GpuReader], T], otherwise: T) -> T:
        with self._lock:
            if self.why_not is not None:
                return otherwise
            request = _Request(function)
            self._requests.put(request)
            if not wait_until(request.done.is_set, self._timeout):
                self._stuck = request
                return otherwise
            answer: T = otherwise if request.answer is None else request.answer
            return answer

    def _serve(self) -> None:
        try:
            reader = self._factory()
        except Exception as error:
            self._why_not = str(error) or type(error).__name__
            self._started.set()
            return
        self._started.set()
        while (request := self._requests.get()) is not None:
            try:
                request.answer = request.function(reader)
            except Exception as error:
                self._why_not = f"reading the GPU failed: {error}"
            request.done.set()
