"""The loop: batch, attempt, verdict, decision, until no frame is open or the run must stop.

Everything here is one thread. What changes a plan is decided by `planning.policy`; this carries it out.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dflwrap.common.events import Event, EventKind
from dflwrap.common.plan import AttemptSpec, Plan
from dflwrap.common.rungs import Rung
from dflwrap.common.verdict import Verdict
from dflwrap.extractors.base import Extractor
from dflwrap.faceset.promotion import Promoter, cannot_write
from dflwrap.frames.names import display
from dflwrap.ledger.ledger import Ledger
from dflwrap.ledger.records import FrameRow, Outcome
from dflwrap.planning.bisect import Bisection
from dflwrap.planning.climb import after_success
from dflwrap.planning.decision import (
    Bisect,
    Decision,
    NextPlan,
    Quarantine,
    RepairFrame,
    Stop,
    Wait,
    rungs_of,
)
from dflwrap.planning.fingerprint import fingerprint
from dflwrap.planning.learning import Learner
from dflwrap.planning.policy import decide
from dflwrap.planning.types import AttemptRecord, RunContext, TelemetrySummary
from dflwrap.supervisor.attempt import Attempt, AttemptResult, EndedBy, Watch
from dflwrap.supervisor.batching import Batch, make_batch
from dflwrap.supervisor.collecting import Collector
from dflwrap.supervisor.control import Control
from dflwrap.supervisor.doubt import Doubt
from dflwrap.supervisor.judging import Judged, judge_attempt
from dflwrap.supervisor.observing import Observer
from dflwrap.supervisor.progress import Reporter, RunState
from dflwrap.supervisor.runfolder import RunFolder, remove_tree
from dflwrap.supervisor.serialising import verdict_to_dict
from dflwrap.supervisor.streams import Line

FRAME_BOUND = frozenset(
    {"host-memory", "gpu-memory", "worker-crash", "input-image", "hang", "unknown", "output-io"}
)
"""Categories of failure that one frame can cause by itself."""
MOST_SUSPECTS = 3
"""Frames held back one after another while nothing was gained at all; then it is not the frames."""
REDRAW = 0.2
"""Seconds between two looks at the totals for the display."""


@dataclass(frozen=True, slots=True)
class Ended:
    """Why the loop ended. Neither field: every frame has its outcome."""

    stop: Stop | None = None
    interrupted: bool = False


@dataclass(slots=True)
class Settings:
    """What stays the same over the run."""

    input_dir: Path
    folder: RunFolder
    extractors: dict[str, Extractor]
    context: RunContext
    output_debug: bool
    black_box: bool = False
    """Asked for: never use per-frame events."""


class Loop:
    """Not covered: taking in the folder (intake) and the report (run)."""

    def __init__(
        self,
        settings: Settings,
        options_spec: AttemptSpec,
        ledger: Ledger,
        promoter: Promoter,
        observer: Observer,
        reporter: Reporter,
        control: Control,
        state: RunState,
        learner: Learner,
        doubt: Doubt,
        extractor: str,
        plan: Plan,
    ) -> None:
        self._settings, self._template, self._ledger = settings, options_spec, ledger
        self._promoter, self._observer, self._learner = promoter, observer, learner
        self._doubt = doubt
        self._reporter, self._control, self._state = reporter, control, state
        self._extractor = settings.extractors[extractor]
        self._plan = plan
        self._context = settings.context
        self._history: list[AttemptRecord] = []
        self._held: set[str] = set()
        self._tried_alone: set[str] = set()
        self._repair_plan: Plan | None = None
        self._bisection: Bisection | None = None
        self._black_box: dict[str, bool] = {}
        self._reason = ""
        self._category = "unknown"
        self._redrawn = 0.0

    # -- the loop ------------------------------------------------------------------------------

    def hand_over(self, extractor: str, plan: Plan, reason: str) -> None:
        """Let another extractor go on with what is open."""
        self._extractor, self._plan, self._reason = self._settings.extractors[extractor], plan, reason

    def run(self) -> Ended:
        while True:
            self._refresh()
            rows = self._ledger.open_frames()
            if not rows:
                return Ended()
            if self._control.stopping:
                return Ended(interrupted=True)
            chosen, plan, repairing = self._choose(rows)
            record, judged, result = self._attempt(chosen, plan, repairing)
            if result is None:
                continue  # every frame of the batch was refused while it was prepared
            self._history.append(record)
            if result.ended_by is EndedBy.STOP:
                return Ended(interrupted=True)
            stop = self._answer(record, judged, plan, chosen)
            if stop is not None:
                return Ended(stop=stop)

    def _choose(self, rows: list[FrameRow]) -> tuple[list[FrameRow], Plan, bool]:
        """The frames of the next attempt, its plan, and whether it is a repair attempt."""
        if self._bisection and not self._bisection.finished:
            names = set(self._bisection.next_batch())
            chosen = [row for row in rows if row.name in names]
            if chosen:
                return chosen, self._plan, False
        self._bisection = None
        free = [row for row in rows if row.name not in self._held]
        if free:
            size = self._plan.batch_size or len(free)
            return free[:size], self._plan, False
        plan = self._repair_plan or replace(self._plan, workers=1, batch_size=1)
        # With an event per frame each stands alone within one attempt; a black box needs one attempt each.
        count = 1 if self._is_black_box() else len(rows)
        return rows[:count], plan, True

    def _is_black_box(self) -> bool:
        name = self._extractor.info().name
        return self._settings.black_box or self._black_box.get(name, not self._extractor.reports_frames)

    # -- one attempt ---------------------------------------------------------------------------

    def _attempt(
        self, rows: list[FrameRow], plan: Plan, repairing: bool
    ) -> tuple[AttemptRecord, Judged, AttemptResult | None]:
        number = self._ledger.next_attempt()
        black_box = self._is_black_box()
        folder = self._settings.folder.attempt_folder(number)
        batch = self._make_batch(folder, rows, plan)
        # A search or a repair runs few frames on purpose: barren there does not mean that nothing works.
        alone = repairing or self._bisection is not None
        record = AttemptRecord(number, plan, None, frames_given=len(batch.frames), alone=alone)
        if not batch.frames or self._control.stopping:
            remove_tree(folder)
            return record, Judged(None, "", ()), None
        output = folder / "out"
        output.mkdir()
        spec = replace(
            self._template,
            number=number,
            plan=plan,
            folder=str(folder),
            input_dir=str(folder / "in"),
            output_dir=str(output),
            events_path=str(folder / "events.jsonl"),
            frames=tuple(batch.frames),
        )
        collector = Collector(
            self._ledger, self._promoter, batch, number, output, self._settings.output_debug
        )
        name = self._extractor.info().name
        self._ledger.begin_attempt(number, name, plan.to_dict(), self._reason, len(batch.frames))
        self._state.attempt, self._state.plan, self._state.extractor = number, plan, name
        self._state.stage = "repairing" if repairing else "extracting"
        self._refresh()
        self._doubt.begin(name, plan)
        watch = Watch(
            lambda events: self._take(collector, events),
            self._line,
            self._observer.watch,
            self._doubt.disagreed,
        )
        attempt = Attempt(
            spec,
            self._extractor,
            watch,
            self._control,
            black_box=black_box,
            cache_folder=self._extractor.cache_folder if plan.devices else None,
        )
        self._observer.begin(number)
        ended_well = False
        try:
            result = attempt.run()
            ended_well = True
        finally:
            self._observer.end()
            if not ended_well:
                self._ledger_end(number, len(collector.gained), None, None)
        if result.agent_failed is not None:
            self._note(
                number, f"attempt {number}: no events per frame ({result.agent_failed}): black-box mode"
            )
            self._black_box[name] = True
        judged = Judged(None, "", ())
        verdict = None if result.ended_by is EndedBy.STOP else self._doubt.settle(self._control)
        if verdict is not None:
            judged = Judged(verdict, fingerprint(verdict), ())
        elif result.ended_by is not EndedBy.STOP:
            judged = judge_attempt(result, collector, folder)
        if repairing:
            self._tried_alone.update(row.name for row in batch.frames.values())
        for failure in collector.failures.values():
            self._ledger.count_failure(failure.frame.id, judged.cause or "poison-frame", failure.error)
        self._ledger_end(number, len(collector.gained), result, judged)
        for part in ("in", "out", "out_debug"):
            remove_tree(folder / part)
        lost = collector.lost_worker
        record = replace(
            record,
            cause=judged.cause,
            fingerprint=judged.fingerprint,
            frames_gained=len(collector.gained),
            suspects=judged.suspects,
            seconds=result.seconds,
            worker=lost,
            device=_device_of(lost),
        )
        return record, judged, result

    def _make_batch(self, folder: Path, rows: list[FrameRow], plan: Plan) -> Batch:
        self._state.stage = "preparing frames"
        try:
            batch = make_batch(
                self._settings.input_dir,
                folder / "in",
                rows,
                max_side=plan.max_side,
                stopping=lambda: self._control.at_once,
            )
        except OSError as error:
            raise cannot_write(folder / "in", error) from error
        for row, judgement in batch.refused:
            self._quarantine(row, judgement.cause, judgement.reason, None)
        return batch

    def _ledger_end(
        self, number: int, gained: int, result: AttemptResult | None, judged: Judged | None
    ) -> None:
        verdict = judged.verdict if judged else None
        self._ledger.end_attempt(
            number,
            gained=gained,
            ended_by=result.ended_by.value if result else "fault",
            exit_status=result.exit_status if result else None,
            cause=judged.cause if judged else None,
            verdict=verdict_to_dict(verdict) if verdict else None,
        )

    def _take(self, collector: Collector, events: Sequence[Event]) -> None:
        before = len(collector.gained)
        collector.take(events)
        gained = len(collector.gained) - before
        self._doubt.take(collector.results)
        collector.results.clear()
        for event in events:
            if event.kind is EventKind.WORKER_LOST:
                frame = f" on {display(event.frame)}" if event.frame else ""
                status = event.data.get("exit_status")
                self._reporter.notice(f"worker {event.worker} was lost{frame} (exit status {status})")
        if gained:
            self._state.settled_here += gained
            self._observer.steady()
            if self._state.extracting_since is None:
                self._state.extracting_since = time.monotonic()
        if time.monotonic() - self._redrawn > REDRAW:
            self._refresh()

    def _line(self, line: Line) -> None:
        text = display(line.text.decode("utf-8", "replace").strip())[:200]
        if text:
            self._state.add_line(text)
            self._reporter.changed(self._state)

    def _refresh(self) -> None:
        self._redrawn = time.monotonic()
        self._state.counts = self._ledger.counts()
        self._reporter.changed(self._state)

    # -- the answer to an attempt --------------------------------------------------------------

    def _answer(self, record: AttemptRecord, judged: Judged, plan: Plan, rows: list[FrameRow]) -> Stop | None:
        context = replace(
            self._context,
            open_frames=self._ledger.counts().open,
            black_box=self._is_black_box(),
            extractor=self._extractor.info().name,
            honours=self._extractor.honours,
            longest_side=self._ledger.longest_side(),
        )
        telemetry = self._observer.summary()
        context, lesson = self._learner.learn(record, telemetry, context)
        self._context = replace(self._context, widest=context.widest, worker_peak=context.worker_peak)
        if lesson:
            self._note(record.number, lesson)
        if self._bisection:
            return self._answer_bisection(record, judged, rows, plan, telemetry, context)
        if judged.verdict is None:
            self._held.clear()
            wider = after_success(tuple(self._history), telemetry, self._plan, context)
            if wider is not None and context.open_frames:
                self._follow(wider, record)
            return None
        return self._decide(judged.verdict, record, rows, plan, telemetry, context)

    def _decide(
        self,
        verdict: Verdict,
        record: AttemptRecord,
        rows: list[FrameRow],
        plan: Plan,
        telemetry: TelemetrySummary | None,
        context: RunContext,
    ) -> Stop | None:
        self._category = verdict.primary.category if verdict.primary else "unknown"
        decision = decide(verdict, tuple(self._history), telemetry, plan, context)
        self._history[-1] = replace(self._history[-1], answer=rungs_of(decision))
        return self._carry_out(decision, record, rows)

    def _answer_bisection(
        self,
        record: AttemptRecord,
        judged: Judged,
        rows: list[FrameRow],
        plan: Plan,
        telemetry: TelemetrySummary | None,
        context: RunContext,
    ) -> Stop | None:
        """A step of the search for a poison frame; what it isolates is tried once more, repaired."""
        assert self._bisection is not None
        batch = self._bisection.next_batch()
        still_open = {row.name for row in self._ledger.open_frames()}
        gained = [name for name in batch if name not in still_open]
        known = len(self._bisection.poison)
        suspect = judged.suspects[0] if judged.suspects else None
        self._bisection = self._bisection.report(gained, judged.verdict is not None, suspect)
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
        self._hold(row, "prepared anew after it broke an attempt")
        self._history[-1] = replace(record, suspects=(name,), answer=(Rung.REPAIR_FRAME,))
        self._note(
            record.number, f"attempt {record.number}: {name} isolated; prepared anew, to be tried alone"
        )

    def _carry_out(self, decision: Decision, record: AttemptRecord, rows: list[FrameRow]) -> Stop | None:
        match decision:
            case NextPlan():
                self._follow(decision, record, rows)
            case RepairFrame():
                self._repair(decision, record)
            case Quarantine():
                self._note(record.number, decision.sentence)
                for name in decision.frames:
                    row = self._row(name)
                    if row is not None:
                        evidence = row.evidence or "; ".join(decision.evidence)
                        self._quarantine(row, decision.cause, evidence, record.number)
                    self._held.discard(name)
                return self._carry_out(decision.then, record, rows)
            case Wait():
                return self._wait(decision, record, rows)
            case Stop():
                if self._frames_to_blame(decision, record):
                    return None
                self._note(record.number, decision.sentence)
                return decision
        return None

    def _frames_to_blame(self, stop: Stop, record: AttemptRecord) -> bool:
        """Instead of stopping: try the named frames alone, and quarantine those that fail alone too.

        Nothing is left to try against the failure as a whole, but the run is not for a few frames to end.
        Only for failures that a frame can cause, and only where the extractor works on other frames (or
        that is not known yet).
        """
        named = [row for row in map(self._row, record.suspects) if row is not None]
        works = any(earlier.frames_gained for earlier in self._history)
        new = [row for row in named if row.name not in self._tried_alone]
        if not named or self._category not in FRAME_BOUND:
            return False
        if not works and (not new or len(self._tried_alone) + len(new) > MOST_SUSPECTS):
            return False
        rows = new or named
        names = rows[0].name if len(rows) == 1 else f"{len(rows)} frames"
        fate = "to be tried alone" if new else "quarantined"
        self._note(record.number, f"attempt {record.number}: {names} {fate}: {stop.sentence}")
        for row in rows:
            if new:
                self._hold(row, "prepared anew after it broke an attempt")
            else:
                self._quarantine(row, stop.cause, row.evidence or stop.sentence, record.number)
                self._held.discard(row.name)
        self._plan = self._context.widest
        return True

    def _hold(self, row: FrameRow, reason: str) -> None:
        """Keep a frame back until the others are through; then it is tried alone, prepared anew."""
        self._ledger.prepare_anew(row.id, reason, row.max_side)
        self._held.add(row.name)

    def _follow(self, step: NextPlan, record: AttemptRecord, rows: list[FrameRow] | None = None) -> None:
        if step.sentence != self._reason:  # said already when the waiting for it began
            self._note(record.number, step.sentence)
        self._reason = step.sentence
        self._plan = step.plan
        if step.excluded:
            self._context = replace(self._context, excluded=self._context.excluded | set(step.excluded))
        if step.extractor and step.extractor in self._settings.extractors:
            self._extractor = self._settings.extractors[step.extractor]
        if isinstance(step.frames, Bisect) and rows is not None:
            still_open = {row.name for row in self._ledger.open_frames()}
            names = [row.name for row in rows]
            done = [name for name in names if name not in still_open]
            self._bisection = Bisection.start(names, done, step.frames.suspect)
        if step.pause:
            self._control.pause(step.pause)

    def _repair(self, step: RepairFrame, record: AttemptRecord) -> None:
        self._note(record.number, step.sentence)
        self._reason = step.sentence
        self._repair_plan = step.plan
        for name in step.frames:
            row = self._row(name)
            if row is not None:
                self._hold(row, "prepared anew after a failure")

    def _wait(self, step: Wait, record: AttemptRecord, rows: list[FrameRow]) -> Stop | None:
        self._note(record.number, step.sentence)
        self._reason = step.sentence
        self._state.stage = "waiting"
        self._refresh()
        came = self._observer.wait(step, self._control)
        if self._control.stopping:
            return None
        if not came:
            self._history[-1] = replace(self._history[-1], answer=step.otherwise.rungs)
        return self._carry_out(step.then if came else step.otherwise, record, rows)

    def _row(self, name: str) -> FrameRow | None:
        found = self._ledger.frames("name = ? AND outcome IS NULL", (name,))
        return found[0] if found else None

    def _quarantine(self, row: FrameRow, cause: str, evidence: str, attempt: int | None) -> None:
        self._ledger.settle(row.id, Outcome.QUARANTINED, attempt=attempt, cause=cause, evidence=evidence)
        self._reporter.notice(f"{row.name}: quarantined: {display(evidence)[:200]}")

    def _note(self, attempt: int, sentence: str) -> None:
        self._ledger.decide(attempt, sentence)
        self._reporter.notice(sentence)


def _device_of(worker: str | None) -> int | None:
    """GPU index in a worker's label ("GPU0.1" -> 0)."""
    if worker is None or not worker.upper().startswith("GPU"):
        return None
    digits = worker[3:].split(".")[0]
    return int(digits) if digits.isdigit() else None
