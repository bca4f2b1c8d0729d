"""Whose fault a frame's failure is: the frame's, its worker's, or the machine's. And what is to be done about it.

What tells a frame's failure from its surroundings' is a frame that succeeds:

- The frame of a worker that dies is retried as the first frame of a fresh worker (a suspect).
- Failures in a row may mean an unhealthy worker (a CUDA error sticks to its process). They are held back: the next
  good frame proves them to be the frames' own; three without one replace the worker, and so does its death. What it
  held back goes to another worker; the first of it, which may have made the worker unhealthy, last of all and alone.
- What fails there too is unproven until a frame succeeds. Too many of those, or too many deaths in a row: the
  machine is to blame and none of the frames (`GivenUp`). A slot on which all fails beside one that works is disabled.
- Where copies of failed frames can be had (`copies`), a failure that is the frame's own first gets a try as a copy.

Standard library, Python 3.6 syntax: the agent inside DeepFaceLab loads this file too (see `frame_queue`).
"""

# ruff: noqa: UP006, UP035
from typing import Any, Callable, List, Set

from .device_slots import UNHEALTHY, Failure, Slot, Worker
from .untried import SecondTries

ERRORS_IN_ROW = 3
"""So many failures of a worker in a row mean that it is unhealthy."""
DEATHS_IN_ROW = 8
"""So many workers lost without a frame done in between: the machine is to blame. Each costs a start."""
MOST_UNPROVEN = 24
"""So many unproven failures at once: everything fails here."""
SLOT_UNPROVEN = 6
"""A slot on which so many frames have failed since it got a new worker, and none has succeeded, is disabled where
another one works: its GPU is unhealthy. It would eat the input, for failing is fast. Six, not three: poison frames lie
beside each other."""
HUNG = 4
"""Different frames, from all over the batch, that hang where nothing has ever succeeded: it is not the frames. Each
costs a whole timeout, so a second try of each would only double the time."""


class GivenUp(Exception):  # noqa: N818 - it is an end, no fault of this program
    """Everything fails here: the frames left, and unproven failures, have no outcome. The text says what was seen."""

    def __init__(self, text: str, deaths: int = 0, report: Any = None) -> None:
        """deaths: workers lost in a row, where that is why; report: of the last failure, where that is why."""
        super().__init__(text)
        self.deaths, self.report = deaths, report


class FrameFailures:
    """What has failed, until it is settled. Frames that get another try go to the `SecondTries`."""

    def __init__(
        self,
        workers: List[Any],
        second_tries: SecondTries,
        copies: Any,
        suspects_alone: bool,
        deaths_in_row: int,
    ) -> None:
        """The arguments are `FrameQueue`'s; workers: of the queue, all that have not been retired or lost."""
        self._workers, self._second_tries, self._copies = workers, second_tries, copies
        self._alone, self._deaths_allowed = suspects_alone, deaths_in_row
        self.stopping = False
        """The run ends early: no failure gets another try."""
        self.for_copies: List[Failure] = []
        """Their frames wait for copies."""
        self.deaths = 0
        """Workers lost in a row."""
        self.worked = False
        """A frame has succeeded."""
        self._unproven: List[Failure] = []
        self._settled: List[Failure] = []
        self._to_end: List[Any] = []
        self._hung: Set[str] = set()  # while nothing had succeeded yet

    @property
    def any_unproven(self) -> bool:
        return bool(self._unproven)

    @property
    def hangs_from_start(self) -> bool:
        """Something has hung, and nothing has ever succeeded."""
        return bool(self._hung) and not self.worked

    def all_fail_on(self, slot: Slot) -> bool:
        """It was given enough frames to be disabled, and none has succeeded."""
        return sum(one.slot is slot and not one.died for one in self._unproven) >= SLOT_UNPROVEN

    def take_settled(self) -> List[Failure]:
        taken, self._settled = self._settled, []
        return taken

    def take_unhealthy(self) -> List[Any]:
        taken, self._to_end = self._to_end, []
        return taken

    # -- what has happened ---------------------------------------------------------------------------

    def succeeded(self, worker: Worker) -> None:
        """A frame has, on this worker: its slot works, and what failed there was the frames' fault.

        So is what killed a worker anywhere: this one has survived. What fails on another slot only may be that
        slot's fault.
        """
        self.settle_held(worker)
        worker.good_frames += 1
        worker.last_failed = worker.slot.unhealthy = False
        if worker.slot.device is not None:
            worker.slot.device.room = False
        self.deaths, self.worked = 0, True
        for failure in self._take_unproven(lambda one: one.died or one.slot is worker.slot):
            self.is_own(failure)

    def failed(self, worker: Worker, failure: Failure, its_own: bool) -> None:
        """its_own: it says nothing against the worker. Raises `GivenUp`."""
        worker.last_failed = True
        if its_own or self._is_copy(failure.frame):
            self.is_own(failure)
            return
        worker.held.append(failure)
        if len(worker.held) >= ERRORS_IN_ROW:
            self.unhealthy(worker)

    def died(self, worker: Worker, report: Any, hung: bool) -> None:
        """Its process was lost; report and hung as in `FrameQueue.lost`. Raises `GivenUp`."""
        self.deaths += 1
        if worker.frame is not None:
            self._died_on(worker, report, hung)
        if worker.held:
            self.try_elsewhere(worker)
        if self.deaths >= (self._deaths_allowed if self.worked else DEATHS_IN_ROW):
            raise GivenUp(f"{self.deaths} workers in a row were lost, none got a frame done", self.deaths)

    def _died_on(self, worker: Worker, report: Any, hung: bool) -> None:
        frame = worker.frame
        if not self._is_copy(frame) and self._second_tries.grant(frame, "death"):
            if self._copies is not None:
                self._copies.ask(frame)
            self._second_tries.suspects.append(frame)
        elif self._alone:
            self._settled.append(Failure(worker.slot, frame, report, died=True))
        else:
            self._unproven.append(Failure(worker.slot, frame, report, died=True))
        if hung and not self.worked:
            self._hung.add(self._second_tries.name_of(frame))
            if len(self._hung) >= HUNG:
                raise GivenUp(f"{len(self._hung)} different frames hang, none got done")

    # -- what is done about it -----------------------------------------------------------------------

    def is_own(self, failure: Failure) -> None:
        """The failure is the frame's own: it is tried as a copy, or the failure stands."""
        if self._copies is not None and not self.stopping and self._copies.ask(failure.frame):
            self.for_copies.append(failure)
        else:
            self._settled.append(failure)

    def settle_held(self, worker: Worker) -> None:
        """What the worker holds back are its frames' own failures."""
        held, worker.held = worker.held, []
        for failure in held:
            self.is_own(failure)

    def settle_unproven(self) -> None:
        """Nothing is left that could show more."""
        for failure in self._take_unproven(lambda one: True):
            self.is_own(failure)

    def settle_uncopied(self) -> None:
        """Frames that get no copy are not waited for: their failures stand."""
        if self._copies is None:
            return
        for failure in list(self.for_copies):
            if self._copies.answered(failure.frame) and not self._copies.has_copy(failure.frame):
                self.for_copies.remove(failure)
                self.is_own(failure)

    def give_up(self) -> None:
        """Nothing more will be tried: the failures that wait for copies stand, as they were the frames' own."""
        self._settled += self.for_copies
        self.for_copies = []

    def unhealthy(self, worker: Worker) -> None:
        """It has failed in a row. Its slot is disabled, or it is replaced, or it continues. Raises `GivenUp`."""
        replace = self.try_elsewhere(worker)
        slot = worker.slot
        works = any(one.good_frames for one in self._workers)
        if self.all_fail_on(slot) and works and not slot.disabled and not self.stopping:
            slot.disabled = True
            for failure in self._take_unproven(
                lambda one: one.slot is slot and self._second_tries.grant(one.frame, "slot")
            ):
                self._second_tries.again.append(failure.frame)
            self._end(worker)
        elif replace:
            slot.unhealthy = True
            self._end(worker)

    def _end(self, worker: Worker) -> None:
        worker.reason = UNHEALTHY
        self._to_end.append(worker)

    def try_elsewhere(self, worker: Worker) -> bool:
        """What a worker holds back gets one more try in a new one. True where a new one would teach something.

        A new worker that has not had a success either agrees with the one before it: then its failures are
        unproven, and replacing it again would teach nothing. Raises `GivenUp`.
        """
        held, worker.held = worker.held, []
        if worker.slot.unhealthy and not worker.good_frames:
            self._unproven += held
            if len(self._unproven) >= MOST_UNPROVEN:
                text = f"{len(self._unproven)} frames in a row have failed"
                raise GivenUp(text, report=held[-1].report)
            return False
        replace = False
        for place, failure in enumerate(held):
            if not self._second_tries.grant(failure.frame, "unhealthy"):
                self.is_own(failure)
                continue
            replace = True
            (self._second_tries.again if place else self._second_tries.last_alone).append(failure.frame)
        return replace

    def _is_copy(self, frame: Any) -> bool:
        return self._copies is not None and self._copies.is_copy(frame)

    def _take_unproven(self, certain: Callable[[Failure], bool]) -> List[Failure]:
        taken = [one for one in self._unproven if certain(one)]
        self._unproven = [one for one in self._unproven if one not in taken]
        return taken
