"""From an attempt's events to outcomes: promotes what is finished, keeps what failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dflwrap.common.events import Event, EventKind
from dflwrap.faceset.promotion import FinishedFrame, Promoter
from dflwrap.ledger.ledger import Ledger
from dflwrap.ledger.records import FrameRow, Outcome
from dflwrap.supervisor.attempt.frame_checker import FrameChecker
from dflwrap.supervisor.batch import Batch, Scale

KEPT_EVENTS = frozenset(
    {
        EventKind.EXTRACTOR_STARTED,
        EventKind.AGENT_FAILED,
        EventKind.WORKER_STARTED,
        EventKind.WORKER_LOST,
        EventKind.WORKER_REPLACED,
        EventKind.WORKER_ENDED,
        EventKind.FRAME_FAILED,
        EventKind.REPAIR_WANTED,
        EventKind.WIDTH_CHANGED,
        EventKind.PROMPT,
        EventKind.FINISHED,
    }
)
"""Events that go into the ledger; the others are in the attempt's events.jsonl and in the frames."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A frame that the attempt failed."""

    frame: FrameRow
    kind: str
    """"exception", "landmarks", "unreadable", "worker_lost" or "not_whole"."""
    error: str
    traceback: str = ""
    repaired: bool = False
    """It was the second failure, of the re-encoded copy."""


@dataclass(slots=True)
class Collector:
    """Takes one attempt's events. Events of frames that are not (or no longer) its own prove nothing."""

    ledger: Ledger
    promoter: Promoter
    batch: Batch
    attempt: int
    output: Path
    keep_debug: bool
    repaired_scales: dict[str, Scale] = field(default_factory=dict)
    """As `Batch.scales`, for re-encoded copies during the attempt."""
    gained: set[int] = field(default_factory=set)
    failures: dict[int, Failure] = field(default_factory=dict)
    in_work: dict[str, str] = field(default_factory=dict)
    """Worker -> frame that it has in hand."""
    lost_worker: str | None = None
    losses: list[str] = field(default_factory=list)
    """Why the agent ended each worker that was lost, or "died"."""
    death_statuses: list[int] = field(default_factory=list)
    """Exit statuses of the workers that were lost without the agent's doing."""
    lost_on: set[int] = field(default_factory=set)
    """Ids of the frames that a lost worker had in hand."""
    began: bool = False
    """A worker took a frame."""
    results: list[tuple[int, int]] = field(default_factory=list)
    """(frame id, number of faces) of the frames that came back, in order."""
    promoted: list[str] = field(default_factory=list)
    """Names of frames that are extracted, or without a face, by now; for the caller to empty."""
    checker: FrameChecker | None = None
    waiting: list[FinishedFrame] = field(default_factory=list)
    """Came back, and it is not known yet whether the frame is whole."""
    _unseen: list[int] = field(default_factory=list)
    """Frames that came back without having been looked at, to be settled together."""
    damaged: list[tuple[FrameRow, str]] = field(default_factory=list)
    """Frames that were quarantined for it, and the decoder's words; for the caller to tell, and to empty."""

    @property
    def missing(self) -> list[FrameRow]:
        """The frames of the batch that have not come back."""
        return [row for row in self.batch.frames.values() if row.id not in self.gained]

    def take(self, events: Sequence[Event]) -> None:
        kept = [event for event in events if event.kind in KEPT_EVENTS]
        if kept:
            self.ledger.add_events(self.attempt, kept)
        finished: list[FinishedFrame] = []
        for event in events:
            row = self.batch.frames.get(event.frame) if event.frame is not None else None
            if event.kind is EventKind.WORKER_LOST:
                self.lost_worker = event.worker
                self.losses.append(str(event.data.get("reason", "died"))[:40])
                status = event.data.get("exit_status")
                if self.losses[-1] == "died" and isinstance(status, int):
                    self.death_statuses.append(status)
                if row is not None:
                    self.lost_on.add(row.id)
            elif event.kind is EventKind.AGENT_FAILED and self.checker is not None:
                self.checker.thorough = True  # from now on nobody tells which frames could not be read
            self.began |= event.kind is EventKind.FRAME_STARTED
            if row is None or row.id in self.gained:
                continue
            if event.kind is EventKind.FRAME_STARTED:
                self.in_work[event.worker or ""] = event.frame or ""
                self._ask(event.frame)
            elif event.kind is EventKind.FRAME_FAILED:
                self._failed(row, event)
            elif event.kind is EventKind.FRAME_AGAIN:
                self._back(event)
            elif event.kind is EventKind.FRAME_DONE:
                self._back(event)
                self._done(row, event, finished)
        self._settle_unseen()
        self._promote(self._whole(finished))

    def _settle_unseen(self) -> None:
        frames, self._unseen = self._unseen, []
        if frames:
            why = ("image-too-small", "the detector did not look at it")
            self.ledger.settle_many((frame, Outcome.QUARANTINED, self.attempt, *why) for frame in frames)

    def finish(self, seconds: float) -> None:
        """Settle what waits for its check; what is not known after `seconds` counts as whole."""
        if self.checker is None:
            return
        names = {row.id: name for name, row in self.batch.frames.items()}
        failed = [(names[failure.frame.id], failure) for failure in self.failures.values()]
        for name, _ in failed:
            self.checker.ask(name, thorough=True)
        self.checker.wait({item.batch_name for item in self.waiting} | {name for name, _ in failed}, seconds)
        ready = self._whole(())
        unknown, self.waiting = self.waiting, []
        self.checker.undecided += ["the attempt had ended"] * len(unknown)
        self._promote(ready + unknown)
        checked = [(failure.frame, self.checker.result(name)) for name, failure in failed]
        # whatever they failed with
        self._quarantine([(row, result.damage) for row, result in checked if result and result.damage])

    def _ask(self, name: str | None) -> None:
        if self.checker is not None and name is not None:
            self.checker.ask(name)

    def _whole(self, finished: Sequence[FinishedFrame]) -> list[FinishedFrame]:
        """Those of the finished and the waiting whose frames are known to be whole."""
        if self.checker is None:
            return list(finished)
        items, self.waiting, ready = [*self.waiting, *finished], [], []
        damaged: list[tuple[FrameRow, str]] = []
        for item in items:
            result = self.checker.result(item.batch_name)
            if result is None:
                self.waiting.append(item)
            elif result.damage:
                damaged.append((item.frame, result.damage))
            else:
                ready.append(item)
        self._quarantine(damaged)
        return ready

    def _quarantine(self, damaged: Sequence[tuple[FrameRow, str]]) -> None:
        """Their faces, if they gave any, stay behind in the attempt's folder."""
        if not damaged:
            return
        told = [(row, f"damaged: {words}") for row, words in damaged]
        self.ledger.settle_many(
            (row.id, Outcome.QUARANTINED, self.attempt, "decoder-warnings", evidence)
            for row, evidence in told
        )
        for row, _ in told:
            self.gained.add(row.id)
            self.failures.pop(row.id, None)
        self.damaged += told

    def leave_out(self, frames: set[int]) -> None:
        """What became of these frames says nothing of the attempt."""
        for name in [name for name, row in self.batch.frames.items() if row.id in frames]:
            del self.batch.frames[name]
        self.failures = {frame: failure for frame, failure in self.failures.items() if frame not in frames}
        self.in_work = {worker: name for worker, name in self.in_work.items() if name in self.batch.frames}

    def forget(self, name: str) -> None:
        """The frame leaves the batch; that it was gained stays known."""
        for worker in [worker for worker, frame in self.in_work.items() if frame == name]:
            del self.in_work[worker]

    def _back(self, event: Event) -> None:
        if self.in_work.get(event.worker or "") == event.frame:
            del self.in_work[event.worker or ""]

    def _failed(self, row: FrameRow, event: Event) -> None:
        self._back(event)
        error = str(event.data.get("error", ""))[:2000] or "no message"
        traceback = str(event.data.get("traceback", ""))[:20000]
        kind, repaired = str(event.data.get("kind", "exception")), event.data.get("repaired") is True
        self.failures[row.id] = Failure(row, kind, error, traceback, repaired)

    def _done(self, row: FrameRow, event: Event, finished: list[FinishedFrame]) -> None:
        faces = event.data.get("faces")
        if not isinstance(faces, list) or not all(isinstance(face, str) for face in faces):
            self.failures[row.id] = Failure(row, "not_whole", "the extractor's report of it is not readable")
            return
        if event.data.get("looked") is False:
            self._unseen.append(row.id)
            self.gained.add(row.id)
            return
        name = event.frame or ""
        self._ask(name)
        scales = self.repaired_scales if event.data.get("repaired") is True else self.batch.scales
        scale = scales.get(name, (1.0, 1.0))
        finished.append(FinishedFrame(row, name, tuple(faces), scale))
        self.gained.add(row.id)  # a second report of the same frame, in the same breath, counts once

    def _promote(self, finished: list[FinishedFrame]) -> None:
        if not finished:
            return
        try:
            refused = self.promoter.promote(finished, self.output, self.attempt, keep_debug=self.keep_debug)
        except BaseException:
            still_open = {row.id for row in self.ledger.open_frames()}
            self.gained -= {item.frame.id for item in (*finished, *self.waiting)} & still_open
            raise
        for bad in refused:
            self.gained.discard(bad.frame.id)
            self.failures[bad.frame.id] = Failure(bad.frame, "not_whole", bad.reason)
        for item in finished:
            if item.frame.id in self.gained:
                self.results.append((item.frame.id, len(item.faces)))
                self.promoted.append(item.batch_name)
                self.failures.pop(item.frame.id, None)
