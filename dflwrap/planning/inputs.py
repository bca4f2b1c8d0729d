"""What the policy is told: attempts so far, telemetry in short, and what the run may use.

Plain frozen data. All memory figures are bytes, all times seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from dflwrap.common.choices import OnGpuFailure
from dflwrap.common.plan import Plan
from dflwrap.common.rungs import Rung
from dflwrap.common.telemetry import DeviceInfo


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """One attempt as the policy sees it. In a history, the last record is the attempt just ended."""

    number: int
    plan: Plan
    cause: str | None
    """Id of the verdict's primary cause; "unknown" if diagnosis found none; None if it was healthy."""
    fingerprint: str = ""
    """See `dflwrap.planning.fingerprint`."""
    frames_given: int = 0
    frames_gained: int = 0
    """Frames that got an outcome (`extracted` or `no_face`) in this attempt."""
    suspects: tuple[str, ...] = ()
    """Frames in work when the attempt (or a worker of it) failed, the likeliest first."""
    repaired: tuple[str, ...] = ()
    """Suspects that failed a second time within the attempt, as re-encoded copies."""
    seconds: float = 0.0
    worker: str | None = None
    """Label of the worker that was lost, e.g. "GPU0.1"."""
    device: int | None = None
    """Index of the GPU of that worker, where known."""
    alone: bool = False
    """A repair attempt or a step of a bisection: its plan is not the run's, and its success no recovery."""
    lost_on: int = 0
    """Number of different frames that lost workers had in hand."""
    began: bool = True
    """A worker took a frame, or it cannot be told (black box): else no frame can have caused the failure."""
    answer: tuple[Rung, ...] = ()
    """The rungs that answered this attempt; empty for the one to be decided on."""

    @property
    def healthy(self) -> bool:
        return self.cause is None

    @property
    def recovered(self) -> bool:
        """A healthy attempt of the run's own plan: what came before it is over."""
        return self.healthy and not self.alone


@dataclass(frozen=True, slots=True)
class FrameTrials:
    """What the run has tried with single frames that are suspected."""

    held: frozenset[str] = frozenset()
    """Kept back until the others are through; then each is tried alone, re-encoded."""
    tried_anew: frozenset[str] = frozenset()
    """Tried once more, re-encoded."""
    own_failure: frozenset[str] = frozenset()
    """Those of them that failed so while the attempt continued with others."""
    no_progress: int = 0
    """Attempts in a row after which as many frames are open as before."""


@dataclass(frozen=True, slots=True)
class RunContext:
    """What the run may use, and what it knows besides the failure."""

    widest: Plan
    """The plan the run started with (`fit`): climbing back up ends here."""
    devices: tuple[DeviceInfo, ...] = ()
    cores: int = 1
    ram_total: int = 0
    on_gpu_failure: OnGpuFailure = OnGpuFailure.CPU
    extractor: str = "deepfacelab"
    builtin_available: bool = False
    supported_fields: frozenset[str] = frozenset(f.name for f in fields(Plan))
    """Names of the plan's fields that the extractor supports; other rungs are skipped."""
    may_wait: bool = False
    """The user allows waiting for things that only people change (room on the disk)."""
    open_frames: int = 0
    done_before: int = 0
    """Frames that were extracted, or have no face, when this session began."""
    longest_side: int = 0
    """Longest side among the open frames, pixels; 0 = unknown."""
    black_box: bool = False
    """No per-frame events: suspects are guesses, poison is found by bisection."""
    elastic: bool = False
    """The extractor narrows by itself where memory runs out: fewer workers are no answer to that any more."""
    excluded: frozenset[int] = frozenset()
    """GPUs not to be used again in this run (`NextPlan.excluded`, gathered by the supervisor)."""
    worker_peak: int | None = None
    """Measured video memory of one worker; None = not measured yet."""
    trials: FrameTrials = FrameTrials()

    def usable(self) -> tuple[int, ...]:
        """Indices of the GPUs that are present and not excluded."""
        return tuple(d.index for d in self.devices if d.index not in self.excluded)


def with_alone_marked(history: tuple[AttemptRecord, ...], context: RunContext) -> tuple[AttemptRecord, ...]:
    """The history with `alone` set where the plan shows it: only repairs run with batches of one frame."""
    if context.widest.batch_size == 1:
        return history
    return tuple(
        replace(record, alone=True) if record.plan.batch_size == 1 and not record.alone else record
        for record in history
    )
