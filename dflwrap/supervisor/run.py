"""One run from request to report."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dflwrap.common.errors import DamagedLedgerError, DflwrapError, ExitCode, NeedsUserError, StoppedError
from dflwrap.common.storage import cannot_write
from dflwrap.common.text import display
from dflwrap.extractors.base import Extractor
from dflwrap.faceset.identity import FaceMatcher
from dflwrap.faceset.promotion import set_aside
from dflwrap.frames.decoder_child import SpareDecoders
from dflwrap.frames.inventory import Inventory
from dflwrap.ledger.history import begin_session, end_session
from dflwrap.ledger.records import FrameRow
from dflwrap.planning.decision import Stop
from dflwrap.planning.fit import cpu_plan
from dflwrap.report.report_file import ReportFile, say_stopped
from dflwrap.supervisor.crosscheck.final_check import take_second_look, wanted_again
from dflwrap.supervisor.ending import end_run, learn_from_the_end
from dflwrap.supervisor.input_notices import faceset_as_input, quick_findings, worth_telling
from dflwrap.supervisor.intake import Intake, frames_of, take_in
from dflwrap.supervisor.loop import Ended, Loop
from dflwrap.supervisor.manual import check_debug_pictures, deleted_debug_pictures
from dflwrap.supervisor.outside.stop_file import heeded
from dflwrap.supervisor.progress import Reporter, RunState, Stages
from dflwrap.supervisor.reconcile.end import EndNow, folder_id, look_at_end, open_lost
from dflwrap.supervisor.reconcile.start import Begun, begin
from dflwrap.supervisor.request import RunRequest
from dflwrap.supervisor.run_folder import RunFolder
from dflwrap.supervisor.services import RunServices
from dflwrap.supervisor.setup import (
    Prepared,
    check_folders,
    make_services,
    opening,
    prepare,
    refuse_missing_gpus,
    second_extractor,
)
from dflwrap.supervisor.stop_request import Control
from dflwrap.telemetry.limits import usable_cores, usable_memory


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended."""

    exit_code: ExitCode
    report: dict[str, Any]
    stop: Stop | None
    nothing_to_do: bool
    """The run had finished before."""
    seconds: float = 0.0
    """Since this start of dflwrap."""


def run_extraction(
    request: RunRequest,
    extractors: Sequence[Extractor],
    reporter: Reporter,
    control: Control,
    state: RunState,
    on_kept: Callable[[Path], None] = lambda run_folder: None,
) -> RunResult:
    """Run to an end state. `extractors`: the chosen one first, then those that may take over.

    on_kept: told the run folder once it is ours and stays. Raises DflwrapError for what is wrong before anything
    starts.
    """
    check_folders(request)
    folder = RunFolder(request.output_dir)
    folder.on_kept = on_kept
    folder.lock()
    try:
        with heeded(folder.path, control), SpareDecoders() as decoders:
            return _owning(request, extractors, reporter, control, state, folder, decoders)
    except DamagedLedgerError as error:
        if folder.kept:
            stopped = error.while_running()
            say_stopped(folder.report, stopped)
            raise stopped from error
        folder.undo()
        raise
    except DflwrapError:
        folder.undo()
        raise
    finally:
        folder.unlock()


def _owning(
    request: RunRequest,
    extractors: Sequence[Extractor],
    reporter: Reporter,
    control: Control,
    state: RunState,
    folder: RunFolder,
    decoders: SpareDecoders,
) -> RunResult:
    try:
        folder.make_output()
    except OSError as error:
        raise cannot_write(request.output_dir, error) from error
    stages = Stages(state, reporter, lambda: control.stopping)
    stages.at("listing the frames")
    inventory = frames_of(request, stages.stopping)
    stages.at("looking at the faceset")
    with FaceMatcher(stopping=stages.stopping, spares=decoders) as matcher:
        begun = begin(request, folder, inventory, matcher.judge, stages.stopping)
    ledger = begun.ledger
    try:
        services = make_services(request, folder, ledger, reporter, control, state, decoders)
        run = _Run(services, extractors, begun, inventory, stages)
        del begun, inventory  # a hundred megabytes at a hundred thousand frames: not kept beside the attempts
        try:
            return run.run()
        except DflwrapError:
            raise
        except Exception as error:
            run.failed(error)
            raise
        finally:
            run.close()
    finally:
        ledger.close()


class _Run:
    def __init__(
        self,
        services: RunServices,
        extractors: Sequence[Extractor],
        begun: Begun,
        inventory: Inventory,
        stages: Stages,
    ) -> None:
        self._services, self._extractors = services, extractors
        self._start, self._stages = [(begun, inventory)], stages
        self._request, self._ledger = services.request, services.ledger
        self._folder, self._control = services.folder, services.control
        self._report = ReportFile(services.folder.report, services.ledger)
        self._began_at = time.monotonic()
        self._began_in = folder_id(services.output_dir)
        self._deleted: list[int] = []
        self._prepared: Prepared | None = None

    def close(self) -> None:
        if self._prepared is not None:
            self._prepared.crosscheck.close()
        self._services.page.close()
        self._services.observer.close()
        self._services.presence.close()
        self._report.release()

    def run(self) -> RunResult:
        self._refuse_what_cannot_be()
        self._folder.clear_work(self._ledger)
        known = {row.id for row in self._quarantined()}
        try:
            intake = self._intake()
        except StoppedError:
            self._folder.keep()
            return self._end(Ended(interrupted=True))
        self._folder.keep()
        self._begin_report(intake)
        del intake
        self._services.refresh()
        if self._is_done():
            return self._end(Ended(), nothing_to_do=bool(self._ledger.attempts()))
        for row in self._quarantined():
            if row.id not in known:
                self._services.reporter.notice(f"{row.name}: quarantined: {row.evidence}")
        return self._extract()

    # -- before the first attempt --------------------------------------------------------------

    def _refuse_what_cannot_be(self) -> None:
        chosen, observer = self._extractors[0], self._services.observer
        refuse_missing_gpus(self._request, chosen, observer)
        self._services.reporter.notice(opening(self._request, chosen, observer))
        check_debug_pictures(self._request)
        self._deleted = deleted_debug_pictures(self._request, self._ledger)

    def _quarantined(self) -> list[FrameRow]:
        return self._ledger.frames("outcome = 'quarantined'")

    def _is_done(self) -> bool:
        """Nothing is open, nor is a second look that was asked for."""
        if self._services.state.counts.open:
            return False
        return not wanted_again(self._services, second_extractor(self._extractors))

    def _intake(self) -> Intake:
        resumed = self._ledger.counts().total > 0  # a first start may yet turn out to have done nothing
        if resumed:
            self._say_running()
        begun, inventory = self._start.pop()
        self._stages.at("entering the frames")
        stopping = self._stages.stopping
        try:
            with FaceMatcher(stopping=stopping, spares=self._services.decoders) as matcher:
                return take_in(self._request, begun, inventory, self._folder.path, matcher.judge, stopping)
        except StoppedError:
            raise
        except DflwrapError as error:
            if resumed:
                cause = error.cause if isinstance(error, NeedsUserError) else "usage"
                self._report.stopped(cause, str(error))
            raise

    def _begin_report(self, intake: Intake) -> None:
        """From here on a report lies there; what was found is told."""
        self._report.reserve()
        begin_session(self._ledger)
        self._services.page.begin()
        self._say_running()
        source, reporter = self._request.input_dir, self._services.reporter
        self._report.ignored = [
            {"name": display(i.name), "reason": i.reason}
            for i in worth_telling(intake.inventory.ignored, source, self._request.output_dir)
        ]
        for notice in (faceset_as_input(source, intake.inventory), *intake.notices):
            if notice is not None:
                reporter.notice(notice)
        self._stages.at("looking at the names")
        for notice in quick_findings(source, intake.inventory, joined=self._request.joined):
            reporter.notice(notice)
        for item in self._report.ignored:
            reporter.notice(f"{item['name']}: not a frame: {item['reason']}")

    def _say_running(self) -> None:
        try:
            self._report.running()
        except OSError as error:
            raise cannot_write(self._folder.report, error) from error

    def failed(self, error: Exception) -> None:
        """dflwrap itself failed."""
        if self._folder.kept:
            sentence = f"dflwrap itself failed: {type(error).__name__}: {error}"
            end_session(self._ledger, "stopped", cause="fault", sentence=sentence)
            self._report.stopped("fault", sentence)

    # -- attempts, and what follows them -------------------------------------------------------

    def _extract(self) -> RunResult:
        try:
            prepared = self._prepared = prepare(self._services, self._extractors)
            ended = prepared.loop.run()
            if ended == Ended():
                ended = self._second_look(prepared)
            if ended == Ended():
                ended = self._hold_against_disk(prepared.loop)
            if ended == Ended():
                learn_from_the_end(self._services)
            return self._end(ended)
        except NeedsUserError as error:
            try:
                return self._end(Ended(stop=Stop(error.cause, str(error), error.steps)))
            except NeedsUserError:  # not even the ledger can be read: the first reason counts
                raise error from None

    def _second_look(self, prepared: Prepared) -> Ended:
        builtin = second_extractor(self._extractors)
        if builtin is None:
            return Ended()
        why = take_second_look(self._services, builtin, prepared.template, prepared.budget)
        if not why:
            return Ended()
        prepared.loop.hand_over("builtin", cpu_plan(usable_cores(), usable_memory().available), why)
        return prepared.loop.run()

    def _hold_against_disk(self, loop: Loop) -> Ended:
        """What is reported lies on the disk: lost faces are made again, then the user must help."""
        now = self._look_at_end()
        if now.lost and now.frames:
            self._services.note(f"{now.lost}: their frames are extracted again")
            self._open_lost(now)
            self._began_in = folder_id(self._request.output_dir)
            ended = loop.run()
            if ended != Ended():
                return ended
            now = self._look_at_end()
        if now.lost:
            self._open_lost(now)
            return Ended(
                stop=Stop("output-dir-missing", f"{now.lost[0].upper()}{now.lost[1:]}.", _LOST_STEPS)
            )
        for notice in now.notices:
            self._services.note(notice)
        return Ended()

    def _look_at_end(self) -> EndNow:
        size = self._request.options.image_size
        return look_at_end(self._ledger, self._request.output_dir, size, self._began_in)

    def _open_lost(self, now: EndNow) -> None:
        if now.frames:
            run_folder = self._folder.path
            open_lost(
                self._ledger, self._request.output_dir, now.frames, lambda path: set_aside(path, run_folder)
            )

    def _end(self, ended: Ended, nothing_to_do: bool = False) -> RunResult:
        end = end_run(self._services, self._report, ended, self._deleted)
        if not (nothing_to_do and self._folder.page.exists()):
            self._services.stage("making the report")
            self._services.page.last(lambda: self._control.at_once, hurried=ended.interrupted)
            self._services.stage("finished")
        return RunResult(end.code, end.report, end.stop, nothing_to_do, time.monotonic() - self._began_at)


_LOST_STEPS = (
    "Do not move or empty the faceset while dflwrap works on it; look for a program that does.",
    "Run the same command again to resume.",
)
