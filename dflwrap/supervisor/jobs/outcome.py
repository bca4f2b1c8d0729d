"""How the runs of a job have ended, and what that makes of the job."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from dflwrap.common.errors import DflwrapError, ExitCode, NeedsUserError
from dflwrap.common.text import display
from dflwrap.supervisor.request import RunRequest
from dflwrap.supervisor.run import RunResult

SCHEMA_VERSION = 1
NOT_STARTED = "not started: the job was interrupted before it"


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """One run of a job, ended one way or another."""

    request: RunRequest
    exit_code: ExitCode
    result: RunResult | None = None
    """None where it was refused, failed by a fault of dflwrap, or was not started."""
    sentence: str = ""
    """Why it did not end as it should; "" = it did."""
    steps: tuple[str, ...] = ()
    cause: str = ""
    """Id of the known cause, for exit code 3."""


def outcome_of(request: RunRequest, result: RunResult) -> RunOutcome:
    """Of a run that came to an end state."""
    stop = result.stop
    if stop is None or result.exit_code is not ExitCode.NEEDS_USER:
        return RunOutcome(request, result.exit_code, result)
    return RunOutcome(request, result.exit_code, result, stop.sentence, tuple(stop.steps), stop.cause)


def refused(request: RunRequest, error: DflwrapError) -> RunOutcome:
    """Of a run that was refused before anything started, or stopped without a report."""
    cause = error.cause if isinstance(error, NeedsUserError) else ""
    steps = tuple(getattr(error, "steps", ()))
    return RunOutcome(request, error.exit_code, None, str(error), steps, cause)


def not_started(request: RunRequest) -> RunOutcome:
    """Of a run whose turn did not come."""
    return RunOutcome(request, ExitCode.INTERRUPTED, None, NOT_STARTED)


def exit_code(outcomes: Iterable[RunOutcome]) -> ExitCode:
    """A fault of dflwrap itself, then an interruption, outrank everything; else the highest."""
    codes = {outcome.exit_code for outcome in outcomes}
    for first in (ExitCode.FAULT, ExitCode.INTERRUPTED):
        if first in codes:
            return first
    return max(codes, default=ExitCode.COMPLETE)


def job_report(outcomes: Sequence[RunOutcome]) -> dict[str, Any]:
    """The job as plain data: an entry for each run, with the run's own report where it has one."""
    return {
        "schema_version": SCHEMA_VERSION,
        "exit_code": int(exit_code(outcomes)),
        "runs": [
            {
                "input_dir": str(outcome.request.input_dir),
                "output_dir": str(outcome.request.output_dir),
                "joined": outcome.request.joined,
                "exit_code": int(outcome.exit_code),
                "cause": outcome.cause or None,
                "sentence": display(outcome.sentence) or None,
                "report": outcome.result.report if outcome.result is not None else None,
            }
            for outcome in outcomes
        ],
    }
