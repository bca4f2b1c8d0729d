"""Carrying out one attempt: batch folder, process, outcomes, telemetry, verdict, ledger."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from dflwrap.common.events import Event, EventKind, gpu_of
from dflwrap.common.memory import GIB
from dflwrap.common.plan import AttemptSpec, Plan
from dflwrap.common.storage import cannot_write
from dflwrap.common.text import display
from dflwrap.common.trees import remove_tree
from dflwrap.common.verdict import verdict_to_dict
from dflwrap.extractors.base import Extractor
from dflwrap.faceset.promotion import Promoter
from dflwrap.frames.decoder_errors import plain_text
from dflwrap.ledger.ledger import Ledger
from dflwrap.ledger.records import FrameRow, Outcome
from dflwrap.planning.fingerprint import fingerprint
from dflwrap.planning.inputs import AttemptRecord
from dflwrap.supervisor.attempt.judge import Judged, judge_attempt
from dflwrap.supervisor.attempt.monitor import Attempt, AttemptResult, EndedBy, Watch
from dflwrap.supervisor.attempt.outcomes import Collector
from dflwrap.supervisor.attempt.reencoder import Reencoder, repair_bound
from dflwrap.supervisor.batch import Batch, make_batch
from dflwrap.supervisor.checking import END_BOUND, HURRIED, FrameChecker
from dflwrap.supervisor.crosscheck.crosscheck import CrossCheck
from dflwrap.supervisor.disk.storage import Storage
from dflwrap.supervisor.liveness.start_times import LearnedStartTimes
from dflwrap.supervisor.observer import Observer
from dflwrap.supervisor.process.streams import Line
from dflwrap.supervisor.process.tree import ProcessTree
from dflwrap.supervisor.progress import STARTING, Reporter, RunState
from dflwrap.supervisor.run_folder import RunFolder, clear_attempt
from dflwrap.supervisor.stop_request import Control

WORTH_TELLING = GIB // 2
"""Bytes of spilled video memory."""
REDRAW = 0.2
"""Seconds between two looks at the totals for the display."""


@dataclass(frozen=True, slots=True)
class AttemptOutcome:
    """An attempt that ran."""

    record: AttemptRecord
    judged: Judged
    result: AttemptResult


@dataclass(slots=True)
class AttemptRunner:
    """Runs attempts one after another. Not covered: what comes next (`loop`)."""

    input_dir: Path
    folder: RunFolder
    template: AttemptSpec
    """Options of the run; what differs per attempt is filled in."""
    ledger: Ledger
    promoter: Promoter
    observer: Observer
    crosscheck: CrossCheck
    reporter: Reporter
    control: Control
    state: RunState
    storage: Storage
    redrawn: float = 0.0
    starts: LearnedStartTimes = field(default_factory=LearnedStartTimes)

    def run(
        self,
        rows: Sequence[FrameRow],
        plan: Plan,
        extractor: Extractor,
        reason: str,
        *,
        black_box: bool,
        alone: bool,
    ) -> AttemptOutcome | None:
        """Run one attempt over `rows`; None when none of them could be handed in.

        reason: the decision that led here. alone: a repair or a step of a search.

        Raises NeedsUserError where the attempt's folder cannot be written.
        """
        number, folder = self.folder.new_attempt(self.ledger)
        batch = self._make_batch(folder, rows, plan)
        record = AttemptRecord(number, plan, None, frames_given=len(batch.frames), alone=alone)
        if not batch.frames or self.control.stopping:
            remove_tree(folder)
            return None
        output = folder / "out"
        try:
            output.mkdir()
        except OSError as error:
            raise cannot_write(output, error) from error
        spec = replace(
            self.template,
            number=number,
            plan=plan,
            folder=str(folder),
            input_dir=str(folder / "in"),
            output_dir=str(output),
            events_path=str(folder / "events.jsonl"),
            frames=tuple(batch.frames),
            # A frame that is alone was re-encoded already.
            repaired_dir="" if alone else str(folder / "repaired"),
        )
        reencoder = Reencoder(self.input_dir, folder / "repaired", batch, plan.max_side)
        collector = Collector(
            self.ledger, self.promoter, batch, number, output, self.template.options.output_debug
        )
        collector.repaired_scales = reencoder.scales
        checker = collector.checker = FrameChecker(self.input_dir, batch, thorough=black_box)
        name = extractor.info().name
        self.ledger.begin_attempt(number, name, plan.to_dict(), reason, len(batch.frames))
        self.state.attempt, self.state.plan, self.state.extractor = number, plan, name
        self.state.stage, self.state.attempt_began = STARTING, time.monotonic()
        self.refresh()
        self.crosscheck.begin(extractor, plan, number, black_box=black_box)
        watch = Watch(
            lambda events: self._take(collector, reencoder, events),
            self._line,
            lambda tree: self._look(collector, reencoder, tree),
            self.crosscheck.disagreed,
            self.storage.away,
        )
        # With the timeout: who was given patience is not bounded by what went before it.
        condition = (name, plan.devices, black_box, plan.startup_timeout)
        attempt = Attempt(
            spec,
            extractor,
            watch,
            self.control,
            black_box=black_box,
            cache_folder=extractor.cache_folder if plan.devices else None,
            earlier=self.starts.of(condition),
        )
        self.observer.begin(number)
        result: AttemptResult | None = None
        ended_well = False
        try:
            with reencoder, checker:
                result = attempt.run()
                collector.finish(HURRIED if self.control.at_once else END_BOUND)
            self._take(collector, reencoder, ())
            for sentence in checker.notes():
                self.note(number, f"attempt {number}: {sentence}")
            self.starts.learn(condition, result.start_times)
            self._excuse(collector, result, black_box=black_box)
            ended_well = True
        finally:
            self.observer.end()
            if not ended_well:
                self._end(number, len(collector.gained), result, None)
        self._tell_spilled(number)
        if result.agent_failed is not None:
            why = display(result.agent_failed)
            self.note(number, f"attempt {number}: no events per frame ({why}): black-box mode")
        judged = Judged(None, "", ())
        verdict = None if result.ended_by is EndedBy.STOP else self.crosscheck.settle(self.control, folder)
        if verdict is not None:
            judged = Judged(verdict, fingerprint(verdict), ())
        elif result.ended_by is not EndedBy.STOP:
            judged = judge_attempt(result, collector, folder, self.observer.memory())
        for failure in collector.failures.values():
            self.ledger.count_failure(
                failure.frame.id, judged.cause or "poison-frame", plain_text(failure.error)
            )
        self._end(number, len(collector.gained), result, judged)
        clear_attempt(folder)
        lost = collector.lost_worker
        record = replace(
            record,
            frames_given=len(batch.frames),  # without those that `_excuse` left out
            cause=judged.cause,
            fingerprint=judged.fingerprint,
            frames_gained=len(collector.gained),
            suspects=judged.suspects,
            repaired=tuple(f.frame.name for f in collector.failures.values() if f.repaired),
            seconds=result.seconds,
            worker=lost,
            device=gpu_of(lost),
            lost_on=len(collector.lost_on),
            began=collector.began or black_box or result.agent_failed is not None,
        )
        return AttemptOutcome(record, judged, result)

    def _make_batch(self, folder: Path, rows: Sequence[FrameRow], plan: Plan) -> Batch:
        self.state.stage = "preparing frames"
        try:
            batch = make_batch(
                self.input_dir,
                folder / "in",
                rows,
                max_side=plan.max_side,
                stopping=lambda: self.control.stopping or self.storage.away(),
            )
        except OSError as error:
            raise cannot_write(folder / "in", error) from error
        if (
            self.storage.away() and not self.control.stopping
        ):  # or the loop would come back at once, and again
            raise self.storage.why_away()
        self._tell(self.storage.settle(batch.unread))
        if batch.cut:
            words = f"the disk has room for copies of {batch.copies} frames at a time (scaled, converted or not linked)"
            self._tell([f"{words}: the others follow when these are done"])
        for row, judgement in batch.refused:
            self.quarantine(row, judgement.cause, judgement.reason, None)
        return batch

    def _excuse(self, collector: Collector, result: AttemptResult, *, black_box: bool) -> None:
        """Frames that failed because they were not handed out are taken out of the attempt: it proves nothing of them.

        Raises FolderGoneError where a folder, or its disk, is gone: then no failure of the attempt counts.
        """
        if result.ended_by is EndedBy.STOP:
            return
        if result.ended_by is EndedBy.FOLDER_GONE:
            raise self.storage.why_away()
        failures = collector.failures
        unreadable = [f.frame for f in failures.values() if f.kind == "unreadable"]
        others = [f.frame for f in failures.values() if f.kind != "unreadable"]
        others += [collector.batch.frames[name] for name in collector.in_work.values()]
        if black_box or result.agent_failed is not None:  # nothing tells which frames failed
            others += [row for row in collector.batch.frames.values() if row.id not in failures]
        others = [row for row in others if row.id not in collector.gained]
        unread = self.storage.why_not_read(unreadable, whole=True)
        unread += self.storage.why_not_read(others, whole=False)
        unread = list({row.id: (row, error) for row, error in unread}.values())
        self._tell(self.storage.settle(unread))
        collector.leave_out({row.id for row, _ in unread})

    def _tell(self, sentences: Sequence[str]) -> None:
        for sentence in sentences:
            self.ledger.decide(None, sentence)
            self.reporter.notice(sentence)

    def _tell_spilled(self, number: int) -> None:
        """Windows keeps video memory in RAM where the card is full: nothing fails, everything is slow."""
        summary = self.observer.summary()
        for device in summary.devices if summary is not None else ():
            if device.spilled_peak is not None and device.spilled_peak > WORTH_TELLING:
                self.note(
                    number,
                    f"attempt {number}: GPU {device.index} was full, and Windows kept "
                    f"{device.spilled_peak / GIB:.1f} GiB of its memory in RAM, which is slow: fewer workers, or "
                    "programs that use the card closed, make it faster",
                )

    def _end(self, number: int, gained: int, result: AttemptResult | None, judged: Judged | None) -> None:
        verdict = judged.verdict if judged else None
        self.ledger.end_attempt(
            number,
            gained=gained,
            ended_by=result.ended_by.value if result else "fault",
            exit_status=result.exit_status if result else None,
            cause=judged.cause if judged else None,
            verdict=verdict_to_dict(verdict) if verdict else None,
        )

    def _look(self, collector: Collector, reencoder: Reencoder, tree: ProcessTree) -> None:
        """About once a second."""
        self.state.pace.look()
        self.observer.watch(tree)
        self.state.gpus = self.observer.gpus()
        if self.state.stage == STARTING:
            self.reporter.changed(self.state)
        if collector.waiting:
            self._take(collector, reencoder, ())

    def _take(self, collector: Collector, reencoder: Reencoder, events: Sequence[Event]) -> None:
        before = len(collector.gained)
        collector.take(events)
        gained = len(collector.gained) - before
        self.crosscheck.events(events)
        self.crosscheck.take(collector.results)
        collector.results.clear()
        for row, evidence in collector.damaged:
            self.reporter.notice(f"{row.name}: quarantined: {display(evidence)[:200]}")
        collector.damaged.clear()
        for event in events:
            if event.kind is EventKind.WORKER_LOST:
                frame = f" on {display(event.frame)}" if event.frame else ""
                status = event.data.get("exit_status")
                self.reporter.notice(f"worker {event.worker} was lost{frame} (exit status {status})")
                if event.data.get("given_up") is True:
                    words = f"{display(event.worker or '')} fails every frame; disabled for this attempt"
                    self.note(collector.attempt, f"attempt {collector.attempt}: {words}")
            elif event.kind is EventKind.REPAIR_WANTED and event.frame:
                self._reencode(collector.attempt, reencoder, event.frame)
            elif event.kind in (EventKind.FRAME_DONE, EventKind.FRAME_FAILED) and event.frame:
                reencoder.settled(event.frame)
        if any(event.kind in (EventKind.FRAME_DONE, EventKind.FRAME_FAILED) for event in events):
            self.state.stage = "extracting"
        if gained:
            self.state.pace.gained(gained)
            self.observer.steady()
        if time.monotonic() - self.redrawn > REDRAW:
            self.refresh()

    def _reencode(self, attempt: int, reencoder: Reencoder, name: str) -> None:
        row = reencoder.ask(name)
        if row is not None:
            self.ledger.reencode(row.id, "re-encoded after it failed", repair_bound(row))
            self.note(attempt, f"attempt {attempt}: {row.name} failed; re-encoding it for one retry")

    def _line(self, line: Line) -> None:
        text = display(line.text.decode("utf-8", "replace").strip())[:200]
        if text:
            self.state.add_line(text)
            self.reporter.changed(self.state)

    def refresh(self) -> None:
        self.redrawn = time.monotonic()
        self.state.counts = self.ledger.counts()
        self.reporter.changed(self.state)

    def quarantine(self, row: FrameRow, cause: str, evidence: str, attempt: int | None) -> None:
        self.ledger.settle(row.id, Outcome.QUARANTINED, attempt=attempt, cause=cause, evidence=evidence)
        self.reporter.notice(f"{row.name}: quarantined: {display(evidence)[:200]}")

    def quarantine_all(
        self, rows: Sequence[FrameRow], cause: str, why: str, attempt: int, sentence: str
    ) -> None:
        """The same by a decision, which is journalled; both are said in one. why: of frames without evidence."""
        self.ledger.decide(attempt, sentence)
        evidence = [(row, row.evidence or why) for row in rows]
        self.ledger.settle_many((row.id, Outcome.QUARANTINED, attempt, cause, own) for row, own in evidence)
        shown = [(row.name, display(own)[:200]) for row, own in evidence]
        if len(shown) == 1 and shown[0][1] not in sentence:
            sentence += f": {shown[0][1]}"
        self.reporter.notice(sentence)
        for name, own in shown if len(shown) > 1 else ():
            self.reporter.notice(f"  {name}: {own}")

    def note(self, attempt: int, sentence: str) -> None:
        """Journal a decision, and say it."""
        self.ledger.decide(attempt, sentence)
        self.reporter.notice(sentence)
