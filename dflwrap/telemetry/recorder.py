"""The recorder: a thread that samples GPU and host beside an attempt, and keeps the sum of it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable

import psutil

from dflwrap.common.telemetry import ForeignProcess, TelemetrySummary
from dflwrap.common.waits import join, wait_until
from dflwrap.telemetry.base import DeviceSample, GpuReader, Sample
from dflwrap.telemetry.host import HostReader
from dflwrap.telemetry.summary import Tally

STEADY = 1.0
"""Seconds between samples in the steady phase."""
STARTING = 0.5
"""While starting, when memory fills within a second or two."""

Sink = Callable[[Sample], None]


class Recorder:
    """Samples until stopped; nothing that goes wrong in here reaches the run.

    Start it before the extractor, so that the first sample shows the machine without it, then `watch(pid)`.
    It does not decide anything, and a sink that raises is not called again (`sink_error` says why).
    """

    def __init__(
        self,
        gpu: GpuReader,
        host: HostReader,
        sink: Sink | None = None,
        *,
        steady: float = STEADY,
        starting: float = STARTING,
    ) -> None:
        """gpu stays open after `stop`: it serves many attempts. steady, starting: seconds per sample."""
        self._gpu, self._host, self._sink = gpu, host, sink
        self._intervals = {"steady": steady, "starting": starting}
        self._phase = "starting"
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._lock = threading.Lock()
        self._tally = Tally()
        self._names: dict[int, str] = {}
        self._root: int | None = None
        self._watched: int | None = None
        self._latest: Sample | None = None
        self.sink_error: str | None = None
        self._thread = threading.Thread(target=self._run, name="telemetry", daemon=True)

    @property
    def why_no_gpu(self) -> str | None:
        """To be said once: why there are no GPU readings; None while there are."""
        return self._gpu.why_not

    @property
    def latest(self) -> Sample | None:
        with self._lock:
            return self._latest

    def start(self, first_sample_within: float = 5.0) -> None:
        """Begin, and wait (bounded, seconds) for the first sample: the machine before the attempt."""
        self._thread.start()
        wait_until(lambda: self.latest is not None or not self._thread.is_alive(), first_sample_within)

    def watch(self, pid: int) -> None:
        """The extractor's process: its tree is "ours", everything else on the GPU is foreign."""
        self._root = pid

    def steady(self) -> None:
        """The first frame is done: sample at the steady rate."""
        self._phase = "steady"

    def stop(self, timeout: float = 3.0) -> TelemetrySummary:
        """End sampling (bounded, seconds) and sum up. The last sample is the latest before this call."""
        self._stop.set()
        self._wake.set()
        join(self._thread, timeout)
        return self.summary()

    def summary(self) -> TelemetrySummary:
        """What was seen so far."""
        with self._lock:
            return self._tally.summary()

    def _run(self) -> None:
        while not self._stop.is_set():
            began = time.monotonic()
            with contextlib.suppress(Exception):  # telemetry never ends a run
                self._once()
            interval = self._intervals[self._phase]
            self._wake.wait(max(0.01, interval - (time.monotonic() - began)))
            self._wake.clear()

    def _once(self) -> None:
        if self._root != self._watched:
            self._watched = self._root
            self._host.watch(self._watched)
        host = self._host.sample()
        sample = Sample(time.time(), self._gpu.sample(), host)
        with self._lock:
            self._latest = sample
            self._tally.add(sample, self._foreign)
        if self._sink is not None and self.sink_error is None:
            try:
                self._sink(sample)
            except Exception as error:
                self.sink_error = f"{type(error).__name__}: {error}"

    def _foreign(self, device: DeviceSample, ours: frozenset[int]) -> tuple[ForeignProcess, ...]:
        return tuple(
            ForeignProcess(process.pid, self._name(process.pid), process.used)
            for process in device.processes or ()
            if process.pid not in ours
        )

    def _name(self, pid: int) -> str:
        if pid not in self._names:
            self._names[pid] = ""
            with contextlib.suppress(psutil.Error, OSError):
                self._names[pid] = psutil.Process(pid).name()
        return self._names[pid]
