"""Carrying out one attempt: batch folder, process, outcomes, telemetry, verdict, ledger."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from dflwrap.common.events import Event, EventKind
from dflwrap.common.memory import GIB
from dflwrap.common.plan import AttemptSpec, Plan
from dflwrap.common.storage import cannot_write
from dflwrap.common.telemetry import TelemetrySummary
from dflwrap.common.text import display, display_start
from dflwrap.common.trees import remove_tree
from dflwrap.common.verdict import verdict_to_dict
from dflwrap.extractors.base import Extractor
from dflwrap.frames.decoding.decoder_errors import plain_text
from dflwrap.frames.names import encode
from dflwrap.ledger.records import FrameRow
from dflwrap.planning.fingerprint import fingerprint
from dflwrap.planning.fit import BLACK_BOX_BATCH
from dflwrap.planning.inputs import AttemptRecord
from dflwrap.supervisor.attempt.frame_checker import END_BOUND, HURRIED, FrameChecker
from dflwrap.supervisor.attempt.judge import HEALTHY, Judged, judge_attempt
from dflwrap.supervisor.attempt.monitor import Attempt, AttemptResult, EndedBy, Watch
from dflwrap.supervisor.attempt.outcomes import Collector
from dflwrap.supervisor.attempt.record import RunningAttempt, control_of, output_of, repaired_of
from dflwrap.supervisor.attempt.reencoder import Reencoder, repair_bound
from dflwrap.supervisor.attempt.width import ElasticWidth
from dflwrap.supervisor.batch import Batch, FrameMaker
from dflwrap.supervisor.crosscheck.crosscheck import CrossCheck
from dflwrap.supervisor.disk.storage import Storage
from dflwrap.supervisor.liveness.start_times import LearnedStartTimes
from dflwrap.supervisor.process.streams import Line
from dflwrap.supervisor.process.tree import ProcessTree
from dflwrap.supervisor.progress import STARTING
from dflwrap.supervisor.run_folder import clear_attempt
from dflwrap.supervisor.services import SHOWN, RunServices
from dflwrap.supervisor.stream.feed import Feed
from dflwrap.supervisor.stream.frame_stream import AHEAD, FrameStream, threads_for
from dflwrap.telemetry.limits import usable_cores

WORTH_TELLING = GIB // 2
"""Bytes of spilled video memory."""
REDRAW = 0.2
"""Seconds between two looks at the totals for the display."""
MOST_UTF8 = 4
"""Bytes of one character."""
NO_LINKS_FOR_BLACK_BOX = (
    "frames are copied into the run folder, as its disk takes no links to them and a black box reads one folder; "
    "the copies go after each attempt"
)


@dataclass(frozen=True, slots=True)
class AttemptOutcome:
    """An attempt that ran."""

    record: AttemptRecord
    judged: Judged
    result: AttemptResult
    rows: tuple[FrameRow, ...]
    """Frames that the extractor was given, in the order of the folder: of a stream that broke off these are not all,
    and of a stream they are those without an outcome."""


@dataclass(slots=True)
class AttemptRunner:
    """Runs attempts one after another. Not covered: what comes next (`loop`)."""

    services: RunServices
    template: AttemptSpec
    """Options of the run; what differs per attempt is filled in."""
    crosscheck: CrossCheck
    storage: Storage
    width: ElasticWidth
    starts: LearnedStartTimes = field(default_factory=LearnedStartTimes)
    passed: set[int] = field(default_factory=set)
    """Frames that the user's filters let through."""
    _copies_told: bool = False

    def run(
        self,
        rows: deque[FrameRow],
        plan: Plan,
        extractor: Extractor,
        reason: str,
        *,
        black_box: bool,
        alone: bool,
    ) -> AttemptOutcome | None:
        """Run one attempt over `rows`, taking them out of it; None when none of them could be handed in.

        reason: the decision that led here. alone: a repair or a step of a search.

        Raises NeedsUserError where the attempt's folder cannot be written.
        """
        number, folder = self.services.folder.new_attempt(self.services.ledger)
        whole, total = black_box or alone, len(rows)
        feed = self._feed(folder, rows, plan, whole=whole, most=BLACK_BOX_BATCH if black_box else 0)
        try:
            feed.begin(whole=whole)
            if feed.batch.frames and not self.services.control.stopping:
                running = self._prepare(
                    number, folder, feed, plan, extractor, black_box=black_box, alone=alone
                )
                return self._run(running, reason, total)
        finally:
            feed.close()
        remove_tree(folder)
        return None

    def _run(self, running: RunningAttempt, reason: str, frames: int) -> AttemptOutcome:
        self._begin(running, reason, frames)
        result = self._see_through(running)
        for sentence in spill_notes(self.services.observer.summary()):
            self._note(running, sentence)
        self._tell_black_box(running, result)
        judged = self._judge(running, result)
        self._count_failures(running.collector, judged)
        self._end(running, result, judged)
        clear_attempt(running.folder)
        if running.feed.error is not None:
            raise running.feed.failed()
        rows = sorted(running.batch.frames.values(), key=lambda row: encode(row.file_name))
        return AttemptOutcome(running.record(result, judged), judged, result, tuple(rows))

    # -- from frames to a running attempt ------------------------------------------------------

    def _feed(self, folder: Path, rows: deque[FrameRow], plan: Plan, *, whole: bool, most: int) -> Feed:
        """most: frames in all where one must be converted; 0 = any number."""
        services = self.services
        try:
            (folder / "in").mkdir()
        except OSError as error:
            raise cannot_write(folder / "in", error) from error
        source, filters = services.input_dir, services.request.filters
        maker = FrameMaker(
            source, folder / "in", Batch(), plan.max_side, filters, self.passed, most, in_place=not whole
        )
        busy = 0 if whole else plan.workers * max(1, len(plan.devices), plan.threads)
        threads = min(len(rows), threads_for(usable_cores(), busy))
        stream = FrameStream(maker, rows, threads, ahead=0 if whole else AHEAD, spares=services.decoders)
        return Feed(services, self.storage, stream, maker.batch, len(rows))

    def _prepare(
        self,
        number: int,
        folder: Path,
        feed: Feed,
        plan: Plan,
        extractor: Extractor,
        *,
        black_box: bool,
        alone: bool,
    ) -> RunningAttempt:
        services, output, batch = self.services, output_of(folder), feed.batch
        try:
            output.mkdir()
        except OSError as error:
            raise cannot_write(output, error) from error
        control = None if black_box or alone else control_of(folder)
        reencoder = Reencoder(
            services.input_dir, repaired_of(folder), batch, plan.max_side, control, services.decoders
        )
        collector = Collector(
            services.ledger, services.promoter, batch, number, output, self.template.options.output_debug
        )
        collector.repaired_scales = reencoder.scales
        collector.checker = checker = FrameChecker(
            services.input_dir, batch, thorough=black_box, spares=services.decoders
        )
        return RunningAttempt(
            *(number, folder, plan, extractor, batch, feed, collector, reencoder, checker),
            *(black_box, alone, control),
        )

    def _begin(self, running: RunningAttempt, reason: str, frames: int) -> None:
        """frames: that are to be handed out."""
        services, number, plan = self.services, running.number, running.plan
        name = running.extractor_name
        services.ledger.begin_attempt(number, name, plan.to_dict(), reason, frames)
        if running.feed.limited:
            self._note(running, f"{running.feed.limited}: the others follow when these are done")
        services.state.attempt, services.state.plan, services.state.extractor = number, plan, name
        services.state.stage, services.state.attempt_began = STARTING, time.monotonic()
        services.refresh()
        self._tell_copied(running)
        self.crosscheck.begin(running.extractor, plan, number, black_box=running.black_box)

    # -- while it runs -------------------------------------------------------------------------

    def _see_through(self, running: RunningAttempt) -> AttemptResult:
        """Run it to its end, with every outcome entered; one that breaks off is ended in the ledger too."""
        services, collector, checker = self.services, running.collector, running.checker
        services.observer.begin(running.number)
        result: AttemptResult | None = None
        ended_well = False
        try:
            attempt = self._attempt(running, self.width.begin(running))
            with running.reencoder, checker:
                try:
                    result = attempt.run()
                finally:
                    running.feed.close()
                collector.finish(HURRIED if services.control.at_once else END_BOUND)
            self._take(running, ())
            for sentence in checker.notes():
                self._note(running, sentence)
            self.starts.learn(running.condition, result.start_times)
            self._excuse(running, result)
            ended_well = True
        finally:
            self.width.end()
            services.observer.end()
            if not ended_well:
                self._end(running, result, None)
        return result

    def _attempt(self, running: RunningAttempt, more_env: dict[str, str]) -> Attempt:
        watch = Watch(
            lambda events: self._take(running, events),
            self._line,
            lambda tree: self._look(running, tree),
            self.crosscheck.disagreed,
            self.storage.away,
            self.width.waiting,
        )
        spec = running.spec(self.template)
        return Attempt(
            replace(spec, plan=replace(spec.plan, env={**spec.plan.env, **more_env})),
            running.extractor,
            watch,
            self.services.control,
            black_box=running.black_box,
            cache_folder=running.extractor.cache_folder if running.plan.devices else None,
            earlier=self.starts.of(running.condition),
            feed=running.feed,
        )

    def _look(self, running: RunningAttempt, tree: ProcessTree) -> None:
        """About once a second."""
        state, observer = self.services.state, self.services.observer
        state.pace.look()
        observer.watch(tree)
        state.gpus = observer.gpus()
        self.width.look()
        self.services.show()
        if state.stage == STARTING:
            self.services.reporter.changed(state)
        if running.collector.waiting:
            self._take(running, ())

    def _take(self, running: RunningAttempt, events: Sequence[Event]) -> None:
        services, collector = self.services, running.collector
        before = len(collector.gained)
        if any(event.kind is EventKind.FRAME_DONE for event in events):
            running.feed.remember()
        collector.take(events)
        gained = len(collector.gained) - before
        self.crosscheck.events(events)
        self.width.events(events)
        self.crosscheck.take(collector.results)
        collector.results.clear()
        running.forget(collector.promoted)
        collector.promoted.clear()
        for row, evidence in collector.damaged:
            services.say_quarantined(row, evidence)
        collector.damaged.clear()
        for event in events:
            self._answer(running, event)
        if any(event.kind in (EventKind.FRAME_DONE, EventKind.FRAME_FAILED) for event in events):
            services.state.stage = "extracting"
        if gained:
            services.state.pace.gained(gained)
            services.observer.steady()
        if time.monotonic() - services.state.redrawn > REDRAW:
            services.refresh()

    def _answer(self, running: RunningAttempt, event: Event) -> None:
        if event.kind is EventKind.WORKER_LOST:
            frame = f" on {display(event.frame)}" if event.frame else ""
            said = event.data.get("error") if event.data.get("reason") == "error" else None
            why = (
                display(said[:200])
                if isinstance(said, str)
                else f"exit status {event.data.get('exit_status')}"
            )
            self.services.reporter.notice(f"worker {event.worker} was lost{frame} ({why})")
            if event.data.get("given_up") is True:
                words = f"{display(event.worker or '')} fails every frame; disabled for this attempt"
                self._note(running, words)
        elif event.kind is EventKind.REPAIR_WANTED and event.frame:
            self._reencode(running, event.frame)
        elif event.kind is EventKind.FRAME_STARTED and event.frame:
            running.feed.taken(event.frame)
        elif event.kind in (EventKind.FRAME_DONE, EventKind.FRAME_FAILED) and event.frame:
            running.reencoder.settled(event.frame)
            running.let_go(event.frame)

    def _reencode(self, running: RunningAttempt, name: str) -> None:
        row = running.reencoder.ask(name)
        if row is not None:
            self.services.ledger.reencode(row.id, "re-encoded after it failed", repair_bound(row))
            self._note(running, f"{row.name} failed; re-encoding it for one retry")

    def _line(self, line: Line) -> None:
        start = line.text.strip()[: SHOWN * MOST_UTF8]  # a line may have megabytes, and there may be many
        text = display_start(start.decode("utf-8", "replace").strip(), SHOWN)
        if text:
            self.services.state.add_line(text)
            self.services.reporter.changed(self.services.state)

    # -- when it has ended ---------------------------------------------------------------------

    def _excuse(self, running: RunningAttempt, result: AttemptResult) -> None:
        """Frames that failed because they were not handed out are taken out of the attempt: it proves nothing of them.

        Raises FolderGoneError where a folder, or its disk, is gone: then no failure of the attempt counts.
        """
        if result.ended_by in (EndedBy.STOP, EndedBy.NOT_STREAMED):
            return
        if result.ended_by is EndedBy.FOLDER_GONE:
            raise self.storage.why_away()
        collector = running.collector
        failures = collector.failures
        unreadable = [f.frame for f in failures.values() if f.kind == "unreadable"]
        others = [f.frame for f in failures.values() if f.kind != "unreadable"]
        others += [collector.batch.frames[name] for name in collector.in_work.values()]
        if running.saw_no_frames(result):  # nothing tells which frames failed
            others += [row for row in collector.batch.frames.values() if row.id not in failures]
        others = [row for row in others if row.id not in collector.gained]
        unread = self.storage.why_not_read(unreadable, whole=True)
        unread += self.storage.why_not_read(others, whole=False)
        unread = list({row.id: (row, error) for row, error in unread}.values())
        self._tell(self.storage.settle(unread))
        collector.leave_out({row.id for row, _ in unread})

    def _tell(self, sentences: Sequence[str]) -> None:
        for sentence in sentences:
            self.services.note(sentence)

    def _note(self, running: RunningAttempt, sentence: str) -> None:
        self.services.note(f"attempt {running.number}: {sentence}", running.number)

    def _tell_copied(self, running: RunningAttempt) -> None:
        """Once a run. With events a frame costs no room, or its copy goes with it."""
        if running.black_box and not self._copies_told and running.batch.copied:
            self._copies_told = True
            self._note(running, NO_LINKS_FOR_BLACK_BOX)

    def _tell_black_box(self, running: RunningAttempt, result: AttemptResult) -> None:
        if result.agent_failed is not None:
            self._note(
                running,
                f"no events per frame ({display(result.agent_failed)}): black-box mode, "
                "whose number of workers is fixed for an attempt",
            )

    def _judge(self, running: RunningAttempt, result: AttemptResult) -> Judged:
        """The user's own stop is not judged; what the cross-check saw counts more than what the logs say."""
        if result.ended_by in (EndedBy.STOP, EndedBy.NOT_STREAMED):
            return HEALTHY
        verdict = self.crosscheck.settle(self.services.control, running.folder)
        if verdict is not None:
            return Judged(verdict, fingerprint(verdict), ())
        return judge_attempt(result, running.collector, running.folder, self.services.observer.memory())

    def _count_failures(self, collector: Collector, judged: Judged) -> None:
        cause = judged.cause or "poison-frame"
        self.services.ledger.count_failures(
            (failure.frame.id, cause, plain_text(failure.error)) for failure in collector.failures.values()
        )

    def _end(self, running: RunningAttempt, result: AttemptResult | None, judged: Judged | None) -> None:
        verdict = judged.verdict if judged else None
        self.services.ledger.end_attempt(
            running.number,
            gained=len(running.collector.gained),
            ended_by=result.ended_by.value if result else "fault",
            exit_status=result.exit_status if result else None,
            cause=judged.cause if judged else None,
            verdict=verdict_to_dict(verdict) if verdict else None,
        )


def spill_notes(summary: TelemetrySummary | None) -> list[str]:
    """Windows keeps video memory in RAM where the card is full: nothing fails, everything is slow."""
    return [
        f"GPU {device.index} was full, and Windows kept {device.spilled_peak / GIB:.1f} GiB of its memory in RAM, "
        "which is slow: fewer workers, or programs that use the card closed, make it faster"
        for device in (summary.devices if summary is not None else ())
        if device.spilled_peak is not None and device.spilled_peak > WORTH_TELLING
    ]
