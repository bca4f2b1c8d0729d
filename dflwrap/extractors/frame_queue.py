"""Which frame comes next, which is tried again, and whose fault a failure is: the frame's, a worker's, the machine's.

Both hosts of worker processes use it: the agent inside DeepFaceLab (which loads this file by its path: standard
library only, Python 3.6 syntax) and the built-in extractor. It knows no process, no file and no clock. A host says
what happened (`ready`, `done`, `failed`, `lost`), hands out what `next_for` gives, ends the workers of
`take_unhealthy`, and reports the failures of `take_settled`. Workers may be added and retired at any time.

What tells a frame's failure from its surroundings' is a frame that succeeds:

- The frame of a worker that dies is retried as the first frame of a fresh worker (a suspect).
- Failures in a row may mean an unhealthy worker (a CUDA error sticks to its process). They are held back: the next
  good frame proves them to be the frames' own; three without one replace the worker, and so does its death. What it
  held back goes to another worker; the first of it, which may have made the worker unhealthy, last of all and alone.
- What fails there too is unproven until a frame succeeds. Too many of those, or too many deaths in a row: the
  machine is to blame and none of the frames (`GivenUp`). A slot on which all fails beside one that works is disabled.
- Where copies of failed frames can be had (`copies`), a failure that is the frame's own first gets a try as a copy.

- Lack of memory is the device's: it gets one worker fewer, and the frame is handed out again as it is; a second time
  when the others are through. Only alone, with the memory there that a worker needs, is it a failure like any other.

A frame is tried again once for each of these reasons, so it all ends.
"""

# ruff: noqa: UP006, UP035, UP045
import collections
from typing import Any, Callable, Deque, Generic, List, Optional, Set, Tuple, TypeVar

from .device_slots import BUSY, FREE, NARROWER, STARTING, UNHEALTHY, Failure, Slot, Widths, Worker
from .untried import SecondTries, Untried

__all__ = ["BUSY", "FREE", "STARTING", "Failure", "FrameQueue", "GivenUp", "Slot", "Worker"]

ERRORS_IN_ROW = 3
"""So many failures of a worker in a row mean that it is unhealthy."""
DEATHS_IN_ROW = 8
"""So many workers lost without a frame done in between: the machine is to blame. Each costs a start."""
ELSEWHERE_AFTER = 4
"""After so many deaths in a row, or with an unproven failure, frames come from the middle of what is left:
neighbours in a video are alike, and one that succeeds settles it."""
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


AnyWorker = TypeVar("AnyWorker", bound=Worker)


class FrameQueue(Generic[AnyWorker]):
    """Every frame handed in is in one of its queues, in a worker's hands, or settled."""

    def __init__(
        self,
        frames: List[Any],
        name_of: Callable[[Any], str] = str,
        take_first: Optional[Callable[[Any], Any]] = None,
        copies: Any = None,
        suspects_alone: bool = False,
        deaths_in_row: int = DEATHS_IN_ROW,
    ) -> None:
        """frames: the list of what is to do, which is used up; name_of: a frame's name.

        take_first: takes the first of `frames` for a slot. copies: as `agent/retry_copies.py`, or None.
        suspects_alone: a suspect is tried with nobody beside it, and its second death is a proof by itself.
        deaths_in_row: the limit once a frame has succeeded; before that it is `DEATHS_IN_ROW`.
        """
        self.workers: List[AnyWorker] = []
        self.widths = Widths(self.workers)
        """The workers of each device against its target."""
        self.stopping = False
        """Set it to end early: nothing more is handed out."""
        self.untried = Untried(frames, name_of, take_first)
        """More may be added while it runs."""
        self._name_of, self._copies = name_of, copies
        self._alone, self._deaths_allowed = suspects_alone, deaths_in_row
        self._suspects: Deque[Any] = collections.deque()
        self._again: Deque[Any] = collections.deque()
        self._last_alone: Deque[Any] = collections.deque()
        self._for_memory: Deque[Any] = collections.deque()  # failed twice for lack of it
        self._handed_back: List[Tuple[AnyWorker, Any, Any]] = []
        self._second_tries = SecondTries(name_of)
        self._unproven: List[Failure] = []
        self._waiting: List[Failure] = []  # their frames wait for copies
        self._settled: List[Failure] = []
        self._to_end: List[AnyWorker] = []
        self._deaths = 0  # in a row
        self._hung: Set[str] = set()  # while nothing had succeeded yet
        self._worked = False  # a frame has succeeded
        self._kept: Optional[AnyWorker] = None  # for a suspect whose copy is not there yet

    # -- what a host asks ----------------------------------------------------------------------------

    @property
    def left(self) -> bool:
        """There is something to hand out, now or later."""
        return not self.stopping and (
            not self.untried.exhausted or self._has_second_tries or bool(self._waiting)
        )

    @property
    def busy(self) -> bool:
        return any(worker.state == BUSY for worker in self.workers)

    @property
    def has_suspects(self) -> bool:
        """A suspect waits for the next fresh worker."""
        return bool(self._suspects) and not self._others_first

    def next_for(self, worker: AnyWorker) -> Any:
        """The next frame for a worker, which has it in hand from now on; None where it gets none now."""
        if self.stopping or worker.state != FREE or worker.reason is not None or self._waits(worker):
            return None
        if self.widths.is_surplus(worker) or (worker.slot.device is not None and worker.slot.device.leaving):
            return None
        frame = self._choose(worker)
        if frame is not None:
            worker.state, worker.frame = BUSY, frame
            if worker.slot.device is not None:
                worker.epoch = worker.slot.device.epoch
        return frame

    def _waits(self, worker: AnyWorker) -> bool:
        """Its slot fails on everything, and another has yet to show whether it works: failing is fast, a first
        frame is not, and everything would be given up before it is done."""
        if sum(one.slot is worker.slot and not one.died for one in self._unproven) < SLOT_UNPROVEN:
            return False
        return any(
            one.slot is not worker.slot and one.fresh and one.state in (STARTING, BUSY) and one.reason is None
            for one in self.workers
        )

    def to_renew(self) -> Optional[AnyWorker]:
        """A worker that is to make room for a fresh one: only frames that must be a worker's first are left."""
        if not self.needs_fresh_worker:
            return None
        for worker in self.workers:
            if worker.state == FREE and worker.reason is None:
                if len(worker.held) > 1:  # it may be unhealthy: its frames are not to blame for that
                    self._unhealthy(worker)
                    return None
                return worker
        return None

    @property
    def needs_fresh_worker(self) -> bool:
        """Only frames are left that must be a worker's first, and no fresh worker is there or coming."""
        if self.stopping or not self.untried.exhausted or self._again or self._for_memory:
            return False
        if not (self._suspects or self._last_alone):
            return False
        return not any(worker.state == STARTING or worker.fresh for worker in self.workers)

    def take_settled(self) -> List[Failure]:
        """The failures that stand, and were not taken yet."""
        taken, self._settled = self._settled, []
        return taken

    def take_handed_back(self) -> List[Tuple[AnyWorker, Any, Any]]:
        """(worker, frame, report) of what failed for lack of memory and goes round again as it is."""
        taken, self._handed_back = self._handed_back, []
        return taken

    def take_unhealthy(self) -> List[AnyWorker]:
        """Workers that are to be ended, and replaced where their slot is not disabled; each is given once."""
        taken, self._to_end = self._to_end, []
        return taken

    # -- what a host tells: workers ------------------------------------------------------------------

    def add(self, worker: AnyWorker) -> None:
        """A worker starts."""
        self.workers.append(worker)
        if worker.slot.device is not None:
            worker.epoch = worker.slot.device.epoch

    def ready(self, worker: AnyWorker) -> None:
        worker.state = FREE

    def retire(self, worker: AnyWorker) -> None:
        """The host ends a worker that has no frame in hand. One failure that it holds back is its frame's, several are
        retried by another worker. Raises `GivenUp`.
        """
        if worker in self.workers:
            self.workers.remove(worker)
        if len(worker.held) > 1:
            self._try_elsewhere(worker)
        self._flush(worker)

    def start_failed(self, worker: AnyWorker, report: Any) -> bool:
        """Memory ran out in its start. True: that is its device's matter, and the start counts for nothing."""
        if self.widths.is_the_frames_own(worker):
            return False
        self.widths.lower(worker, report)
        return True

    def lost(self, worker: AnyWorker, report: Any, hung: bool = False) -> None:
        """A worker has died. report: of its frame, where this settles it; hung: it was killed for hanging.

        Its frame becomes a suspect. What it held back is tried by another worker. A death in start-up, or of a
        worker that was ended, teaches nothing. Raises `GivenUp`.
        """
        if worker in self.workers:
            self.workers.remove(worker)
        if worker.reason == NARROWER:
            self.widths.gone(worker)
        if worker.state == STARTING or worker.reason in (UNHEALTHY, NARROWER):
            return
        self._kept = None
        self._deaths += 1
        if worker.frame is not None:
            self._died_on(worker, report, hung)
        if worker.held:
            self._try_elsewhere(worker)
        if self._deaths >= (self._deaths_allowed if self._worked else DEATHS_IN_ROW):
            text = f"{self._deaths} workers in a row were lost, none got a frame done"
            raise GivenUp(text, self._deaths)

    # -- what a host tells: frames -------------------------------------------------------------------

    def done(self, worker: AnyWorker) -> None:
        """Its frame has succeeded, so that its slot works, and what failed there was the frames' fault.

        So is what killed a worker anywhere: this one has survived. What fails on another slot only may be that
        slot's fault.
        """
        self._free(worker)
        self._flush(worker)
        worker.good_frames += 1
        worker.last_failed = worker.slot.unhealthy = False
        if worker.slot.device is not None:
            worker.slot.device.room = False
        self._deaths, self._worked = 0, True
        for failure in self._take_unproven(lambda one: one.died or one.slot is worker.slot):
            self._own(failure)

    def failed(self, worker: AnyWorker, report: Any, its_own: bool = False, memory: bool = False) -> None:
        """Its frame has failed. its_own: surely by itself, no sign against the worker. memory: for lack of it.

        A copy that fails is no such sign either: the frame was shown to be at fault before. Raises `GivenUp`.
        """
        frame = self._free(worker)
        if memory and not self.widths.is_the_frames_own(worker):
            self._hand_back(worker, frame, report)
            return
        worker.last_failed = True
        failure = Failure(worker.slot, frame, report)
        if its_own or self._is_copy(frame):
            self._own(failure)
            return
        worker.held.append(failure)
        if len(worker.held) >= ERRORS_IN_ROW:
            self._unhealthy(worker)

    def look_for_copies(self) -> None:
        """Frames that get no copy are not waited for: their failures stand."""
        if self._copies is None:
            return
        for failure in list(self._waiting):
            if self._copies.answered(failure.frame) and not self._copies.has_copy(failure.frame):
                self._waiting.remove(failure)
                self._own(failure)

    # -- the end -------------------------------------------------------------------------------------

    def finish(self) -> bool:
        """Nothing is in hand and nothing left that could show a worker to be well. True: now there is.

        One failure of a worker is its frame's, several are retried elsewhere. Raises `GivenUp`.
        """
        for worker in list(self.workers):
            if len(worker.held) > 1:
                self._unhealthy(worker)
        if not self._has_second_tries:
            for failure in self._take_unproven(lambda one: True):
                self._own(failure)
            self.settle_held()
        return self.left

    def settle_held(self) -> None:
        """What workers hold back stands (after a stop, where nothing will show more)."""
        for worker in self.workers:
            self._flush(worker)

    def give_up(self) -> None:
        """Nothing more will be tried: the failures that wait for copies stand, as they were the frames' own."""
        self._settled += self._waiting
        self._waiting = []

    # -- which frame ---------------------------------------------------------------------------------

    @property
    def _has_second_tries(self) -> bool:
        """Frames that have been tried once wait for another worker."""
        return bool(self._suspects or self._again or self._last_alone or self._for_memory)

    @property
    def _others_first(self) -> bool:
        """Something hangs from the start: another frame tells more than the same one again."""
        return bool(self._hung) and not self._worked and not self.untried.exhausted

    def _choose(self, worker: AnyWorker) -> Any:
        if self._alone and self._waits_for_suspect(worker):
            return None
        if self.has_suspects and worker.fresh:
            if self._copies is None:
                return self._suspects.popleft()
            if self._copies.answered(self._suspects[0]):
                self._kept = None
                return self._copies.second_try(self._suspects.popleft(), proves=True)
            if self._kept in (None, worker):  # one worker waits for the copy
                self._kept = worker
                return None
        if self._again:
            return self._again.popleft()
        if self._last_alone and worker.fresh and self.untried.exhausted:
            return self._last_alone.popleft()
        if self._for_memory and self.untried.exhausted:
            return self._for_memory.popleft()
        copy = self._copy_for(worker)
        if copy is not None:
            return copy
        elsewhere = bool(self._unproven) or self._others_first or self._deaths >= ELSEWHERE_AFTER
        return self.untried.take(worker.slot, from_the_middle=elsewhere)

    def _waits_for_suspect(self, worker: AnyWorker) -> bool:
        """A suspect is in work alone, or waits until it can be."""
        if any(one.state == BUSY and self._second_tries.had(one.frame, "death") for one in self.workers):
            return True
        if not self.has_suspects or not any(one.state == FREE and one.fresh for one in self.workers):
            return False
        return self.busy or not worker.fresh

    def _copy_for(self, worker: AnyWorker) -> Any:
        """A frame whose copy is there, for a worker that is well, or where nothing can show any to be."""
        others = any(one is not worker and one.state != FREE for one in self.workers)
        only_copies = self.untried.exhausted and not self._has_second_tries
        if not self._waiting or not (worker.is_well or (only_copies and not others)):
            return None
        for failure in self._waiting:
            if self._copies.has_copy(failure.frame):
                self._waiting.remove(failure)
                return self._copies.second_try(failure.frame, proves=worker.is_well)
        return None

    # -- whose fault ---------------------------------------------------------------------------------

    def _free(self, worker: AnyWorker) -> Any:
        frame, worker.frame = worker.frame, None
        worker.state = FREE
        worker.frames_done += 1
        return frame

    def _own(self, failure: Failure) -> None:
        """The failure is the frame's own: it is tried as a copy, or the failure stands."""
        if self._copies is not None and not self.stopping and self._copies.ask(failure.frame):
            self._waiting.append(failure)
        else:
            self._settled.append(failure)

    def _flush(self, worker: AnyWorker) -> None:
        held, worker.held = worker.held, []
        for failure in held:
            self._own(failure)

    def _hand_back(self, worker: AnyWorker, frame: Any, report: Any) -> None:
        """Memory is the device's: the frame goes round again as it is, a second time when the others are through."""
        self.widths.lower(worker, report)
        self._handed_back.append((worker, frame, report))
        (self._again if self._second_tries.grant(frame, "memory") else self._for_memory).append(frame)

    def _is_copy(self, frame: Any) -> bool:
        return self._copies is not None and self._copies.is_copy(frame)

    def _died_on(self, worker: AnyWorker, report: Any, hung: bool) -> None:
        frame = worker.frame
        if not self._is_copy(frame) and self._second_tries.grant(frame, "death"):
            if self._copies is not None:
                self._copies.ask(frame)
            self._suspects.append(frame)
        elif self._alone:
            self._settled.append(Failure(worker.slot, frame, report, died=True))
        else:
            self._unproven.append(Failure(worker.slot, frame, report, died=True))
        if hung and not self._worked:
            self._hung.add(self._name_of(frame))
            if len(self._hung) >= HUNG:
                raise GivenUp(f"{len(self._hung)} different frames hang, none got done")

    def _unhealthy(self, worker: AnyWorker) -> None:
        """It has failed in a row. Its slot is disabled, or it is replaced, or it continues."""
        replace = self._try_elsewhere(worker)
        slot = worker.slot
        failed = sum(one.slot is slot and not one.died for one in self._unproven)
        works = any(one.good_frames for one in self.workers)
        if failed >= SLOT_UNPROVEN and works and not slot.disabled and not self.stopping:
            slot.disabled = True
            for failure in self._take_unproven(
                lambda one: one.slot is slot and self._second_tries.grant(one.frame, "slot")
            ):
                self._again.append(failure.frame)
            self._end(worker)
        elif replace:
            slot.unhealthy = True
            self._end(worker)

    def _end(self, worker: AnyWorker) -> None:
        worker.reason = UNHEALTHY
        self._to_end.append(worker)

    def _try_elsewhere(self, worker: AnyWorker) -> bool:
        """What a worker holds back gets one more try in a new one. True where a new one would teach something.

        A new worker that has not had a success either agrees with the one before it: then its failures are
        unproven, and replacing it again would teach nothing.
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
                self._own(failure)
                continue
            replace = True
            (self._again if place else self._last_alone).append(failure.frame)
        return replace

    def _take_unproven(self, certain: Callable[[Failure], bool]) -> List[Failure]:
        taken = [one for one in self._unproven if certain(one)]
        self._unproven = [one for one in self._unproven if one not in taken]
        return taken
