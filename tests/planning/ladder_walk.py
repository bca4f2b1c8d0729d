"""Plays scripted failures against the policy, as a supervisor would, and writes down what it answers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from dflwrap.common.memory import GIB
from dflwrap.common.plan import Plan
from dflwrap.common.rungs import Rung
from dflwrap.common.telemetry import DeviceInfo, DeviceSummary, TelemetrySummary
from dflwrap.common.verdict import Cause, Confidence, EvidenceLine, Health, Verdict
from dflwrap.planning.decision import Decision, NextPlan, Quarantine, RepairFrame, Stop, Wait, rungs_of
from dflwrap.planning.fingerprint import fingerprint
from dflwrap.planning.inputs import AttemptRecord, RunContext
from dflwrap.planning.policy import decide

WIDE = Plan(devices=(0,), workers=4)


def failure(cause: str, category: str, text: str = "it broke", line: int = 214) -> Verdict:
    primary = Cause(
        cause,
        cause.replace("-", " "),
        category,
        Confidence.CERTAIN,
        evidence=(EvidenceLine("stderr.log", line, text),),
        steps=("Do this.", "Then that."),
    )
    return Verdict(Health.FAILURE, primary, (primary,))


NOTHING_KNOWN = Verdict(Health.UNKNOWN)


def context(plan: Plan = WIDE, gpus: int = 1, **changes: object) -> RunContext:
    devices = tuple(DeviceInfo(i, f"Card {i}", 8 * GIB) for i in range(gpus))
    base = RunContext(
        widest=plan, devices=devices, cores=4, ram_total=32 * GIB, open_frames=1000, longest_side=1920
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def card(free_min: float = 0.4, free_before: float = 7.5, index: int = 0, **more: object) -> DeviceSummary:
    summary = DeviceSummary(
        index, f"Card {index}", 8 * GIB, int(free_before * GIB), int(free_min * GIB), int(free_min * GIB)
    )
    return replace(summary, **more)  # type: ignore[arg-type]


FULL_CARD = TelemetrySummary(devices=(card(), card(index=1)))


@dataclass
class Walk:
    """The run so far. `fail` answers one failure and takes over the plan it leads to."""

    context: RunContext
    plan: Plan
    telemetry: TelemetrySummary | None = FULL_CARD
    history: tuple[AttemptRecord, ...] = ()
    rungs: list[Rung] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    alone: bool = False

    def healthy(self, gained: int) -> None:
        record = AttemptRecord(
            len(self.history) + 1, self.plan, None, frames_given=gained, frames_gained=gained
        )
        self.history = (*self.history, record)

    def fail(self, verdict: Verdict, gained: int = 0, given: int = 100, **more: object) -> Decision:
        record = AttemptRecord(
            number=len(self.history) + 1,
            plan=self.plan,
            cause=verdict.primary.id if verdict.primary else "unknown",
            fingerprint=fingerprint(verdict),
            frames_given=given,
            frames_gained=gained,
            alone=self.alone,
        )
        record = replace(record, **more)  # type: ignore[arg-type]
        self._tried(record)
        decision = decide(verdict, (*self.history, record), self.telemetry, self.plan, self.context)
        self.history = (*self.history, replace(record, answer=rungs_of(decision)))
        self.rungs += rungs_of(decision)
        self.sentences.append(decision.sentence)
        self.decisions.append(decision)
        following = decision.then if isinstance(decision, Wait | Quarantine) else decision
        if isinstance(following, NextPlan):
            excluded = self.context.excluded | set(following.excluded)
            self.context = replace(self.context, excluded=excluded)
            if following.extractor:
                self.context = replace(self.context, extractor=following.extractor)
        self.alone = isinstance(following, RepairFrame)
        if isinstance(following, NextPlan):
            self.plan = following.plan
        elif isinstance(following, RepairFrame):
            self.plan = following.plan or replace(following.others or self.plan, workers=1, batch_size=1)
            self._trials(held=self.context.trials.held | set(following.frames))
        if isinstance(decision, Quarantine):
            self._trials(held=self.context.trials.held - set(decision.frames))
        return decision

    def _tried(self, record: AttemptRecord) -> None:
        """What the supervisor keeps of the frames that were suspected."""
        trials = self.context.trials
        again = set(record.suspects) if record.alone else set()
        own = set(record.repaired) if record.frames_gained else set()
        self._trials(
            tried_anew=trials.tried_anew | again | own,
            own_failure=trials.own_failure | own,
            no_progress=0 if record.frames_gained else trials.no_progress + 1,
        )

    def _trials(self, **changes: object) -> None:
        trials = replace(self.context.trials, **changes)  # type: ignore[arg-type]
        self.context = replace(self.context, trials=trials)

    def fail_until_stop(self, verdict: Verdict, most: int = 30, **more: object) -> list[str]:
        """The names of the rungs taken while the same failure comes again and again."""
        for _ in range(most):
            if isinstance(self.fail(verdict, **more), Stop):  # type: ignore[arg-type]
                return [rung.value for rung in self.rungs]
        raise AssertionError(f"no end after {most} attempts: {self.sentences[-3:]}")


def start(plan: Plan = WIDE, gpus: int = 1, **changes: object) -> Walk:
    return Walk(context(plan, gpus, **changes), plan)
