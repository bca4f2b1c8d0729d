"""Running an extraction for a person: signals, the display, the last words, the exit code."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from dflwrap.cli.night import Log, Night, nightly
from dflwrap.cli.terminal.asking import ask_conflict, somebody_there
from dflwrap.cli.terminal.display import make_reporter
from dflwrap.cli.terminal.printer import CLOSE_BOUND, within
from dflwrap.cli.terminal.signals import heard
from dflwrap.cli.terminal.stock_questions import ask_options
from dflwrap.cli.terminal.told import told
from dflwrap.cli.words.errors import error_lines, fault_line
from dflwrap.cli.words.summary import in_one_line, print_summary
from dflwrap.common.choices import OnConflict
from dflwrap.common.errors import DflwrapError, ExitCode
from dflwrap.common.text import display
from dflwrap.common.windows.console import without_quick_edit
from dflwrap.common.windows.job import without_dialogs
from dflwrap.extractors.base import Extractor
from dflwrap.extractors.choosing import choose_extractors
from dflwrap.extractors.deepfacelab import DeepFaceLabExtractor
from dflwrap.supervisor.process.install_options import ask_install, has_questions
from dflwrap.supervisor.progress import RunState
from dflwrap.supervisor.reconcile.conflict import ConflictError
from dflwrap.supervisor.request import RunRequest
from dflwrap.supervisor.run import RunResult, run_extraction
from dflwrap.supervisor.run_folder import run_folder_of
from dflwrap.supervisor.stop_request import Control
from dflwrap.unattended.wishes import Wishes

USUAL = Wishes()
"""Nothing but staying awake."""
LAST_WORDS = 600.0
"""Seconds for the summary. Whoever stopped the terminal (Ctrl-S, a paused pager) may come back to it; an unattended
dflwrap whose output nobody reads has to end, and everything is in the run folder by then."""


def run_and_tell(
    request: RunRequest,
    kind: str,
    dfl_root: Path | None,
    dfl_python: Path | None,
    *,
    as_json: bool,
    may_ask: bool,
    questions: frozenset[str] | None = None,
    wishes: Wishes = USUAL,
) -> int:
    """Run; the exit code. may_ask: a person at the terminal is asked what becomes of an earlier faceset.

    questions: not None = asked DeepFaceLab's questions as well, except for these options, which were given. Raises
    DflwrapError for what is wrong before anything starts.
    """
    control = Control()
    with heard(control):
        screen = Screen(sys.stderr if as_json else sys.stdout, as_json=as_json, may_ask=may_ask)
        with nightly(wishes, control) as night:
            request, screen = asked_questions(request, questions, screen, control)
            try:
                code = _logged(request, kind, dfl_root, dfl_python, night, screen)
            except DflwrapError as error:
                if error.exit_code is ExitCode.USAGE or os.environ.get("DFLWRAP_DEBUG"):
                    raise
                code = int(error.exit_code)
                print(*error_lines(error), sep="\n", file=sys.stderr)
        night.follow(code, facts_of(request), screen.stream, as_json)
        return code


def facts_of(*requests: RunRequest) -> dict[str, str]:
    """For the environment of what follows the end; several folders stand there as on PATH."""
    outputs = [request.output_dir for request in requests]
    return {
        "DFLWRAP_FACESET": os.pathsep.join(map(str, outputs)),
        "DFLWRAP_RUN": os.pathsep.join(str(run_folder_of(output)) for output in outputs),
    }


@dataclass(frozen=True, slots=True)
class Screen:
    """Where a run tells what it does."""

    stream: IO[str]
    """With --json stderr: stdout holds one object and nothing else."""
    as_json: bool
    may_ask: bool
    """A person at the terminal is asked what becomes of an earlier faceset."""

    @property
    def asks(self) -> bool:
        """It may, and there is somebody to answer."""
        return self.may_ask and somebody_there(self.stream)


def asked_questions(
    request: RunRequest, questions: frozenset[str] | None, screen: Screen, control: Control
) -> tuple[RunRequest, Screen]:
    """With the answers to DeepFaceLab's questions, where they are to be asked and somebody is there."""
    if questions is None or not somebody_there(screen.stream):
        return request, screen
    options = ask_options(request.options, questions, screen.stream, lambda: control.stopping)
    return replace(request, options=options), replace(screen, may_ask=True)


def choose(
    kind: str, dfl_root: Path | None, dfl_python: Path | None, output_dir: Path
) -> Sequence[Extractor]:
    """The extractors of this start of dflwrap, and what it takes to start them. Raises DflwrapError."""
    chosen = choose_extractors(
        kind, dfl_root=dfl_root, dfl_python=dfl_python, environ=os.environ, cwd=current_folder()
    )
    if current_folder() is None:
        os.chdir(output_dir.anchor)  # extractors start in it, and many programs cannot start in none
    if sys.platform == "win32":
        without_dialogs()  # inherited by everything that this run starts
    return _informed(chosen)


def _informed(chosen: Sequence[Extractor]) -> Sequence[Extractor]:
    """An install whose source names more questions than DeepFaceLab's is asked what it knows, to get the answers."""
    first = chosen[0]
    if not isinstance(first, DeepFaceLabExtractor) or not has_questions(first.install):
        return chosen
    try:
        known = ask_install(first.install, os.environ)
    except DflwrapError:
        return chosen  # it takes its own answers where its questions meet an end of file
    return (DeepFaceLabExtractor(first.install, known=known), *chosen[1:])


def _logged(
    request: RunRequest,
    kind: str,
    dfl_root: Path | None,
    dfl_python: Path | None,
    night: Night,
    screen: Screen,
) -> int:
    try:
        with logged(request, night) as log:
            chosen = choose(kind, dfl_root, dfl_python, request.output_dir)
            doctor = quick_doctor(request, chosen, dfl_root, dfl_python, night.control)
            return _heard(request, chosen, night, log, screen, doctor)
    except DflwrapError:
        raise
    except Exception:
        night.notifier.finish(stopping=lambda: night.control.by_user)
        raise


@contextmanager
def logged(request: RunRequest, night: Night) -> Iterator[Log]:
    """Around one run: what it said is in its log, also the error that ended it, and word of it is sent."""
    log, name = Log(), request.input_dir.name
    night.log = log
    try:
        yield log
    except DflwrapError as error:
        log("\n".join(error_lines(error)))
        night.ended(name, int(error.exit_code), str(error))
        raise
    except Exception as error:
        log(fault_line(error))
        night.ended(name, int(ExitCode.FAULT), fault_line(error))
        raise
    finally:
        log.close()


def run_or_ask(
    request: RunRequest,
    chosen: Sequence[Extractor],
    night: Night,
    log: Log,
    screen: Screen,
    doctor: Iterator[str],
    control: Control | None = None,
) -> RunResult:
    """One run, from its start to its end state. Raises what `run_extraction` does.

    doctor: said at the start, once, also where the run starts twice. control: of this run of a job.
    """
    control, state = control or night.control, RunState()

    def run(wanted: RunRequest) -> RunResult:
        with without_quick_edit(), make_reporter(state, screen.stream, log) as reporter:
            control.answer = control.whole.answer = reporter.notice
            for sentence in doctor:
                reporter.notice(sentence)
            with night.run(request.input_dir.name, state, reporter.notice):
                return run_extraction(wanted, chosen, reporter, control, state, log.open)

    asked = screen.asks
    try:
        result = run(replace(request, on_conflict=OnConflict.STOP) if asked else request)
    except ConflictError as conflict:
        if not asked:
            raise
        spoken = told(screen.stream, log)
        choice = ask_conflict(conflict, spoken, lambda: control.stopping, default=request.on_conflict)
        if choice is OnConflict.STOP:
            raise
        result = run(replace(request, on_conflict=choice))
    night.ended(request.input_dir.name, int(result.exit_code), in_one_line(result))
    return result


def _heard(
    request: RunRequest,
    chosen: Sequence[Extractor],
    night: Night,
    log: Log,
    screen: Screen,
    doctor: Iterator[str],
) -> int:
    control = night.control
    result: RunResult | None = None
    try:
        ended = result = run_or_ask(request, chosen, night, log, screen, doctor)

        def tell() -> None:
            print_summary(ended, request, told(screen.stream, log))
            if screen.as_json:
                sys.stdout.write(json.dumps(ended.report, ensure_ascii=True) + "\n")
            sys.stdout.flush()
            _last_words(ended, told(sys.stderr, log))

        hurried = control.at_once
        bound = CLOSE_BOUND if hurried else LAST_WORDS
        if not within(tell, bound, lambda: control.at_once and not hurried):
            night.follow_unread(int(result.exit_code), facts_of(request))
            os._exit(int(result.exit_code))  # the interpreter's own end would wait for the terminal as well
    except (OSError, SystemExit):  # Rich answers a broken pipe with SystemExit(1)
        if result is None:
            raise
        nobody_reads()  # a closed pipe or terminal: the exit code still tells what became of the run
    return int(result.exit_code)


def current_folder() -> Path | None:
    """None where it has been deleted."""
    try:
        return Path.cwd()
    except OSError:
        return None


def quick_doctor(
    request: RunRequest,
    chosen: Sequence[Extractor],
    dfl_root: Path | None,
    dfl_python: Path | None,
    control: Control,
) -> Iterator[str]:
    """What the quick checks have to say of this run, which they never stop, not even by a fault of their own."""
    from dflwrap.doctor.quick import notices

    try:
        yield from notices(
            os.environ,
            current_folder(),
            dfl_root=dfl_root,
            dfl_python=dfl_python,
            input_dir=request.input_dir,
            output_dir=request.output_dir,
            asked=request.options,
            builtin=chosen[0].info().name == "builtin",
            on_cpu=request.cpu_only,
            stopping=lambda: control.stopping,
        )
    except Exception:
        if os.environ.get("DFLWRAP_DEBUG"):
            raise


def nobody_reads() -> None:
    """So that the interpreter's last flush cannot fail, which would change the exit code."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)


def _last_words(result: RunResult, stream: IO[str]) -> None:
    """On stderr: for exit code 3 the steps, and the cause id as the last line."""
    if result.exit_code is ExitCode.NEEDS_USER and result.stop:
        print(f"dflwrap: {display(result.stop.sentence)}", file=stream)
        for step in result.stop.steps:
            print(f"  - {display(step)}", file=stream)
        print(display(result.stop.cause), file=stream)
    elif result.exit_code is ExitCode.INTERRUPTED:
        why = result.report["run"].get("reason") or "interrupted"
        print(f"dflwrap: {why}. Run the same command again to resume.", file=stream)
