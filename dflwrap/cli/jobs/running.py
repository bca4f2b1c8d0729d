"""Running what one command asks for: one run as ever, or a job, run after run."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dflwrap.cli.jobs.inputs import Asked, Target, resolve
from dflwrap.cli.night import Night, nightly
from dflwrap.cli.running import (
    LAST_WORDS,
    USUAL,
    Screen,
    asked_questions,
    choose,
    facts_of,
    logged,
    nobody_reads,
    quick_doctor,
    run_and_tell,
    run_or_ask,
)
from dflwrap.cli.terminal.printer import CLOSE_BOUND, within
from dflwrap.cli.terminal.signals import heard
from dflwrap.cli.words.errors import fault_line
from dflwrap.cli.words.summary import print_summary
from dflwrap.common.choices import LayoutChoice
from dflwrap.common.errors import DflwrapError, ExitCode
from dflwrap.common.plan import ExtractOptions
from dflwrap.common.text import display
from dflwrap.extractors.base import Extractor
from dflwrap.supervisor.jobs.collisions import check_apart
from dflwrap.supervisor.jobs.layouts import job_of
from dflwrap.supervisor.jobs.outcome import (
    RunOutcome,
    exit_code,
    job_report,
    not_started,
    outcome_of,
    refused,
)
from dflwrap.supervisor.request import RunRequest
from dflwrap.supervisor.run import RunResult
from dflwrap.supervisor.stop_request import Control
from dflwrap.unattended.wishes import Wishes

ENDED = {
    ExitCode.COMPLETE: "complete",
    ExitCode.QUARANTINED: "some quarantined",
    ExitCode.USAGE: "refused",
    ExitCode.NEEDS_USER: "needs you",
    ExitCode.INTERRUPTED: "interrupted",
    ExitCode.FAULT: "dflwrap failed",
}


def extract_all(
    asked: Asked,
    template: RunRequest,
    layout: LayoutChoice,
    kind: str,
    dfl_root: Path | None,
    dfl_python: Path | None,
    *,
    as_json: bool,
    may_ask: bool,
    questions: frozenset[str] | None = None,
    wishes: Wishes = USUAL,
) -> int:
    """The exit code. template: what every run is asked for, but for its folders. The others: as `run_and_tell`."""
    notices: list[str] = []
    if not asked.several:
        job = job_of(_of(template, asked.targets[0]), layout)
        if not job.several:
            return run_and_tell(
                job.runs[0],
                kind,
                dfl_root,
                dfl_python,
                as_json=as_json,
                may_ask=may_ask,
                questions=questions,
                wishes=wishes,
            )
        queue: list[RunRequest | RunOutcome] = list(job.runs)
        notices += job.notices
    else:
        queue = [
            run for target in asked.targets for run in _runs_of(template, target, layout, dfl_root, notices)
        ]
    check_apart([item for item in queue if isinstance(item, RunRequest)])
    chosen = choose(kind, dfl_root, dfl_python, template.output_dir)
    screen = Screen(sys.stderr if as_json else sys.stdout, as_json=as_json, may_ask=may_ask)
    control = Control()
    with heard(control):
        with nightly(wishes, control) as night:
            answered, screen = asked_questions(template, questions, screen, control)
            doctor = _Doctor(chosen, dfl_root, dfl_python, control)
            for notice in notices:
                _say(f"{notice}\n", screen.stream)
            outcomes = _run_all(_with(queue, answered.options), chosen, night, screen, doctor)
        code = int(exit_code(outcomes))
        facts = facts_of(*(outcome.request for outcome in outcomes))
        _end(outcomes, code, night, screen, facts)
        night.follow(code, facts, screen.stream, as_json)
    return code


def _end(
    outcomes: Sequence[RunOutcome], code: int, night: Night, screen: Screen, facts: dict[str, str]
) -> None:
    control = night.control
    hurried = control.at_once
    bound = CLOSE_BOUND if hurried else LAST_WORDS
    try:
        if not within(
            lambda: _tell_end(outcomes, control, screen), bound, lambda: control.at_once and not hurried
        ):
            night.follow_unread(code, facts)
            os._exit(code)  # the interpreter's own end would wait for the terminal as well
    except (OSError, SystemExit):
        nobody_reads()


def _with(queue: Sequence[RunRequest | RunOutcome], options: ExtractOptions) -> list[RunRequest | RunOutcome]:
    return [replace(item, options=options) if isinstance(item, RunRequest) else item for item in queue]


def _of(template: RunRequest, target: Target) -> RunRequest:
    return replace(template, input_dir=target.source, output_dir=target.output)


def _runs_of(
    template: RunRequest, target: Target, layout: LayoutChoice, dfl_root: Path | None, notices: list[str]
) -> Sequence[RunRequest | RunOutcome]:
    """One that cannot be run does not stop the others. notices: what is to be told is added."""
    request = _of(template, target)
    try:
        job = job_of(_of(template, resolve(target, dfl_root)), layout)
        notices += job.notices
        return job.runs
    except DflwrapError as error:
        return [refused(request, error)]
    except typer.Exit as ended:
        return [
            RunOutcome(request, ExitCode(ended.exit_code), None, "Its video could not be cut into frames.")
        ]


class _Doctor:
    """What the quick checks say of each run; what they said of an earlier one is not said again."""

    def __init__(
        self, chosen: Sequence[Extractor], dfl_root: Path | None, dfl_python: Path | None, control: Control
    ) -> None:
        self._chosen, self._dfl_root, self._dfl_python = chosen, dfl_root, dfl_python
        self._control = control
        self._said: set[str] = set()

    def notices(self, request: RunRequest) -> Iterator[str]:
        for sentence in quick_doctor(request, self._chosen, self._dfl_root, self._dfl_python, self._control):
            if sentence not in self._said:
                self._said.add(sentence)
                yield sentence


def _run_all(
    queue: Sequence[RunRequest | RunOutcome],
    chosen: Sequence[Extractor],
    night: Night,
    screen: Screen,
    doctor: _Doctor,
) -> list[RunOutcome]:
    outcomes: list[RunOutcome] = []
    for number, item in enumerate(queue, 1):
        request = item if isinstance(item, RunRequest) else item.request
        if isinstance(item, RunRequest) and night.control.stopping:
            outcomes.append(not_started(item))
            continue
        _say(_heading(number, len(queue), request), screen.stream)
        outcome = item if isinstance(item, RunOutcome) else _run_one(item, chosen, night, screen, doctor)
        outcomes.append(outcome)
        if outcome.result is not None:
            _say(_summary(outcome.result, request), screen.stream)
        if outcome.sentence:
            _say("\n".join(_last_words(outcome)) + "\n", sys.stderr)
    return outcomes


def _run_one(
    request: RunRequest, chosen: Sequence[Extractor], night: Night, screen: Screen, doctor: _Doctor
) -> RunOutcome:
    try:
        with logged(request, night) as log:
            control = Control(night.control)  # `dflwrap stop` of this run leaves the others to the job
            result = run_or_ask(request, chosen, night, log, screen, doctor.notices(request), control)
            log(_summary(result, request))
            return outcome_of(request, result)
    except DflwrapError as error:
        if os.environ.get("DFLWRAP_DEBUG"):
            raise
        return refused(request, error)
    except Exception as error:
        if os.environ.get("DFLWRAP_DEBUG"):
            raise
        return RunOutcome(request, ExitCode.FAULT, None, fault_line(error).removeprefix("dflwrap: "))


def _summary(result: RunResult, request: RunRequest) -> str:
    page = io.StringIO()
    print_summary(result, request, page)
    return page.getvalue()


# -- what is said ----------------------------------------------------------------------------------


def _say(text: str, stream: IO[str]) -> None:
    """A terminal that is blocked or gone holds up no run."""

    def write() -> None:
        stream.write(text)
        stream.flush()

    try:
        within(write, CLOSE_BOUND)
    except (OSError, ValueError, SystemExit):
        pass  # the report has it all


def _heading(number: int, total: int, request: RunRequest) -> str:
    source, output = display(str(request.input_dir)), display(str(request.output_dir))
    return f"\nRun {number} of {total}: {source} -> {output}\n"


def _last_words(outcome: RunOutcome) -> list[str]:
    """What is wrong and what to do; for exit code 3 the cause id is the last line."""
    lines = [f"dflwrap: {display(str(outcome.request.output_dir))}: {display(outcome.sentence)}"]
    lines += [f"  - {display(step)}" for step in outcome.steps]
    return [*lines, display(outcome.cause)] if outcome.cause else lines


def _tell_end(outcomes: Sequence[RunOutcome], control: Control, screen: Screen) -> None:
    _print_table(outcomes, screen.stream)
    if screen.as_json:
        sys.stdout.write(json.dumps(job_report(outcomes), ensure_ascii=True) + "\n")
    sys.stdout.flush()
    code = exit_code(outcomes)
    if code is ExitCode.INTERRUPTED:
        results = (outcome.result for outcome in outcomes if outcome.exit_code is code)
        reasons = (result.report["run"].get("reason") for result in results if result is not None)
        why = control.reason or next(filter(None, reasons), "interrupted")
        print(f"dflwrap: {why}. Run the same command again to resume.", file=sys.stderr)
    elif code is ExitCode.NEEDS_USER:
        needing = [outcome for outcome in outcomes if outcome.exit_code is code]
        print("\n".join(_last_words(needing[-1])), file=sys.stderr)


TABLE = 120
"""Columns of the table of a job where it does not go to a terminal."""


def _print_table(outcomes: Sequence[RunOutcome], stream: IO[str]) -> None:
    """A row for each run, and the totals."""
    table = Table(box=None, pad_edge=False)
    table.add_column("run", overflow="fold")
    table.add_column("ended")
    for column in ("frames", "extracted", "no face", "quarantined", "not attempted", "faces"):
        table.add_column(column, justify="right")
    totals = [0] * 6
    for outcome in outcomes:
        figures = _figures(outcome)
        totals = [total + (figure or 0) for total, figure in zip(totals, figures, strict=True)]
        table.add_row(
            Text(display(outcome.request.output_dir.name)),
            ENDED[outcome.exit_code],
            *("" if figure is None else f"{figure:,}" for figure in figures),
        )
    table.add_row("all", ENDED[exit_code(outcomes)], *(f"{total:,}" for total in totals))
    # A file has no width: the 80 columns that Rich assumes would cut the headings.
    console = Console(file=stream, highlight=False, soft_wrap=True, width=None if stream.isatty() else TABLE)
    console.print(Text(f"\n{len(outcomes)} runs:" if len(outcomes) != 1 else "\n1 run:"))
    console.print(table)


def _figures(outcome: RunOutcome) -> tuple[int | None, ...]:
    if outcome.result is None:
        return (None,) * 6
    frames = outcome.result.report["frames"]
    keys = ("total", "extracted", "no_face", "quarantined", "not_attempted")
    return (*(int(frames[key]) for key in keys), int(outcome.result.report["faces"]))
