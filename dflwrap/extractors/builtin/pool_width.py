"""The width of the built-in extractor: the places of its one device, the CPU, as the control file sets them."""

from __future__ import annotations

from itertools import count
from typing import Any

from dflwrap.common.events import EventKind
from dflwrap.extractors.builtin.reporting import EventWriter
from dflwrap.extractors.control_file import FRAMES, FRAMES_END, WORKERS, ControlReader, path_of
from dflwrap.extractors.device_slots import OUT_OF_MEMORY, Device, Slot
from dflwrap.extractors.frame_queue import FrameQueue


class PoolWidth:
    """Follows the control file, and tells what became of the width. Starts and ends no process."""

    def __init__(
        self, queue: FrameQueue[Any], workers: int, most: int, events: EventWriter, control: str
    ) -> None:
        """most: workers that one host can have. control: path of the control file, "" = nobody tells anything."""
        self._queue, self._most, self._events = queue, most, events
        self._control = ControlReader(control, lambda text: events.write(EventKind.LOG_LINE, text=text))
        self.device = Device("CPU", workers, elastic=bool(control))
        self.slots = [Slot(f"CPU{index}", self.device) for index in range(workers)]
        self.threads: int | None = None
        """Of the next workers; None: as the host was started with."""
        self._folders: dict[str, str] = {}
        """Of the frames that do not lie in the batch folder."""

    def follow(self) -> int:
        """Do what the supervisor asks; the number of frames that have come."""
        came = 0
        for message in self._control.poll():
            if message["type"] == WORKERS and message["device"] == self.device.key:
                self._set(min(message["workers"], self._most), message)
            elif message["type"] == FRAMES:
                names = [name for _, name in message["names"]]
                came += len(self._queue.untried.come(names))
                if (folder := message.get("folder")) is not None:
                    self._folders.update(dict.fromkeys(names, folder))
            elif message["type"] == FRAMES_END:
                self._queue.untried.more_to_come = False
        return came

    def path_of(self, frame: str) -> str:
        """Where to read it; without a folder: in the batch folder."""
        return path_of(self._folders.get(frame, ""), frame)

    def _set(self, workers: int, message: dict[str, Any]) -> None:
        before = self._queue.widths.set(self.device, workers, message.get("room") is True)
        self.threads = message.get("threads") or self.threads
        taken = {slot.label for slot in self.slots}
        labels = (label for index in count() if (label := f"CPU{index}") not in taken)
        self.slots += [Slot(next(labels), self.device) for _ in range(workers - len(self.slots))]
        if before != workers:
            self._tell(before, workers, message.get("reason", ""))

    def _tell(self, before: int, workers: int, reason: str, **more: Any) -> None:
        key = self.device.key
        self._events.write(
            EventKind.WIDTH_CHANGED, device=key, before=before, workers=workers, reason=reason, **more
        )

    def to_fill(self) -> list[Slot]:
        """Places without a worker, in the order in which they get one as long as `may_start` says so."""
        held = {id(worker.slot) for worker in self._queue.workers}
        return [slot for slot in self.slots if id(slot) not in held and not slot.disabled]

    def may_start(self, slot: Slot) -> bool:
        return not slot.disabled and self._queue.widths.may_start(slot)

    def report(self) -> None:
        """What the queue itself has lowered, and what goes round again for it."""
        for worker, frame, report in self._queue.take_handed_back():
            self._events.write(EventKind.FRAME_AGAIN, worker.slot.label, frame, error=report.error)
        for change in self._queue.widths.take_changes():
            error = change.report.error
            self._tell(change.before, change.after, OUT_OF_MEMORY, error=error)
