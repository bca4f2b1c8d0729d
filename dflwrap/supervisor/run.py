"""One run from request to report."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dflwrap.common.choices import SecondLook
from dflwrap.common.errors import DamagedLedgerError, DflwrapError, ExitCode, NeedsUserError, StoppedError
from dflwrap.common.plan import AttemptSpec
from dflwrap.common.storage import cannot_write
from dflwrap.common.text import display
from dflwrap.common.trees import is_inside, is_same_folder
from dflwrap.extractors.base import Extractor
from dflwrap.faceset.identity import FaceMatcher
from dflwrap.faceset.promotion import Promoter, set_aside
from dflwrap.frames.filters import FILTERED
from dflwrap.frames.inventory import Inventory, check_folder, take_inventory
from dflwrap.planning.decision import Stop
from dflwrap.planning.fit import cpu_plan
from dflwrap.planning.inputs import RunContext
from dflwrap.planning.learning import Learner
from dflwrap.planning.paces import PaceStore
from dflwrap.planning.store import PeakStore
from dflwrap.report.quarantine import lay_out
from dflwrap.report.report_file import ReportFile, say_stopped
from dflwrap.supervisor.attempt.runner import AttemptRunner
from dflwrap.supervisor.crosscheck.budget import CrossCheckBudget
from dflwrap.supervisor.crosscheck.crosscheck import CrossCheck
from dflwrap.supervisor.crosscheck.final_check import SecondLookResult, look_again, why_nobody_can
from dflwrap.supervisor.devices import asked_plan, device_notice, opening, refuse_missing_gpus, usable_devices
from dflwrap.supervisor.disk.folder_wait import FolderWait
from dflwrap.supervisor.disk.storage import REMOVED_NOW, Storage
from dflwrap.supervisor.input_notices import faceset_as_input, worth_telling
from dflwrap.supervisor.intake import Intake, take_in
from dflwrap.supervisor.loop import Ended, Loop
from dflwrap.supervisor.manual import check_debug_pictures, deleted_debug_pictures, left_for_a_person
from dflwrap.supervisor.no_face_reasons import look_for_reasons
from dflwrap.supervisor.observer import Observer
from dflwrap.supervisor.progress import Reporter, RunState
from dflwrap.supervisor.quick_findings import quick_findings
from dflwrap.supervisor.reconcile.end import folder_id, look_at_end, open_lost
from dflwrap.supervisor.reconcile.hostile import look_again_at_hostile_faces
from dflwrap.supervisor.reconcile.start import Begun, begin
from dflwrap.supervisor.request import RunRequest
from dflwrap.supervisor.run_folder import RunFolder
from dflwrap.supervisor.stop_request import Control
from dflwrap.telemetry.base import GpuReader, NoGpu
from dflwrap.telemetry.gpu import open_gpu
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
) -> RunResult:
    """Run to an end state. `extractors`: the chosen one first, then those that may take over.

    Raises DflwrapError for what is wrong before anything starts.
    """
    _check_folders(request)
    folder = RunFolder(request.output_dir)
    folder.lock()
    try:
        return _owning(request, extractors, reporter, control, state, folder)
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
) -> RunResult:
    try:
        folder.make_output()
    except OSError as error:
        raise cannot_write(request.output_dir, error) from error
    inventory = take_inventory(request.input_dir, lambda: control.stopping)
    with FaceMatcher(stopping=lambda: control.stopping) as matcher:
        begun = begin(request, folder, inventory, matcher.judge, lambda: control.stopping)
    try:
        run = _Run(request, extractors, reporter, control, state, folder, begun, inventory)
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
        begun.ledger.close()


def _check_folders(request: RunRequest) -> None:
    source, output = request.input_dir, request.output_dir
    check_folder(source)
    if output.exists() and not output.is_dir():
        raise DflwrapError(
            f"The output is a file, not a folder: {display(str(output))}. Give a folder with --output-dir."
        )
    if is_same_folder(source, output):
        raise DflwrapError("Input and output are the same folder. Give another one with --output-dir.")
    debug = output.with_name(output.name + "_debug")
    if request.options.output_debug and is_same_folder(source, debug):
        raise DflwrapError(
            f"The debug pictures would be written among the frames: {display(str(debug))}. "
            "Give another --output-dir, or leave --output-debug out."
        )
    if is_inside(source, run_folder_of(output)):
        raise DflwrapError(
            f"The input lies in the run folder of that output: {display(str(source))}. "
            "Give another --output-dir, or copy the frames out of it."
        )


class _Run:
    def __init__(
        self,
        request: RunRequest,
        extractors: Sequence[Extractor],
        reporter: Reporter,
        control: Control,
        state: RunState,
        folder: RunFolder,
        begun: Begun,
        inventory: Inventory,
    ) -> None:
        ledger = begun.ledger
        self._begun, self._inventory = begun, inventory
        self._began_at = time.monotonic()
        self._deleted: list[int] = []
        self._began_in = folder_id(request.output_dir)
        self._request, self._extractors, self._reporter = request, extractors, reporter
        self._control, self._state, self._folder, self._ledger = control, state, folder, ledger
        self._report = ReportFile(folder.report, ledger)
        self._crosscheck: CrossCheck | None = None
        self._look_budget: CrossCheckBudget | None = None
        self._template: AttemptSpec | None = None
        self._gpu: GpuReader = NoGpu("not looked for: --cpu-only") if request.cpu_only else open_gpu()

    def close(self) -> None:
        if self._crosscheck is not None:
            self._crosscheck.close()
        self._gpu.close()
        self._report.release()

    def _second_extractor(self) -> Extractor | None:
        """The built-in extractor, where another one does the work."""
        others = (e for e in self._extractors[1:] if e.info().name == "builtin")
        return next(others, None)

    def _asked_to_look_again(self) -> bool:
        """A second look was asked for that a finished run has not had."""
        mode, had = self._request.second_look, CrossCheckBudget(self._ledger).done
        if mode not in (SecondLook.SAMPLE, SecondLook.ALL) or self._second_extractor() is None:
            return False
        return not had(f"second look {mode.value}") and bool(self._ledger.frames("outcome = 'no_face'"))

    def _second_look(self, loop: Loop) -> Ended:
        second_extractor, template = self._second_extractor(), self._template
        if second_extractor is None or template is None or self._look_budget is None:
            return Ended()
        self._state.stage = "second look"
        result = look_again(
            self._request.second_look,
            self._ledger,
            second_extractor,
            template,
            self._request.input_dir,
            self._folder.scratch(self._ledger),
            self._control,
            self._state.pace.seconds,
            self._look_budget,
        )
        if result is None:
            return Ended()
        if not self._control.stopping:
            self._look_budget.first_time(f"second look {self._request.second_look.value}")
        found = _second_look_words(result)
        self._ledger.put("second_look", {"looked": result.looked, "found": list(result.found)})
        self._ledger.decide(None, found)
        self._reporter.notice(found)
        if not result.found or self._request.second_look is not SecondLook.ALL:
            return Ended()
        for name in result.found:
            self._ledger.reopen("name = ? AND outcome = 'no_face'", (name,))
        loop.hand_over("builtin", cpu_plan(usable_cores(), usable_memory().available), found)
        return loop.run()

    def run(self) -> RunResult:
        refuse_missing_gpus(self._request, self._extractors[0], self._gpu)
        self._reporter.notice(opening(self._request, self._extractors[0], self._gpu))
        check_debug_pictures(self._request)
        self._deleted = deleted_debug_pictures(self._request, self._ledger)
        promoter = Promoter(
            self._ledger,
            self._folder.path,
            self._request.output_dir,
            self._request.options.image_size,
            self._request.input_dir,
        )
        self._folder.clear_work(self._ledger)
        known = {row.id for row in self._ledger.frames("outcome = 'quarantined'")}
        try:
            intake = self._intake()
        except StoppedError:
            self._folder.keep()
            return self._end(Ended(interrupted=True))
        self._folder.keep()
        self._report.reserve()
        self._say_running()
        source, output = self._request.input_dir, self._request.output_dir
        self._report.ignored = [
            {"name": display(i.name), "reason": i.reason}
            for i in worth_telling(intake.inventory.ignored, source, output)
        ]
        for notice in (faceset_as_input(source, intake.inventory), *intake.notices):
            if notice is not None:
                self._reporter.notice(notice)
        for notice in quick_findings(source, intake.inventory):
            self._reporter.notice(notice)
        for item in self._report.ignored:
            self._reporter.notice(f"{item['name']}: not a frame: {item['reason']}")
        self._state.counts = self._ledger.counts()
        if not self._state.counts.open and not self._asked_to_look_again():
            return self._end(Ended(), nothing_to_do=bool(self._ledger.attempts()))
        for row in self._ledger.frames("outcome = 'quarantined'"):
            if row.id not in known:
                self._reporter.notice(f"{row.name}: quarantined: {row.evidence}")
        try:
            loop = self._loop(promoter)
            ended = loop.run()
            if ended == Ended():
                ended = self._second_look(loop)
            if ended == Ended():
                ended = self._hold_against_disk(loop)
            if ended == Ended():
                self._learn_from_the_end()
            return self._end(ended)
        except NeedsUserError as error:
            try:
                return self._end(Ended(stop=Stop(error.cause, str(error), error.steps)))
            except NeedsUserError:  # not even the ledger can be read: the first reason counts
                raise error from None

    def _intake(self) -> Intake:
        resumed = self._ledger.counts().total > 0  # a first start may yet turn out to have done nothing
        if resumed:
            self._say_running()
        try:
            with FaceMatcher(stopping=lambda: self._control.stopping) as matcher:
                return take_in(
                    self._request,
                    self._begun,
                    self._inventory,
                    self._folder.path,
                    matcher.judge,
                    lambda: self._control.stopping,
                )
        except StoppedError:
            raise
        except DflwrapError as error:
            if resumed:
                cause = error.cause if isinstance(error, NeedsUserError) else "usage"
                self._report.stopped(cause, str(error))
            raise

    def _say_running(self) -> None:
        try:
            self._report.running()
        except OSError as error:
            raise cannot_write(self._folder.report, error) from error

    def failed(self, error: Exception) -> None:
        """dflwrap itself failed."""
        if self._folder.kept:
            self._report.stopped("fault", f"dflwrap itself failed: {type(error).__name__}: {error}")

    def _hold_against_disk(self, loop: Loop) -> Ended:
        """What is reported lies on the disk: lost faces are made again, then the user must help."""
        output, size = self._request.output_dir, self._request.options.image_size
        now = look_at_end(self._ledger, output, size, self._began_in)
        if now.lost and now.frames:
            self._say(f"{now.lost}: their frames are extracted again")
            open_lost(self._ledger, output, now.frames, lambda path: set_aside(path, self._folder.path))
            self._began_in = folder_id(output)
            ended = loop.run()
            if ended != Ended():
                return ended
            now = look_at_end(self._ledger, output, size, self._began_in)
        if now.lost:
            if now.frames:
                open_lost(self._ledger, output, now.frames, lambda path: set_aside(path, self._folder.path))
            steps = (
                "Do not move or empty the faceset while dflwrap works on it; look for a program that does.",
                "Run the same command again to resume.",
            )
            return Ended(stop=Stop("output-dir-missing", f"{now.lost[0].upper()}{now.lost[1:]}.", steps))
        for notice in now.notices:
            self._say(notice)
        return Ended()

    def _learn_from_the_end(self) -> None:
        """Why frames have no face, for the report; and how fast it went, for a forecast."""
        pace, rate, plan = self._state.pace, self._state.pace.rate(), self._state.plan
        look_for_reasons(self._ledger, self._request.input_dir, pace.seconds, lambda: self._control.stopping)
        if rate is not None and plan is not None:
            counts, sides = self._ledger.counts(), self._ledger.longest_sides().values()
            device = ", ".join(f"GPU {index}" for index in plan.devices) or "the CPU"
            done = counts.extracted + counts.no_face
            PaceStore().remember(self._state.extractor, device, max(sides, default=0), rate, done)

    def _say(self, sentence: str) -> None:
        """Journal it, and tell the user."""
        self._ledger.decide(None, sentence)
        self._reporter.notice(sentence)

    def _loop(self, promoter: Promoter) -> Loop:
        request, chosen = self._request, self._extractors[0]
        folders = {
            "input": request.input_dir,
            "output": request.output_dir,
            "temp": Path(tempfile.gettempdir()),
        }
        observer = Observer(self._ledger, folders, self._gpu)
        devices = usable_devices(request, chosen, observer)
        notice = device_notice(request, chosen, observer, devices)
        if notice:
            self._reporter.notice(notice)
        info, memory, cores = chosen.info(), usable_memory(), usable_cores()
        learner = Learner(
            PeakStore(),
            build=f"{info.name} {info.version}",
            driver=observer.driver(),
            longest_side=self._ledger.longest_side(),
            asked_workers=request.workers,
        )
        first = learner.first_plan(
            asked_plan(request, devices),
            cores=cores,
            open_frames=self._ledger.counts().open,
            devices=devices,
            rooms=observer.rooms() if devices else (),
            ram_available=memory.available,
        )
        self._ledger.put("extractor", asdict(info))
        self._ledger.decide(None, f"first plan: {first.fit.sentence}")
        self._reporter.notice(first.fit.sentence)
        context = RunContext(
            widest=first.widest,
            devices=devices,
            cores=cores,
            ram_total=memory.total,
            on_gpu_failure=request.on_gpu_failure,
            extractor=info.name,
            builtin_available=any(e.info().name == "builtin" for e in self._extractors),
            supported_fields=chosen.supported_fields,
            may_wait=request.may_wait,
            worker_peak=first.worker_peak,
        )
        template = self._template = AttemptSpec(0, first.plan, request.options, "", "", "", "", ())
        self._look_budget = CrossCheckBudget(self._ledger)
        self._crosscheck = CrossCheck(
            self._ledger,
            self._second_extractor(),
            template,
            request.input_dir,
            self._folder.scratch(self._ledger),
            self._reporter,
            self._look_budget,
            observer.so_far,
        )
        nobody = why_nobody_can(request.second_look, info.name, self._second_extractor())
        if nobody:
            self._ledger.decide(None, nobody)
            self._reporter.notice(nobody)
        storage = Storage(
            request.input_dir,
            request.output_dir,
            self._folder.database,
            self._ledger,
            lambda: self._control.stopping,
        )
        storage.remember(self._ledger.frames("outcome IS NOT 'not_attempted'"))
        runner = AttemptRunner(
            request.input_dir,
            self._folder,
            template,
            self._ledger,
            promoter,
            observer,
            self._crosscheck,
            self._reporter,
            self._control,
            self._state,
            storage,
        )
        extractors = {extractor.info().name: extractor for extractor in self._extractors}
        wait = FolderWait(float("inf") if request.may_wait else request.folder_timeout)
        return Loop(
            runner,
            extractors,
            context,
            learner,
            first.plan,
            black_box=request.black_box,
            folder_wait=wait,
        )

    def _lost(self) -> bool:
        """Some frame was not attempted although the user neither asked for that nor removed it."""
        return any(row.cause not in (FILTERED, REMOVED_NOW) for row in self._ledger.not_attempted())

    def _end(self, ended: Ended, nothing_to_do: bool = False) -> RunResult:
        look_again_at_hostile_faces(self._request.output_dir, self._ledger)
        counts = self._ledger.counts()
        if ended.stop:
            code, name = ExitCode.NEEDS_USER, "stopped"
        elif ended.interrupted:
            code, name = ExitCode.INTERRUPTED, "interrupted"
        elif counts.quarantined or counts.open or self._lost():
            code, name = ExitCode.QUARANTINED, "quarantined"
        else:
            code, name = ExitCode.COMPLETE, "complete"
        stop = None
        if ended.stop:
            stop = {
                "cause": ended.stop.cause,
                "sentence": ended.stop.sentence,
                "steps": list(ended.stop.steps),
            }
        report = self._report.build(name, stop)
        report["manual"] = left_for_a_person(self._request, self._ledger, self._deleted)
        try:
            self._report.write(report)
            lay_out(
                self._folder.quarantine,
                self._request.input_dir,
                self._ledger.frames("outcome = 'quarantined'"),
                self._ledger,
            )
        except (OSError, NeedsUserError) as error:
            if ended.stop is None:
                told = cannot_write(self._folder.report, error) if isinstance(error, OSError) else error
                return self._end(Ended(stop=Stop(told.cause, str(told), told.steps)), nothing_to_do)
        self._state.counts = counts
        self._state.stage = "finished"
        self._reporter.changed(self._state)
        return RunResult(code, report, ended.stop, nothing_to_do, time.monotonic() - self._began_at)


def _second_look_words(result: SecondLookResult) -> str:
    if result.bound_reached:
        return "second look: none, the cross-checks during the run have reached the limit on their cost"
    if not result.looked:
        return "second look: the built-in extractor could not look at any frame"
    return (
        f"second look: the built-in extractor finds faces in {len(result.found)} of {result.looked} "
        "frames reported without a face"
    )


def run_folder_of(output_dir: Path) -> Path:
    """The run folder of a faceset."""
    return RunFolder(output_dir).path
