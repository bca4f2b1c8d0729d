"""The host: hands frames to worker processes one at a time, and loses none of them.

What it covers: a worker that dies is noticed at once (its process handle is waited for beside its
pipe), its frame is retried alone in a fresh worker, and fails if that dies too; a worker that
raises three times in a row is replaced, as an unhealthy process is more likely than three bad frames, and what it
failed is retried by another. Failures are therefore held back until the worker has had a success.
What it does not: a worker that hangs. How long is too long is for the supervisor to say.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import count
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dflwrap.common.events import EventKind
from dflwrap.extractors.builtin.reporting import Console, EventWriter
from dflwrap.extractors.builtin.settings import (
    PARTIAL_PREFIX,
    FrameDone,
    FrameFailed,
    Ready,
    StartFailed,
    WorkerSettings,
)
from dflwrap.extractors.builtin.work import Work
from dflwrap.extractors.builtin.worker import run_worker

if TYPE_CHECKING:
    from multiprocessing.connection import _ConnectionBase  # what is common to the pipes of both systems

MAX_LOSSES_IN_A_ROW = 20
"""Workers lost with no frame done in between before the host gives up: ten frames that each took two."""
MAX_LOSSES_AT_FIRST = 8
"""The same where no frame has been done yet: four frames, as many as the agent lets DeepFaceLab lose. Each costs the
start of a worker."""
MAX_STARTS_LOST = 3
"""Workers lost in a row before any of them was ready."""
SICK_AFTER = 3
"""Exceptions in a row after which a worker is replaced."""
MAX_SICK_IN_A_ROW = 8
"""Workers replaced so with no frame done in between before the host gives up: 24 failures, as many as the agent lets
DeepFaceLab have."""
MOST_ON_WINDOWS = 30
"""Workers of one host there: it waits for two handles of each, and Windows for no more than 63 (cpython#94242)."""
STOP_BOUND = 15.0
"""Seconds for frames in flight after a stop signal: a 20000x20000 image takes ten."""
_JOIN_BOUND = 3.0
"""Seconds for a worker whose pipe is closed to end, before it is killed."""
_TICK = 0.25
"""Seconds after which a stop signal is seen at the latest."""


class ExtractionFailedError(Exception):
    """No worker can be kept alive; the text says why."""


class _State(Enum):
    STARTING = auto()
    IDLE = auto()
    BUSY = auto()


@dataclass(slots=True)
class _Worker:
    label: str
    process: BaseProcess
    connection: _ConnectionBase[Any, Any]
    replaces: bool
    state: _State = _State.STARTING
    frame: str | None = None
    fresh: bool = True
    held: list[FrameFailed] = field(default_factory=list)
    """Exceptions since its last success, not yet reported."""


@dataclass(slots=True)
class Totals:
    """What became of the frames, by the host's own count."""

    total: int
    done: int = 0
    failed: int = 0
    faces: int = 0
    stopped: bool = False


@dataclass(slots=True)
class _Losses:
    in_a_row: int = 0
    starts: int = 0
    unhealthy: int = 0


def _most_workers() -> int:
    return MOST_ON_WINDOWS if os.name == "nt" else sys.maxsize


class Host:
    """One extraction over a list of frames."""

    def __init__(
        self,
        frames: Sequence[str],
        settings: WorkerSettings,
        workers: int,
        events: EventWriter,
        console: Console,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self._work = Work(frames)
        self._settings = settings
        self._count = max(1, min(workers, len(frames), _most_workers()))
        self._events = events
        self._console = console
        if self._count < min(workers, len(frames)):
            console.line(f"{self._count} workers, not {workers}: one process of Windows cannot wait for more")
        self._should_stop = should_stop
        self._context = multiprocessing.get_context("spawn")
        self._workers: list[_Worker] = []
        self._losses = _Losses()
        self.totals = Totals(len(frames))

    def run(self) -> Totals:
        """Until every frame has its result, or a stop. Raises `ExtractionFailedError`."""
        try:
            for index in range(self._count):
                self._start(f"CPU{index}", replaces=False)
            while self._open_frames() and not self._should_stop():
                self._hand_out()
                self._attend(_TICK)
                if not self._open_frames():
                    for worker in list(self._workers):
                        self._settle_held(worker)
            if self._open_frames() or any(worker.held for worker in self._workers):
                self.totals.stopped = True
                self._finish_in_flight()
        finally:
            self._close()
        return self.totals

    def _open_frames(self) -> bool:
        return self._work.left or any(w.state is _State.BUSY for w in self._workers)

    # --- workers come and go

    def _start(self, label: str, replaces: bool) -> None:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=run_worker, args=(theirs, self._settings), name=label, daemon=True
        )
        process.start()
        theirs.close()
        self._workers.append(_Worker(label, process, ours, replaces))
        self._events.write(EventKind.WORKER_STARTING, label, pid=process.pid)

    def _replace(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        worker.connection.close()
        worker.process.join(_JOIN_BOUND)
        if worker.process.exitcode is None:
            worker.process.kill()
            worker.process.join(_JOIN_BOUND)
        with suppress(OSError):
            Path(self._settings.output_dir, f"{PARTIAL_PREFIX}{worker.process.pid}").unlink(missing_ok=True)
        if self._work.left and not self._should_stop():
            self._start(worker.label, replaces=True)

    def _lost(self, worker: _Worker) -> None:
        worker.process.join(_JOIN_BOUND)
        frame, starting = worker.frame, worker.state is _State.STARTING
        status = worker.process.exitcode
        phase = "startup" if starting else "frame" if frame is not None else "idle"
        self._events.write(
            EventKind.WORKER_LOST,
            worker.label,
            frame,
            pid=worker.process.pid,
            exit_status=status,
            phase=phase,
        )
        self._console.error(f"{worker.label} died (exit status {status})" + (f" on {frame}" if frame else ""))
        self._losses.in_a_row += 1
        self._losses.starts = self._losses.starts + 1 if starting else 0
        if frame is not None:
            self._judge_lost_frame(worker, frame, status)
        self._second_chances(worker)
        most = MAX_LOSSES_IN_A_ROW if self.totals.done else MAX_LOSSES_AT_FIRST
        if self._losses.starts >= MAX_STARTS_LOST or self._losses.in_a_row >= most:
            raise ExtractionFailedError(
                f"{self._losses.in_a_row} workers died in a row (last exit status {status})"
            )
        self._replace(worker)

    def _judge_lost_frame(self, worker: _Worker, frame: str, status: int | None) -> None:
        if self._work.died_on(frame):
            return
        self._remove_faces(frame)
        error = f"the worker died twice on this frame (exit status {status})"
        failure = FrameFailed(frame, error, "", "worker_lost")
        self._say_failed(failure)
        self._failed(worker, failure)

    def _remove_faces(self, frame: str) -> None:
        """What a worker wrote of a frame before it died: the frame has failed, so it has no faces."""
        for index in count():
            path = Path(self._settings.output_dir, f"{Path(frame).stem}_{index}.jpg")
            try:
                path.unlink()
            except OSError:
                return

    # --- frames out

    def _hand_out(self) -> None:
        """Give idle workers frames. A suspect gets a fresh worker, and nobody beside it."""
        idle = [worker for worker in self._workers if worker.state is _State.IDLE]
        busy = [worker for worker in self._workers if worker.state is _State.BUSY]
        if any(self._work.is_suspect(worker.frame) for worker in busy):
            return
        if self._work.has_suspects:
            fresh = next((worker for worker in idle if worker.fresh), None)
            if fresh is not None:
                if not busy:
                    self._give(fresh, self._work.suspect())
                return
        for worker in sorted(idle, key=lambda one: not one.fresh):
            frame = self._work.next_for(worker.fresh)
            if frame is not None:
                self._give(worker, frame)
        starting = any(worker.state is _State.STARTING for worker in self._workers)
        if self._work.wants_fresh_worker and not starting:
            used = next((worker for worker in self._workers if worker.state is _State.IDLE), None)
            if used is not None:
                self._settle_held(used)
                if used in self._workers:
                    self._replace(used)

    def _give(self, worker: _Worker, frame: str) -> None:
        worker.state, worker.frame, worker.fresh = _State.BUSY, frame, False
        self._events.write(EventKind.FRAME_STARTED, worker.label, frame)
        # A worker that died just now breaks the pipe; `_attend` finds it by its handle.
        with suppress(OSError):
            worker.connection.send(frame)

    # --- results in

    def _attend(self, timeout: float) -> None:
        handles: list[Any] = []
        for worker in self._workers:
            handles += [worker.connection, worker.process.sentinel]
        ready = wait(handles, timeout) if handles else []
        for worker in list(self._workers):
            if worker.connection in ready or worker.process.exitcode is not None:
                self._read(worker)

    def _read(self, worker: _Worker) -> None:
        # The exit status is read first: what the worker said before its end still counts.
        dead = worker.process.exitcode is not None
        try:
            while worker.connection.poll():
                self._on_message(worker, worker.connection.recv())
        except (EOFError, OSError):
            dead = True
        if dead and worker in self._workers:
            self._lost(worker)

    def _on_message(self, worker: _Worker, message: object) -> None:
        match message:
            case Ready():
                self._ready(worker)
            case StartFailed(error=error, traceback=text):
                self._console.error(f"Error while subprocess initialization: {text or error}")
                raise ExtractionFailedError(error)
            case FrameDone():
                self._done(worker, message)
            case FrameFailed():
                self._free(worker)
                self._say_failed(message)
                if message.kind != "exception":
                    self._failed(worker, message)
                    return
                worker.held.append(message)
                if len(worker.held) >= SICK_AFTER:
                    self._unhealthy(worker)

    def _ready(self, worker: _Worker) -> None:
        worker.state = _State.IDLE
        self._losses.starts = 0
        if worker.replaces:
            self._events.write(EventKind.WORKER_REPLACED, worker.label, pid=worker.process.pid)
        else:
            self._events.write(EventKind.WORKER_STARTED, worker.label, pid=worker.process.pid, device="CPU")
        self._console.line(f"Running on {worker.label}")
        self._console.bar(self.totals.done + self.totals.failed, self.totals.total)

    def _free(self, worker: _Worker) -> None:
        worker.state, worker.frame = _State.IDLE, None

    def _done(self, worker: _Worker, result: FrameDone) -> None:
        self._free(worker)
        self._report_held(worker)
        self._work.succeeded()
        self._losses.in_a_row = self._losses.unhealthy = 0
        self.totals.done += 1
        self.totals.faces += len(result.faces)
        self._events.write(
            EventKind.FRAME_DONE,
            worker.label,
            result.frame,
            faces=list(result.faces),
            rects=[list(rect) for rect in result.rects],
            seconds=round(result.seconds, 4),
            looked=result.looked,
        )
        self._progress()

    def _unhealthy(self, worker: _Worker) -> None:
        """It failed in a row: what it failed may be another's, and so may the rest of the run."""
        self._losses.unhealthy += 1
        if self._losses.unhealthy >= MAX_SICK_IN_A_ROW:
            error = f"frame after frame has failed, none was extracted in between: {worker.held[-1].error}"
            raise ExtractionFailedError(error)
        self._second_chances(worker)
        self._replace(worker)

    def _second_chances(self, worker: _Worker) -> None:
        stand = self._work.failed_in_row([failure.frame for failure in worker.held]) if worker.held else set()
        worker.held = [failure for failure in worker.held if failure.frame in stand]
        self._report_held(worker)

    def _settle_held(self, worker: _Worker) -> None:
        """Nothing will show whether it is unhealthy: one failure is its frame's, for several it is unclear."""
        if len(worker.held) > 1:
            self._unhealthy(worker)
        else:
            self._report_held(worker)

    def _report_held(self, worker: _Worker) -> None:
        held, worker.held = worker.held, []
        for failure in held:
            self._failed(worker, failure)

    def _say_failed(self, result: FrameFailed) -> None:
        if result.kind == "unreadable":
            path = Path(self._settings.input_dir, result.frame)
            self._console.error(f"Failed to open {path}, reason: {result.error}")
        else:
            self._console.error(f"Error while processing data: {result.traceback or result.error}")

    def _failed(self, worker: _Worker, result: FrameFailed) -> None:
        self.totals.failed += 1
        self._events.write(
            EventKind.FRAME_FAILED,
            worker.label,
            result.frame,
            error=result.error,
            traceback=result.traceback,
            kind=result.kind,
        )
        self._progress()

    def _progress(self) -> None:
        done = self.totals.done + self.totals.failed
        self._events.write(EventKind.PROGRESS, done=done, total=self.totals.total)
        self._console.bar(done, self.totals.total)

    # --- the end

    def _finish_in_flight(self) -> None:
        """After a stop: nothing new is handed out, what is in work gets `STOP_BOUND` seconds."""
        self._work.drop()
        deadline = time.monotonic() + STOP_BOUND
        while any(w.state is _State.BUSY for w in self._workers) and time.monotonic() < deadline:
            with suppress(ExtractionFailedError):
                self._attend(_TICK)
            self._work.drop()

    def _close(self) -> None:
        """Close the pipes, which ends the workers; kill those that do not end, or have not begun."""
        for worker in self._workers:
            worker.connection.close()
            if worker.state is not _State.IDLE:
                worker.process.kill()
        deadline = time.monotonic() + _JOIN_BOUND
        for worker in self._workers:
            worker.process.join(max(0.0, deadline - time.monotonic()))
            if worker.process.exitcode is None:
                worker.process.kill()
                worker.process.join(_JOIN_BOUND)
            with suppress(OSError):
                Path(self._settings.output_dir, f"{PARTIAL_PREFIX}{worker.process.pid}").unlink(
                    missing_ok=True
                )
        self._workers.clear()
