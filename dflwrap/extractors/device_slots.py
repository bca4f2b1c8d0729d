"""Devices, their places for workers, and the workers, as far as the frame queue knows them.

How many workers a device is to have is its `target`. The supervisor sets it while an attempt runs (`control_file`);
lack of memory lowers it at once. Standard library, Python 3.6 syntax: the agent inside DeepFaceLab loads this file too.
"""

# ruff: noqa: UP006, UP035, UP045
from typing import Any, List, Optional

STARTING, FREE, BUSY = "starting", "free", "busy"
"""States of a worker."""
UNHEALTHY = "errors"
"""Why a worker is ended that fails frame after frame (the `reason` of its `worker_lost` event)."""
NARROWER = "narrower"
"""Why a worker is ended of which its device has one too many."""
OUT_OF_MEMORY = "out_of_memory"
"""Why a target was lowered by the queue itself (the `reason` of its `width_changed` event)."""


class Device:
    """What workers run on: a video card ("GPU0"), or the CPU."""

    def __init__(self, key: str, target: int, elastic: bool = False) -> None:
        """elastic: somebody sets the target anew; else lack of memory is a failure like any other."""
        self.key = key
        self.target = target
        self.elastic = elastic
        self.room = False
        """The memory that a worker needs was seen to be there, and no frame has been done since: what fails for lack
        of it, alone on the device, fails by itself."""
        self.epoch = 0
        """Moves on with each lowering: what fails of what was handed out before says nothing new."""
        self.leaving: List[Worker] = []
        """Ended for lack of memory, and not gone yet: until its memory is free, nothing is handed out here."""


class Slot:
    """A device's place for a worker, and what its workers, one after another, have shown of it."""

    def __init__(self, label: str, device: Optional[Device] = None) -> None:
        self.label = label
        self.device = device
        self.unhealthy = False
        """Its last worker was replaced for failing on everything, and no frame has succeeded since."""
        self.disabled = False
        """It fails on everything while others work: it gets no more workers."""


class Worker:
    """A worker process, as far as its frames go. The hosts' own classes derive from it."""

    def __init__(self, slot: Any) -> None:
        self.slot = slot
        self.state = STARTING
        self.frame: Any = None
        """What it has in hand."""
        self.epoch = 0
        """Its device's, when that was handed out (before that, when it was started)."""
        self.frames_done = 0
        """Results of any kind."""
        self.good_frames = 0
        self.held: List[Failure] = []
        """Its failures in a row, not yet settled."""
        self.last_failed = False
        self.reason: Optional[str] = None
        """Why it is being ended; None: it is not."""

    @property
    def fresh(self) -> bool:
        """It has finished no frame yet."""
        return self.frames_done == 0

    @property
    def is_well(self) -> bool:
        """Nothing speaks against it: a frame that fails on it fails by itself."""
        return not (self.held or self.last_failed or (self.slot.unhealthy and not self.good_frames))


class Failure:
    """A frame's failure. report: the host's own words for it; died: its worker was lost."""

    def __init__(self, slot: Any, frame: Any, report: Any, died: bool = False) -> None:
        self.slot, self.frame, self.report, self.died = slot, frame, report, died


class Change:
    """A target that the queue itself has lowered."""

    def __init__(self, device: Device, before: int, report: Any) -> None:
        self.device, self.before, self.after, self.report = device, before, device.target, report


class Widths:
    """The workers of each device against its target."""

    def __init__(self, workers: List[Any]) -> None:
        """workers: of the queue, all that have not been retired or lost."""
        self._workers = workers
        self._changes: List[Change] = []
        self._surplus: List[Any] = []

    def active(self, device: Device) -> int:
        """Places of the device with a worker that is not being ended (a place may have a spare beside its worker)."""
        return len(self._places(device))

    def _places(self, device: Device) -> List[Any]:
        """Those with a worker that is not being ended, the longest at work first."""
        places: List[Any] = []
        for one in self._workers:
            if one.slot.device is device and one.reason is None and one.slot not in places:
                places.append(one.slot)
        return places

    def may_start(self, slot: Any) -> bool:
        """Whether its device is to have one more worker."""
        return slot.device is None or self.active(slot.device) < slot.device.target

    def set(self, device: Device, target: int, room: bool = False) -> int:
        """A new target; what it was before. room: see `Device`. Workers too many are ended as they become free."""
        before, device.target, device.room = device.target, target, room
        for worker in reversed(list(self._workers)):
            if worker.slot.device is device and worker.state != BUSY:
                self.is_surplus(worker)
        return before

    def is_surplus(self, worker: Any) -> bool:
        """Whether a worker that has nothing in hand is one too many (the last to come); then it is to be ended."""
        device = worker.slot.device
        if device is None or worker.reason is not None:
            return False
        if worker.slot not in self._places(device)[device.target :]:
            return False
        self._end(worker)
        return True

    def lower(self, worker: Any, report: Any) -> bool:
        """Memory ran out for a worker, in a frame or in its start. False: that is no news of its device.

        Where it is, the device gets one worker fewer: this one.
        """
        device = worker.slot.device
        if worker.epoch != device.epoch:
            return False
        before = self.active(device)
        device.target, device.room = max(0, min(device.target, before) - 1), False
        device.epoch += 1
        device.leaving.append(worker)
        self._end(worker)
        self._changes.append(Change(device, before, report))
        return True

    def is_the_frames_own(self, worker: Any) -> bool:
        """Whether lack of memory on it is no matter of the width: nobody sets that, or it is alone with room."""
        device = worker.slot.device
        return device is None or not device.elastic or (device.room and self.active(device) <= 1)

    def gone(self, worker: Any) -> None:
        """The process of a worker that was one too many has ended: its memory is free."""
        device = worker.slot.device
        if device is not None and worker in device.leaving:
            device.leaving.remove(worker)

    def take_changes(self) -> List[Change]:
        """The targets that were lowered for lack of memory, and were not taken yet."""
        taken, self._changes = self._changes, []
        return taken

    def take_surplus(self) -> List[Any]:
        """Workers without a frame in hand that are to be ended; each is given once."""
        taken, self._surplus = self._surplus, []
        return taken

    def _end(self, worker: Any) -> None:
        worker.reason = NARROWER
        self._surplus.append(worker)
