"""Running an extraction for a person: signals, the display, the last words, the exit code."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO

from dflwrap.cli.terminal.asking import ask_conflict, somebody_there
from dflwrap.cli.terminal.display import make_reporter
from dflwrap.cli.terminal.printer import CLOSE_BOUND, within
from dflwrap.cli.terminal.signals import heard
from dflwrap.cli.terminal.stock_questions import ask_options
from dflwrap.cli.words.summary import print_summary
from dflwrap.common.choices import OnConflict
from dflwrap.common.errors import ExitCode
from dflwrap.common.text import display
from dflwrap.common.windows.console import without_quick_edit
from dflwrap.common.windows.job import without_dialogs
from dflwrap.extractors.base import Extractor
from dflwrap.extractors.choosing import choose_extractors
from dflwrap.supervisor.progress import RunState
from dflwrap.supervisor.reconcile.conflict import ConflictError
from dflwrap.supervisor.request import RunRequest
from dflwrap.supervisor.run import RunResult, run_extraction
from dflwrap.supervisor.stop_request import Control

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
) -> int:
    """Run; the exit code. may_ask: a person at the terminal is asked what becomes of an earlier faceset.

    questions: not None = asked DeepFaceLab's questions as well, except for these options, which were given.
    """
    control = Control()
    with heard(control):
        stream = sys.stderr if as_json else sys.stdout
        if questions is not None and somebody_there(stream):
            may_ask = True
            options = ask_options(request.options, questions, stream, lambda: control.stopping)
            request = replace(request, options=options)
        return _heard(request, kind, dfl_root, dfl_python, control, as_json=as_json, may_ask=may_ask)


def _heard(
    request: RunRequest,
    kind: str,
    dfl_root: Path | None,
    dfl_python: Path | None,
    control: Control,
    *,
    as_json: bool,
    may_ask: bool,
) -> int:
    chosen = choose_extractors(
        kind, dfl_root=dfl_root, dfl_python=dfl_python, environ=os.environ, cwd=_current_folder()
    )
    if _current_folder() is None:
        os.chdir(request.output_dir.anchor)  # extractors start in it, and many programs cannot start in none
    if sys.platform == "win32":
        without_dialogs()  # inherited by everything that this run starts
    state = RunState()
    stream = sys.stderr if as_json else sys.stdout  # with --json, stdout holds one object and nothing else
    asked = may_ask and somebody_there(stream)
    result: RunResult | None = None
    try:
        try:
            first = replace(request, on_conflict=OnConflict.STOP) if asked else request
            result = _run(first, chosen, control, state, stream)
        except ConflictError as conflict:
            if not asked:
                raise
            choice = ask_conflict(conflict, stream, lambda: control.stopping, default=request.on_conflict)
            if choice is OnConflict.STOP:
                raise
            result = _run(replace(request, on_conflict=choice), chosen, control, state, stream)
        told = result

        def tell() -> None:
            print_summary(told, request, stream)
            if as_json:
                sys.stdout.write(json.dumps(told.report, ensure_ascii=True) + "\n")
            sys.stdout.flush()
            _last_words(told)

        hurried = control.at_once
        bound = CLOSE_BOUND if hurried else LAST_WORDS
        if not within(tell, bound, lambda: control.at_once and not hurried):
            os._exit(int(result.exit_code))  # the interpreter's own end would wait for the terminal as well
    except (OSError, SystemExit):  # Rich answers a broken pipe with SystemExit(1)
        if result is None:
            raise
        _nobody_reads()  # a closed pipe or terminal: the exit code still tells what became of the run
    return int(result.exit_code)


def _current_folder() -> Path | None:
    """None where it has been deleted."""
    try:
        return Path.cwd()
    except OSError:
        return None


def _run(
    request: RunRequest, chosen: Sequence[Extractor], control: Control, state: RunState, stream: IO[str]
) -> RunResult:
    with without_quick_edit(), make_reporter(state, stream) as reporter:
        control.answer = reporter.notice
        return run_extraction(request, chosen, reporter, control, state)


def _nobody_reads() -> None:
    """So that the interpreter's last flush cannot fail, which would change the exit code."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)


def _last_words(result: RunResult) -> None:
    """On stderr: for exit code 3 the steps, and the cause id as the last line."""
    if result.exit_code is ExitCode.NEEDS_USER and result.stop:
        print(f"dflwrap: {display(result.stop.sentence)}", file=sys.stderr)
        for step in result.stop.steps:
            print(f"  - {display(step)}", file=sys.stderr)
        print(display(result.stop.cause), file=sys.stderr)
    elif result.exit_code is ExitCode.INTERRUPTED:
        print("dflwrap: interrupted. Run the same command again to resume.", file=sys.stderr)
