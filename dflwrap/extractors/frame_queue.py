"""Which frame comes next, and which is tried again.

Both hosts of worker processes use it: the agent inside DeepFaceLab (which loads this file by its path: standard
library only, Python 3.6 syntax) and the built-in extractor. It knows no process, no file and no clock. A host says
what happened (`ready`, `done`, `failed`, `lost`), hands out what `next_for` gives, ends the workers of
`take_unhealthy`, and reports the failures of `take_settled`. Workers may be added and retired at any time.

Whose fault a failure is (the frame's, a worker's, the machine's) is decided in `frame_failures`.

Lack of memory is the device's: it gets one worker fewer, and the frame is handed out again as it is; a second time
when the others are through. Only alone, with the memory there that a worker needs, is it a failure like any other.
"""

# ruff: noqa: UP006, UP035, UP045
from typing import Any, Callable, Generic, List, Optional, Tuple, TypeVar

from .device_slots import BUSY, FREE, NARROWER, STARTING, UNHEALTHY, Failure, Slot, Widths, Worker
from .frame_failures import DEATHS_IN_ROW, FrameFailures, GivenUp
from .untried import SecondTries, Untried

__all__ = ["BUSY", "FREE", "STARTING", "Failure", "FrameQueue", "GivenUp", "Slot", "Worker"]

ELSEWHERE_AFTER = 4
"""After so many deaths in a row, or with an unproven failure, frames come from the middle of what is left:
neighbours in a video are alike, and one that succeeds settles it."""
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
        self.untried = Untried(frames, name_of, take_first)
        """More may be added while it runs."""
        self._copies, self._alone = copies, suspects_alone
        self._second_tries = SecondTries(name_of)
        self._failures = FrameFailures(
            self.workers, self._second_tries, copies, suspects_alone, deaths_in_row
        )
        self._handed_back: List[Tuple[AnyWorker, Any, Any]] = []
        self._kept: Optional[AnyWorker] = None  # for a suspect whose copy is not there yet

    @property
    def stopping(self) -> bool:
        """Set it to end early: nothing more is handed out."""
        return self._failures.stopping

    @stopping.setter
    def stopping(self, stops: bool) -> None:
        self._failures.stopping = stops

    # -- what a host asks ----------------------------------------------------------------------------

    @property
    def left(self) -> bool:
        """There is something to hand out, now or later."""
        return not self.stopping and (
            not self.untried.exhausted or bool(self._second_tries) or bool(self._failures.for_copies)
        )

    @property
    def busy(self) -> bool:
        return any(worker.state == BUSY for worker in self.workers)

    @property
    def has_suspects(self) -> bool:
        """A suspect waits for the next fresh worker."""
        return bool(self._second_tries.suspects) and not self._others_first

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
        if not self._failures.all_fail_on(worker.slot):
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
                    self._failures.unhealthy(worker)
                    return None
                return worker
        return None

    @property
    def needs_fresh_worker(self) -> bool:
        """Only frames are left that must be a worker's first, and no fresh worker is there or coming."""
        tries = self._second_tries
        if self.stopping or not self.untried.exhausted or tries.again or tries.for_memory:
            return False
        if not (tries.suspects or tries.last_alone):
            return False
        return not any(worker.state == STARTING or worker.fresh for worker in self.workers)

    def take_settled(self) -> List[Failure]:
        """The failures that stand, and were not taken yet."""
        return self._failures.take_settled()

    def take_handed_back(self) -> List[Tuple[AnyWorker, Any, Any]]:
        """(worker, frame, report) of what failed for lack of memory and goes round again as it is."""
        taken, self._handed_back = self._handed_back, []
        return taken

    def take_unhealthy(self) -> List[AnyWorker]:
        """Workers that are to be ended, and replaced where their slot is not disabled; each is given once."""
        return self._failures.take_unhealthy()

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
            self._failures.try_elsewhere(worker)
        self._failures.settle_held(worker)

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
        self._failures.died(worker, report, hung)

    # -- what a host tells: frames -------------------------------------------------------------------

    def done(self, worker: AnyWorker) -> None:
        """Its frame has succeeded."""
        self._free(worker)
        self._failures.succeeded(worker)

    def failed(self, worker: AnyWorker, report: Any, its_own: bool = False, memory: bool = False) -> None:
        """Its frame has failed. its_own: surely by itself, no sign against the worker. memory: for lack of it.

        A copy that fails is no such sign either: the frame was shown to be at fault before. Raises `GivenUp`.
        """
        frame = self._free(worker)
        if memory and not self.widths.is_the_frames_own(worker):
            self._hand_back(worker, frame, report)
            return
        self._failures.failed(worker, Failure(worker.slot, frame, report), its_own)

    def _free(self, worker: AnyWorker) -> Any:
        frame, worker.frame = worker.frame, None
        worker.state = FREE
        worker.frames_done += 1
        return frame

    def _hand_back(self, worker: AnyWorker, frame: Any, report: Any) -> None:
        """Memory is the device's: the frame goes round again as it is, a second time when the others are through."""
        self.widths.lower(worker, report)
        self._handed_back.append((worker, frame, report))
        first = self._second_tries.grant(frame, "memory")
        (self._second_tries.again if first else self._second_tries.for_memory).append(frame)

    def look_for_copies(self) -> None:
        """Frames that get no copy are not waited for: their failures stand."""
        self._failures.settle_uncopied()

    # -- the end -------------------------------------------------------------------------------------

    def finish(self) -> bool:
        """Nothing is in hand and nothing left that could show a worker to be well. True: now there is.

        One failure of a worker is its frame's, several are retried elsewhere. Raises `GivenUp`.
        """
        for worker in list(self.workers):
            if len(worker.held) > 1:
                self._failures.unhealthy(worker)
        if not self._second_tries:
            self._failures.settle_unproven()
            self.settle_held()
        return self.left

    def settle_held(self) -> None:
        """What workers hold back stands (after a stop, where nothing will show more)."""
        for worker in self.workers:
            self._failures.settle_held(worker)

    def give_up(self) -> None:
        """Nothing more will be tried: the failures that wait for copies stand, as they were the frames' own."""
        self._failures.give_up()

    # -- which frame ---------------------------------------------------------------------------------

    @property
    def _others_first(self) -> bool:
        """Something hangs from the start: another frame tells more than the same one again."""
        return self._failures.hangs_from_start and not self.untried.exhausted

    def _choose(self, worker: AnyWorker) -> Any:
        if self._alone and self._waits_for_suspect(worker):
            return None
        tries = self._second_tries
        if self.has_suspects and worker.fresh:
            if self._copies is None:
                return tries.suspects.popleft()
            if self._copies.answered(tries.suspects[0]):
                self._kept = None
                return self._copies.second_try(tries.suspects.popleft(), proves=True)
            if self._kept in (None, worker):  # one worker waits for the copy
                self._kept = worker
                return None
        if tries.again:
            return tries.again.popleft()
        if tries.last_alone and worker.fresh and self.untried.exhausted:
            return tries.last_alone.popleft()
        if tries.for_memory and self.untried.exhausted:
            return tries.for_memory.popleft()
        copy = self._copy_for(worker)
        if copy is not None:
            return copy
        failing = self._failures.any_unproven or self._failures.deaths >= ELSEWHERE_AFTER
        return self.untried.take(worker.slot, from_the_middle=failing or self._others_first)

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
        only_copies = self.untried.exhausted and not self._second_tries
        waiting = self._failures.for_copies
        if not waiting or not (worker.is_well or (only_copies and not others)):
            return None
        for failure in waiting:
            if self._copies.has_copy(failure.frame):
                waiting.remove(failure)
                return self._copies.second_try(failure.frame, proves=worker.is_well)
        return None
