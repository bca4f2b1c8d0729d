"""The loop: batch, attempt, verdict, decision, until no frame is open or the run must stop.

Everything here is one thread. What changes a plan is decided by `planning.policy`; this carries it out.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from dflwrap.common.errors import NeedsUserError
from dflwrap.common.memory import GIB
from dflwrap.common.plan import Plan
from dflwrap.common.rungs import Rung
from dflwrap.common.telemetry import TelemetrySummary
from dflwrap.common.verdict import Verdict
from dflwrap.extractors.base import Extractor
from dflwrap.ledger.records import FrameRow
from dflwrap.planning.bisect import Bisection
from dflwrap.planning.climb import after_success
from dflwrap.planning.decision import (
    Bisect,
    Decision,
    NextPlan,
    Quarantine,
    RepairFrame,
    Stop,
    VramCondition,
    Wait,
    rungs_of,
)
from dflwrap.planning.fit import fit_batch, for_frames
from dflwrap.planning.inputs import AttemptRecord, FrameTrials, RunContext
from dflwrap.planning.learning import Learner
from dflwrap.planning.policy import decide
from dflwrap.supervisor.attempt.judge import Judged
from dflwrap.supervisor.attempt.monitor import EndedBy
from dflwrap.supervisor.attempt.reencoder import repair_bound
from dflwrap.supervisor.attempt.runner import AttemptOutcome, AttemptRunner
from dflwrap.supervisor.disk.disk_pause import DiskPause
from dflwrap.supervisor.disk.folder_wait import FolderWait
from dflwrap.supervisor.services import RunServices

TOLD_WAIT = 5.0
"""Seconds of waiting for video memory from which its end is told."""


@dataclass(frozen=True, slots=True)
class Ended:
    """Why the loop ended. Neither field: every frame has its outcome."""

    stop: Stop | None = None
    interrupted: bool = False


class Loop:
    """Not covered: taking in the folder (intake) and the report (run)."""

    def __init__(
        self,
        services: RunServices,
        runner: AttemptRunner,
        extractors: dict[str, Extractor],
        context: RunContext,
        learner: Learner,
        plan: Plan,
        folder_wait: FolderWait,
    ) -> None:
        """context.extractor names the first extractor."""
        self._services, self._runner = services, runner
        self._extractors, self._learner, self._ledger = extractors, learner, services.ledger
        self._extractor = extractors[context.extractor]
        self._plan, self._context = plan, context
        self._history: list[AttemptRecord] = []
        self._held: set[str] = set()
        self._tried_anew: set[str] = set()
        """Frames that were retried, re-encoded."""
        self._own_failure: set[str] = set()
        """Those of them that failed so while the attempt continued with others."""
        self._repair_plan: Plan | None = None
        self._bisection: Bisection | None = None
        self._pause, self._folder_wait = DiskPause(), folder_wait
        self._open_before = self._no_progress = 0
        self._black_box: dict[str, bool] = {}
        self._reason = ""

    # -- the loop ------------------------------------------------------------------------------

    def hand_over(self, extractor: str, plan: Plan, reason: str) -> None:
        """Let another extractor continue with what is open."""
        self._extractor, self._plan, self._reason = self._extractors[extractor], plan, reason

    def run(self) -> Ended:
        while True:
            try:
                return self._attempts()
            except NeedsUserError as error:
                if not self._folder_wait.back_again(error, self._services):
                    raise

    def _attempts(self) -> Ended:
        while True:
            self._services.refresh()
            open_now = self._ledger.counts().open
            if not open_now:
                return Ended()
            self._no_progress = self._no_progress + 1 if open_now >= self._open_before else 0
            self._open_before = open_now
            if self._services.control.stopping:
                return Ended(interrupted=True)
            chosen, plan, repairing = self._choose(open_now)
            count = len(chosen)  # the attempt takes them out
            try:
                done = self._attempt(chosen, plan, repairing)
            except NeedsUserError as error:
                if self._context.may_wait and self._pause.room_again(error, self._services, plan):
                    self._plan = self._pause.smaller(self._plan, count)
                    continue
                raise
            if done is None:
                continue  # every frame of the batch was refused while it was prepared
            self._history.append(done.record)
            if done.result.ended_by in (EndedBy.STOP, EndedBy.NOT_STREAMED):
                continue  # to the top: complete, where the stop came after the last frame
            stop = self._answer(done.record, done.judged, plan, done.rows)
            if stop is not None:
                return Ended(stop=stop)

    def _attempt(self, rows: deque[FrameRow], plan: Plan, repairing: bool) -> AttemptOutcome | None:
        # A search or a repair runs few frames on purpose: no progress there does not mean that nothing works.
        alone = repairing or self._bisection is not None
        done = self._runner.run(
            rows, plan, self._extractor, self._reason, black_box=self._is_black_box(), alone=alone
        )
        if done is None:
            return None
        if repairing:
            self._tried_anew.update(row.name for row in done.rows)
        if done.record.frames_gained:
            self._tried_anew.update(done.record.repaired)
            self._own_failure.update(done.record.repaired)
        if done.result.agent_failed is not None:
            self._black_box[self._extractor.info().name] = True
        return done

    def _choose(self, open_now: int) -> tuple[deque[FrameRow], Plan, bool]:
        """The frames of the next attempt, its plan, and whether it is a repair attempt."""
        chosen, plan, repairing = self._next_batch(open_now)
        return deque(chosen), for_frames(plan, len(chosen)), repairing

    def _next_batch(self, open_now: int) -> tuple[list[FrameRow], Plan, bool]:
        """Of the ledger no more is read than what the attempt takes: a black box has hundreds of attempts."""
        if self._bisection and not self._bisection.finished:
            chosen = self._ledger.open_among(self._bisection.next_batch())
            if chosen:
                return chosen, self._plan, False
        self._bisection = None
        free = open_now - len(self._ledger.open_among(self._held))
        if free:
            size = self._plan.batch_size or self._auto_batch(free) or free
            return self._ledger.open_frames(without=self._held, most=size), self._plan, False
        plan = self._repair_plan or replace(self._plan, workers=1, batch_size=1)
        # With an event per frame each stands alone within one attempt; a black box needs one attempt each.
        return self._ledger.open_frames(most=1 if self._is_black_box() else -1), plan, True

    def _auto_batch(self, count: int) -> int:
        failed = any(not record.healthy for record in self._history)
        return fit_batch(count, black_box=self._is_black_box(), failed_before=failed)

    def _is_black_box(self) -> bool:
        name = self._extractor.info().name
        return self._services.request.black_box or self._black_box.get(
            name, not self._extractor.reports_frames
        )

    # -- the answer to an attempt --------------------------------------------------------------

    def _answer(
        self, record: AttemptRecord, judged: Judged, plan: Plan, rows: Sequence[FrameRow]
    ) -> Stop | None:
        context = replace(
            self._context,
            open_frames=self._ledger.counts().open,
            black_box=self._is_black_box(),
            elastic=not self._is_black_box(),
            extractor=self._extractor.info().name,
            supported_fields=self._extractor.supported_fields,
            longest_side=self._ledger.longest_side(),
            trials=FrameTrials(
                frozenset(self._held),
                frozenset(self._tried_anew),
                frozenset(self._own_failure),
                self._no_progress,
            ),
        )
        telemetry = self._services.observer.summary()
        context, lesson = self._learner.learn(record, telemetry, context, self._runner.width.refused)
        self._context = replace(self._context, widest=context.widest, worker_peak=context.worker_peak)
        if lesson:
            self._services.note(lesson, record.number)
        if self._bisection:
            return self._answer_bisection(record, judged, rows, plan, telemetry, context)
        if judged.verdict is None:
            if self._held:
                self._held = self._still_open(self._held)
            wider = after_success(tuple(self._history), telemetry, self._plan, context)
            if wider is not None and context.open_frames:
                self._follow(wider, record)
            return None
        return self._decide(judged.verdict, record, rows, plan, telemetry, context)

    def _decide(
        self,
        verdict: Verdict,
        record: AttemptRecord,
        rows: Sequence[FrameRow],
        plan: Plan,
        telemetry: TelemetrySummary | None,
        context: RunContext,
    ) -> Stop | None:
        decision = decide(verdict, tuple(self._history), telemetry, plan, context)
        self._history[-1] = replace(self._history[-1], answer=rungs_of(decision))
        return self._carry_out(decision, record, rows)

    def _answer_bisection(
        self,
        record: AttemptRecord,
        judged: Judged,
        rows: Sequence[FrameRow],
        plan: Plan,
        telemetry: TelemetrySummary | None,
        context: RunContext,
    ) -> Stop | None:
        """A step of the search for a poison frame; what it isolates is retried, repaired."""
        assert self._bisection is not None
        batch = self._bisection.next_batch()
        still_open = self._still_open(batch)
        gained = [name for name in batch if name not in still_open]
        known = len(self._bisection.poison)
        suspect = judged.suspects[0] if judged.suspects else None
        given = [row.name for row in rows]
        self._bisection = self._bisection.report(gained, judged.verdict is not None, suspect, given)
        for name in self._bisection.poison[known:]:
            self._isolated(name, judged, record)
        if self._bisection.hopeless and judged.verdict is not None:
            self._bisection = None
            return self._decide(judged.verdict, record, rows, plan, telemetry, context)
        if self._bisection.finished:
            self._bisection = None
        return None

    def _isolated(self, name: str, judged: Judged, record: AttemptRecord) -> None:
        if name in self._held:
            return
        row = self._row(name)
        if row is None:
            return
        self._hold(row, "re-encoded after it broke an attempt")
        self._history[-1] = replace(record, suspects=(name,), answer=(Rung.REPAIR_FRAME,))
        self._services.note(
            f"attempt {record.number}: {name} isolated; re-encoded, to be retried alone", record.number
        )

    def _carry_out(self, decision: Decision, record: AttemptRecord, rows: Sequence[FrameRow]) -> Stop | None:
        match decision:
            case NextPlan():
                self._follow(decision, record, rows)
            case RepairFrame():
                self._repair(decision, record)
            case Quarantine():
                found = [row for row in map(self._row, decision.frames) if row is not None]
                why = "; ".join(decision.evidence)
                self._services.quarantine_all(found, decision.cause, why, record.number, decision.sentence)
                self._held.difference_update(decision.frames)
                self._reason = decision.sentence  # what follows need not say it again
                return self._carry_out(decision.then, record, rows)
            case Wait():
                return self._wait(decision, record, rows)
            case Stop():
                self._services.note(decision.sentence, record.number)
                return decision
        return None

    def _hold(self, row: FrameRow, reason: str) -> None:
        """Keep a frame back until the others are through; then it is retried alone, re-encoded."""
        self._ledger.reencode(row.id, reason, repair_bound(row))
        self._held.add(row.name)

    def _follow(self, step: NextPlan, record: AttemptRecord, rows: Sequence[FrameRow] | None = None) -> None:
        if step.sentence != self._reason:  # said already when the waiting for it began
            self._services.note(step.sentence, record.number)
        self._reason = step.sentence
        self._plan = step.plan
        if step.excluded:
            self._context = replace(self._context, excluded=self._context.excluded | set(step.excluded))
        if step.extractor and step.extractor in self._extractors:
            self._extractor = self._extractors[step.extractor]
        if isinstance(step.frames, Bisect) and rows is not None:
            names = [row.name for row in rows]
            still_open = self._still_open(names)
            done = [name for name in names if name not in still_open]
            self._bisection = Bisection.start(names, done, step.frames.suspect)
        if step.pause:
            self._services.control.pause(step.pause)

    def _repair(self, step: RepairFrame, record: AttemptRecord) -> None:
        self._services.note(step.sentence, record.number)
        self._reason = step.sentence
        self._repair_plan = step.plan or self._repair_plan
        self._plan = step.others or self._plan
        for name in step.frames:
            row = self._row(name)
            if row is not None:
                self._hold(row, "re-encoded after a failure")

    def _wait(self, step: Wait, record: AttemptRecord, rows: Sequence[FrameRow]) -> Stop | None:
        self._services.note(step.sentence, record.number)
        self._reason = step.sentence
        self._services.state.stage = "waiting"
        self._services.refresh()
        began = time.monotonic()
        came = self._services.observer.wait(step, self._services.control)
        if self._services.control.stopping:
            return None
        if (
            came
            and isinstance(step.until, VramCondition)
            and (waited := time.monotonic() - began) > TOLD_WAIT
        ):
            words = f"GPU {step.until.device} has {step.until.free / GIB:.1f} GiB free after {waited:.0f} s of waiting"
            self._services.note(words, record.number)
        if not came:
            self._history[-1] = replace(self._history[-1], answer=step.otherwise.rungs)
        return self._carry_out(step.then if came else step.otherwise, record, rows)

    def _still_open(self, names: Collection[str]) -> set[str]:
        return {row.name for row in self._ledger.open_among(names)}

    def _row(self, name: str) -> FrameRow | None:
        found = self._ledger.frames("name = ? AND outcome IS NULL", (name,))
        return found[0] if found else None
