"""An attempt on paper: what it is told to do, and what is remembered of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dflwrap.common.events import gpu_of
from dflwrap.common.plan import AttemptSpec, Plan
from dflwrap.extractors.base import Extractor
from dflwrap.planning.inputs import AttemptRecord
from dflwrap.supervisor.attempt.frame_checker import FrameChecker
from dflwrap.supervisor.attempt.judge import Judged
from dflwrap.supervisor.attempt.monitor import AttemptResult
from dflwrap.supervisor.attempt.outcomes import Collector
from dflwrap.supervisor.attempt.reencoder import Reencoder
from dflwrap.supervisor.batch import Batch
from dflwrap.supervisor.stream.feed import Feed


@dataclass(frozen=True, slots=True)
class RunningAttempt:
    """One attempt from its batch to its record."""

    number: int
    folder: Path
    plan: Plan
    extractor: Extractor
    batch: Batch
    feed: Feed
    collector: Collector
    reencoder: Reencoder
    checker: FrameChecker
    black_box: bool
    """Begun without per-frame events."""
    alone: bool
    """A repair or a step of a search."""
    control: Path | None
    """The control file; None = the attempt is what its plan says to its end."""

    @property
    def extractor_name(self) -> str:
        return self.extractor.info().name

    @property
    def condition(self) -> tuple[object, ...]:
        """What the time that starting takes depends on.

        With the timeout: who was given patience is not bounded by what went before it.
        """
        return (self.extractor_name, self.plan.devices, self.black_box, self.plan.startup_timeout)

    def spec(self, template: AttemptSpec) -> AttemptSpec:
        """The run's options, with what differs per attempt filled in."""
        folder = self.folder
        return replace(
            template,
            number=self.number,
            plan=self.plan,
            folder=str(folder),
            input_dir=str(folder / "in"),
            output_dir=str(output_of(folder)),
            events_path=str(folder / "events.jsonl"),
            frames=self.feed.handed(self.control),
            stream=self.feed.open,
            # A frame that is alone was re-encoded already.
            repaired_dir="" if self.alone else str(repaired_of(folder)),
            control_path=str(self.control or ""),
        )

    def let_go(self, name: str) -> None:
        """The frame has come back; where it has its outcome, nothing of it is needed any more."""
        row = self.batch.frames.get(name)
        if row is not None and row.id in self.collector.gained:
            self.feed.done(name)
        else:
            self.feed.taken(name)

    def forget(self, names: Sequence[str]) -> None:
        """These frames are settled: of a stream nothing is kept of them. A batch that is whole is kept so."""
        for name in names if self.control is not None else ():
            self.feed.done(name)
            self.checker.forget(name)
            self.collector.forget(name)
            self.feed.forget(name)

    def record(self, result: AttemptResult, judged: Judged) -> AttemptRecord:
        """The attempt as the policy sees it, once it has ended."""
        collector = self.collector
        lost = collector.lost_worker
        return AttemptRecord(
            self.number,
            self.plan,
            judged.cause,
            fingerprint=judged.fingerprint,
            frames_given=self.batch.given,  # without those that were left out of it since
            frames_gained=len(collector.gained),
            suspects=judged.suspects,
            repaired=tuple(f.frame.name for f in collector.failures.values() if f.repaired),
            seconds=result.seconds,
            worker=lost,
            device=gpu_of(lost),
            alone=self.alone,
            lost_on=len(collector.lost_on),
            began=collector.began or self.saw_no_frames(result),
        )

    def saw_no_frames(self, result: AttemptResult) -> bool:
        """Nothing told frame by frame how it went: it was a black box, or became one."""
        return self.black_box or result.agent_failed is not None


def output_of(folder: Path) -> Path:
    """Where the faces of the attempt in `folder` come to lie first."""
    return folder / "out"


def control_of(folder: Path) -> Path:
    """The control file of the attempt with this folder."""
    return folder / "control.jsonl"


def repaired_of(folder: Path) -> Path:
    """Where frames lie that are re-encoded while it runs."""
    return folder / "repaired"
