"""The host: hands frames to worker processes one at a time, and loses none of them.

A worker that dies is noticed at once (its process handle is waited for beside its pipe). Which frame comes next, what
is retried, and whose fault a failure is, decides `frame_queue`.
What it does not cover: a worker that hangs. How long is too long is for the supervisor to say.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dflwrap.common.events import EventKind
from dflwrap.extractors.builtin.pool_width import PoolWidth
from dflwrap.extractors.builtin.reporting import Console, EventWriter
from dflwrap.extractors.builtin.settings import (
    PARTIAL_PREFIX,
    FrameDone,
    FrameFailed,
    Ready,
    StartFailed,
    WorkerSettings,
)
from dflwrap.extractors.builtin.worker import run_worker
from dflwrap.extractors.frame_queue import FREE, STARTING, Failure, FrameQueue, GivenUp, Slot, Worker
from dflwrap.extractors.memory_errors import is_out_of_memory

if TYPE_CHECKING:
    from multiprocessing.connection import _ConnectionBase  # what is common to the pipes of both systems

DEATHS_ONCE_WORKED = 20
"""Workers lost with no frame done in between before the host gives up: ten frames that each took two. Before any frame
was done it is the queue's own, smaller limit."""
MAX_STARTS_LOST = 3
"""Workers lost in a row before any of them was ready."""
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


class _Process(Worker):
    """A worker of the queue with its process, and our end of its pipe."""

    def __init__(
        self, slot: Slot, process: BaseProcess, connection: _ConnectionBase[Any, Any], replaces: bool
    ) -> None:
        super().__init__(slot)
        self.process, self.connection, self.replaces = process, connection, replaces


@dataclass(slots=True)
class Totals:
    """What became of the frames, by the host's own count."""

    total: int
    done: int = 0
    failed: int = 0
    faces: int = 0
    stopped: bool = False


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
        control: str = "",
        stream: bool = False,
    ) -> None:
        """control: path of the control file; "" = nothing changes while it runs. stream: there are more frames, of
        which it tells."""
        self._queue = FrameQueue[_Process](
            list(frames), suspects_alone=True, deaths_in_row=DEATHS_ONCE_WORKED
        )
        self._queue.untried.more_to_come = stream
        self._settings = settings
        wanted = workers if stream else min(workers, len(frames))
        self._count = max(1, min(wanted, _most_workers()))
        self._events = events
        self._console = console
        if self._count < wanted:
            console.line(f"{self._count} workers, not {workers}: one process of Windows cannot wait for more")
        self._should_stop = should_stop
        self._context = multiprocessing.get_context("spawn")
        self._width = PoolWidth(self._queue, self._count, _most_workers(), events, control)
        self._workers: list[_Process] = []
        self._starts_lost = 0
        self.totals = Totals(len(frames))

    def run(self) -> Totals:
        """Until every frame has its result, or a stop. Raises `ExtractionFailedError`."""
        try:
            self.totals.total += self._width.follow()
            self._fill()
            self._work_off()
        except GivenUp as error:
            what = "frame after frame has failed, none was extracted in between"
            raise ExtractionFailedError(f"{what}: {error.report.error}") from None
        finally:
            self._report_failures()
            self._close()
        return self.totals

    def _work_off(self) -> None:
        while self._open_frames() and not self._should_stop():
            self.totals.total += self._width.follow()
            self._hand_out()
            self._end_surplus()
            self._attend(_TICK)
            self._replace_unhealthy()
            if not self._open_frames():
                self._queue.finish()
                self._replace_unhealthy()
            self._report_failures()
        if self._open_frames() or any(worker.held for worker in self._workers):
            self.totals.stopped = True
            self._finish_in_flight()

    def _open_frames(self) -> bool:
        return self._queue.left or self._queue.busy

    def _fill(self) -> None:
        """A worker in each place that is to have one, and has none."""
        for slot in self._width.to_fill():
            if self._width.may_start(slot):
                self._start(slot, replaces=False)

    def _end_surplus(self) -> None:
        for worker in self._queue.widths.take_surplus():
            self._queue.retire(worker)
            self._end(worker)
            self._queue.widths.gone(worker)
            self._events.write(EventKind.WORKER_ENDED, worker.slot.label, pid=worker.process.pid)

    # --- workers come and go

    def _start(self, slot: Slot, replaces: bool) -> None:
        ours, theirs = self._context.Pipe()
        threads = self._width.threads
        settings = self._settings if threads is None else replace(self._settings, threads=threads)
        process = self._context.Process(
            target=run_worker, args=(theirs, settings), name=slot.label, daemon=True
        )
        process.start()
        theirs.close()
        worker = _Process(slot, process, ours, replaces)
        self._workers.append(worker)
        self._queue.add(worker)
        self._events.write(EventKind.WORKER_STARTING, slot.label, pid=process.pid)

    def _restart(self, slot: Slot) -> None:
        """Where frames are left for it."""
        if self._width.may_start(slot) and self._queue.left and not self._should_stop():
            self._start(slot, replaces=True)

    def _replace(self, worker: _Process) -> None:
        self._queue.retire(worker)
        self._end(worker)
        self._restart(worker.slot)

    def _end(self, worker: _Process) -> None:
        """Of a dead one: collect it."""
        self._workers.remove(worker)
        worker.connection.close()
        worker.process.join(_JOIN_BOUND)
        if worker.process.exitcode is None:
            worker.process.kill()
            worker.process.join(_JOIN_BOUND)
        self._remove_partial(worker)

    def _replace_unhealthy(self) -> None:
        for worker in self._queue.take_unhealthy():
            self._replace(worker)

    def _remove_partial(self, worker: _Process) -> None:
        with suppress(OSError):
            Path(self._settings.output_dir, f"{PARTIAL_PREFIX}{worker.process.pid}").unlink(missing_ok=True)

    def _lost(self, worker: _Process) -> None:
        worker.process.join(_JOIN_BOUND)
        frame, starting = worker.frame, worker.state == STARTING
        status = worker.process.exitcode
        phase = "startup" if starting else "frame" if frame is not None else "idle"
        label = worker.slot.label
        self._events.write(
            EventKind.WORKER_LOST, label, frame, pid=worker.process.pid, exit_status=status, phase=phase
        )
        self._console.error(f"{label} died (exit status {status})" + (f" on {frame}" if frame else ""))
        self._end(worker)
        self._starts_lost = self._starts_lost + 1 if starting else 0
        many = self._starts_lost if self._starts_lost >= MAX_STARTS_LOST else 0
        error = f"the worker died twice on this frame (exit status {status})"
        try:
            self._queue.lost(worker, FrameFailed(frame or "", error, "", "worker_lost"))
        except GivenUp as given_up:
            if given_up.report is not None:
                raise
            many = given_up.deaths
        if many:
            raise ExtractionFailedError(f"{many} workers died in a row (last exit status {status})")
        self._restart(worker.slot)

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
        if not self._queue.untried.exhausted:
            self._fill()
        elif (
            not self._workers and self._width.device.target
        ):  # the last one died when nothing was left for another
            self._start(self._width.to_fill()[0], replaces=True)
        for worker in sorted(self._workers, key=lambda one: not one.fresh):
            frame = self._queue.next_for(worker)
            if frame is not None:
                self._give(worker, frame)
        used = self._queue.to_renew()
        if used is not None:
            self._replace(used)

    def _give(self, worker: _Process, frame: str) -> None:
        self._events.write(EventKind.FRAME_STARTED, worker.slot.label, frame)
        # A worker that died just now breaks the pipe; `_attend` finds it by its handle.
        with suppress(OSError):
            worker.connection.send(self._width.path_of(frame))

    # --- results in

    def _attend(self, timeout: float) -> None:
        handles: list[Any] = []
        for worker in self._workers:
            handles += [worker.connection, worker.process.sentinel]
        if not handles:
            time.sleep(timeout)
        ready = wait(handles, timeout) if handles else []
        for worker in list(self._workers):
            if worker.connection in ready or worker.process.exitcode is not None:
                self._read(worker)

    def _read(self, worker: _Process) -> None:
        # The exit status is read first: what the worker said before its end still counts.
        dead = worker.process.exitcode is not None
        try:
            while worker.connection.poll():
                self._on_message(worker, worker.connection.recv())
        except (EOFError, OSError):
            dead = True
        if dead and worker in self._workers:
            self._lost(worker)

    def _on_message(self, worker: _Process, message: object) -> None:
        match message:
            case Ready():
                self._ready(worker)
            case StartFailed(error=error, traceback=text):
                self._console.error(f"Error while subprocess initialization: {text or error}")
                report = FrameFailed("", error, text, "exception")
                if not is_out_of_memory(text or error) or not self._queue.start_failed(worker, report):
                    raise ExtractionFailedError(error)
                self._width.report()
            case FrameDone():
                self._done(worker, message)
            case FrameFailed():
                self._say_failed(message)
                raised = message.kind == "exception"
                memory = raised and is_out_of_memory(message.traceback or message.error)
                self._queue.failed(worker, message, its_own=not raised, memory=memory)
                self._width.report()

    def _ready(self, worker: _Process) -> None:
        self._queue.ready(worker)
        self._starts_lost = 0
        label, pid = worker.slot.label, worker.process.pid
        if worker.replaces:
            self._events.write(EventKind.WORKER_REPLACED, label, pid=pid)
        else:
            self._events.write(EventKind.WORKER_STARTED, label, pid=pid, device="CPU")
        self._console.line(f"Running on {label}")
        self._console.bar(self.totals.done + self.totals.failed, self.totals.total)

    def _done(self, worker: _Process, result: FrameDone) -> None:
        self._queue.done(worker)
        self._report_failures()
        self.totals.done += 1
        self.totals.faces += len(result.faces)
        self._events.write(
            EventKind.FRAME_DONE,
            worker.slot.label,
            result.frame,
            faces=list(result.faces),
            rects=[list(rect) for rect in result.rects],
            seconds=round(result.seconds, 4),
            looked=result.looked,
        )
        self._progress()

    def _report_failures(self) -> None:
        for failure in self._queue.take_settled():
            if failure.died:
                self._remove_faces(failure.frame)
                self._say_failed(failure.report)
            self._failed(failure)

    def _say_failed(self, result: FrameFailed) -> None:
        if result.kind == "unreadable":
            path = Path(self._settings.input_dir, self._width.path_of(result.frame))
            self._console.error(f"Failed to open {path}, reason: {result.error}")
        else:
            self._console.error(f"Error while processing data: {result.traceback or result.error}")

    def _failed(self, failure: Failure) -> None:
        self.totals.failed += 1
        result: FrameFailed = failure.report
        self._events.write(
            EventKind.FRAME_FAILED,
            failure.slot.label,
            failure.frame,
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
        self._queue.stopping = True
        deadline = time.monotonic() + STOP_BOUND
        while self._queue.busy and time.monotonic() < deadline:
            with suppress(ExtractionFailedError, GivenUp):
                self._attend(_TICK)

    def _close(self) -> None:
        """Close the pipes, which ends the workers; kill those that do not end, or have not begun."""
        for worker in self._workers:
            worker.connection.close()
            if worker.state != FREE:
                worker.process.kill()
        deadline = time.monotonic() + _JOIN_BOUND
        for worker in self._workers:
            worker.process.join(max(0.0, deadline - time.monotonic()))
            if worker.process.exitcode is None:
                worker.process.kill()
                worker.process.join(_JOIN_BOUND)
            self._remove_partial(worker)
        self._workers.clear()
