"""The events an extractor reports: one JSON object per line of `events.jsonl`.

The agent (DFL's Python 3.6) and the built-in extractor write these lines; the supervisor reads them.
Every object holds `event` (a name below), `time` (seconds since the epoch) and, where it applies,
`worker` (a label such as "CPU0" or "GPU0.1") and `frame` (a file name inside the batch folder).

    extractor_started  version, python, workers (how many will start), mode ("agent" | "builtin"), pid;
                       supported (the messages of the control file that are followed)
    agent_failed       error: the agent could not hook this DFL; black-box mode from here on
    worker_starting    worker, pid: a process was started; "started" or "replaced" follows once it is ready
    worker_started     worker, pid, device; optional: beside_gpus (true: on the CPU, as it was asked to be, in an
                       attempt for video cards)
    frame_started      worker, frame
    frame_done         worker, frame, faces (file names in the output folder), rects (rectangles
                       found by the detector), seconds; optional: looked (false: the detector skipped
                       the frame, so it is not a "no face"), repaired (true: it was the copy)
    frame_failed       worker, frame, error (last line), traceback (text, bounded), kind
                       ("exception" | "landmarks" | "unreadable" | "worker_lost"); optional: repaired
                       (true: the second failure, this time of the copy)
    frame_again        worker, frame, error: failed for lack of memory, goes round again as it is
    width_changed      device ("GPU0", "CPU"), before, workers (the target now), reason ("out_of_memory": lowered by the
                       extractor itself, with the error; else as the control file says)
    worker_ended       worker, pid: it was one too many for the device's width, and had no frame in hand
    repair_wanted      frame: failed once; a re-encoded copy is waited for (see AttemptSpec.repaired_dir)
    worker_lost        worker, pid, exit_status (negative = signal), frame or null, phase; optional: given_up (true:
                       everything failed on it while others worked, none follows it in this attempt)
    worker_replaced    worker, pid
    progress           done, total
    prompt             text
    finished           done, failed, total: the extractor's own end, after the last frame

`frame_done` is written after the face files and the debug picture are closed.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from enum import StrEnum
from sys import intern
from typing import Any

EVENTS_ENV = "DFLWRAP_EVENTS"
"""Environment variable with the path of the events file."""


class EventKind(StrEnum):
    """The names of the events; what each holds is said above."""

    EXTRACTOR_STARTED = "extractor_started"
    AGENT_FAILED = "agent_failed"
    WORKER_STARTING = "worker_starting"
    WORKER_STARTED = "worker_started"
    FRAME_STARTED = "frame_started"
    FRAME_DONE = "frame_done"
    FRAME_FAILED = "frame_failed"
    FRAME_AGAIN = "frame_again"
    WIDTH_CHANGED = "width_changed"
    WORKER_ENDED = "worker_ended"
    REPAIR_WANTED = "repair_wanted"
    WORKER_LOST = "worker_lost"
    WORKER_REPLACED = "worker_replaced"
    LOG_LINE = "log_line"
    PROGRESS = "progress"
    PROMPT = "prompt"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing the extractor reported (or the console translator read out of its output)."""

    kind: EventKind
    time: float
    worker: str | None = None
    frame: str | None = None
    data: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        body: dict[str, Any] = {"event": self.kind.value, "time": self.time}
        if self.worker is not None:
            body["worker"] = self.worker
        if self.frame is not None:
            body["frame"] = self.frame
        body.update(self.data)
        return json.dumps(body, ensure_ascii=True)


def gpu_of(worker: str | None) -> int | None:
    """Index of the GPU in a worker's label ("GPU0.1" -> 0); None for the CPU, and for labels of another kind."""
    if worker is None or not worker.upper().startswith("GPU"):
        return None
    digits = worker[3:].split(".")[0]
    return int(digits) if digits.isdigit() else None


def parse_event(line: bytes | str) -> Event | None:
    """One line of an events file; None for what is not an event (half a line, another version's)."""
    try:
        body = json.loads(line)
        kind = EventKind(body.pop("event"))
        time = float(body.pop("time"))
        worker, frame = body.pop("worker", None), body.pop("frame", None)
    except (ValueError, OverflowError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    if not math.isfinite(time):
        return None
    if not (worker is None or isinstance(worker, str)) or not (frame is None or isinstance(frame, str)):
        return None
    # One text for all who keep a frame's name: there may be a hundred thousand.
    return Event(kind, time, worker, frame if frame is None else intern(frame), body)
