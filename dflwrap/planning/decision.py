"""What the policy answers: a closed set of decisions, each with the sentence that is journalled."""

from __future__ import annotations

from dataclasses import dataclass

from dflwrap.common.plan import Plan
from dflwrap.common.rungs import Rung


@dataclass(frozen=True, slots=True)
class AllOpen:
    """All open frames, in the ledger's order, at most `plan.batch_size` per attempt."""


@dataclass(frozen=True, slots=True)
class Bisect:
    """Search the frames of the failed batch with `dflwrap.planning.bisect.Bisection`."""

    suspect: str | None = None


FrameScope = AllOpen | Bisect


@dataclass(frozen=True, slots=True)
class NextPlan:
    """Start another attempt."""

    plan: Plan
    rungs: tuple[Rung, ...]
    """What changed; the record of the failed attempt gets these as its `answer`."""
    sentence: str
    frames: FrameScope = AllOpen()
    extractor: str | None = None
    """Name of the extractor to change to; None = the same."""
    excluded: tuple[int, ...] = ()
    """GPUs to leave out from now on in this run; add them to `RunContext.excluded`."""
    pause: float = 0.0
    """Seconds to let pass first (what is transient gets time to pass)."""


@dataclass(frozen=True, slots=True)
class VramCondition:
    """At least `free` bytes free on GPU `device`."""

    device: int
    free: int


@dataclass(frozen=True, slots=True)
class DiskCondition:
    """At least `free` bytes free in the folder of this role ("output", "temp"), or a tenth of a small disk."""

    role: str
    free: int


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait until the condition holds, looking at growing intervals, then continue with `then`."""

    until: VramCondition | DiskCondition
    bound: float
    """Seconds after which `otherwise` is done instead."""
    first: float
    """Seconds to the first look; the interval doubles up to `longest`."""
    longest: float
    then: NextPlan
    otherwise: NextPlan | Stop | RepairFrame | Quarantine
    rungs: tuple[Rung, ...]
    sentence: str


@dataclass(frozen=True, slots=True)
class Stop:
    """End the run; the open frames stay `not_attempted` with this cause."""

    cause: str
    sentence: str
    steps: tuple[str, ...] = ()
    rungs: tuple[Rung, ...] = (Rung.USER,)
    why: str = ""
    """What failed, without the words that it is the end; empty where the sentence has no others."""


@dataclass(frozen=True, slots=True)
class RepairFrame:
    """Re-encode each of these frames and retry each alone; the others continue meanwhile."""

    frames: tuple[str, ...]
    cause: str
    sentence: str
    plan: Plan | None
    """One worker, one frame; None: the run's own when it comes to it, with one worker."""
    rungs: tuple[Rung, ...] = (Rung.REPAIR_FRAME,)
    others: Plan | None = None
    """The run's plan from now on; None: as it is."""


@dataclass(frozen=True, slots=True)
class Quarantine:
    """These frames are out, with cause and evidence; then continue with `then`."""

    frames: tuple[str, ...]
    cause: str
    evidence: tuple[str, ...]
    """Like "stderr.log:214: Segmentation fault"."""
    sentence: str
    then: NextPlan | RepairFrame | Stop
    rungs: tuple[Rung, ...] = (Rung.QUARANTINE_FRAME,)


Decision = NextPlan | Wait | Stop | RepairFrame | Quarantine


def rungs_of(decision: Decision) -> tuple[Rung, ...]:
    """All rungs of a decision, with those of what follows it: the `answer` of the attempt's record."""
    if isinstance(decision, Quarantine) and isinstance(decision.then, RepairFrame):
        return decision.rungs + decision.then.rungs
    return decision.rungs
