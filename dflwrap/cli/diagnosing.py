"""What `dflwrap diagnose` does, apart from reading its options: no Typer here, so that it starts at once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dflwrap.common.errors import DflwrapError
from dflwrap.common.output import prepare_output
from dflwrap.common.text import display, safe_json
from dflwrap.common.trees import is_folder
from dflwrap.common.verdict import Cause, Health, Verdict

if TYPE_CHECKING:
    from dflwrap.cli.logs import Log
    from dflwrap.cli.words.share import Redactor
    from dflwrap.diagnosis import Catalogue, Diagnosis

SCHEMA_VERSION = 1
MANY = 5
"""Logs up to which each gets its whole page."""


class DiagnoseExit(IntEnum):
    """Exit codes of `dflwrap diagnose`."""

    HEALTHY = 0
    NAMED = 1
    """A cause is named; few or no faces in a complete run too."""
    USAGE = 2
    """Bad usage, or something that is no readable log: an empty file, a picture, a program, a damaged archive."""
    UNKNOWN = 3
    """Failed or unclear, and the cause is not known; the log of another step, or of none."""


def diagnose_logs(logs: Sequence[str], as_json: bool, share: bool, rules: Path | None) -> int:
    """Print what the logs say; the exit code."""
    prepare_output()
    redactor = _redactor(share)
    hide: Callable[[str], str] = redactor if redactor is not None else str
    try:
        results, faults = judge_all(logs, rules)
    except DflwrapError as error:
        results, faults = [], [str(error)]
    for fault in faults:
        print(f"dflwrap: {display(hide(fault))}", file=sys.stderr)
    if not results:
        return DiagnoseExit.USAGE
    if as_json:
        import json

        objects = [to_json(name, diagnosis, hide) for name, diagnosis in results]
        text = safe_json(
            json.dumps(objects[0] if len(objects) == 1 else objects, ensure_ascii=False, indent=2)
        )
    else:
        text = _pages(results, hide)
    _print(redactor.finish(text) if redactor is not None else text)
    return DiagnoseExit.USAGE if faults else exit_code([diagnosis.verdict for _, diagnosis in results])


def _pages(results: Sequence[tuple[str, Diagnosis]], hide: Callable[[str], str]) -> str:
    """A page each; of many logs a line each, and how often each answer was given."""
    if len(results) <= MANY:
        return "\n\n".join(to_text(name, diagnosis, hide) for name, diagnosis in results)
    from dflwrap.cli.words.overview import overview

    return overview(results, hide)


def _print(text: str) -> None:
    """Print; a reader that has gone away (a pager, head) changes nothing of the answer."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        import os

        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # so that the interpreter's last flush is quiet


def quick(arguments: Sequence[str]) -> int | None:
    """`dflwrap diagnose ARGUMENTS` without the command-line framework; None for what only that can answer
    (help, unknown options, no log at all)."""
    logs: list[str] = []
    flags = {"--json": False, "--share": False}
    rules: Path | None = None
    words = iter(arguments)
    for word in words:
        if word in flags:
            flags[word] = True
        elif word == "--rules":
            value = next(words, None)
            if value is None:
                return None
            rules = Path(value)
        elif word.startswith("-") and word != "-":
            return None
        else:
            logs.append(word)
    return diagnose_logs(logs, flags["--json"], flags["--share"], rules) if logs else None


def run(arguments: Sequence[str], rules: Path | None = None) -> list[tuple[str, Diagnosis]]:
    """Judge every log behind `arguments`. Raises DflwrapError in one sentence for the first that cannot be read."""
    results, faults = judge_all(arguments, rules)
    if faults:
        raise DflwrapError(faults[0])
    return results


def judge_all(
    arguments: Sequence[str], rules: Path | None = None
) -> tuple[list[tuple[str, Diagnosis]], list[str]]:
    """Judge every log behind `arguments` that can be read; a sentence for each that cannot.

    Raises DflwrapError where the rules cannot be read.
    """
    from dflwrap.cli.logs import find_logs

    catalogue = open_catalogue(rules)
    results: list[tuple[str, Diagnosis]] = []
    faults: list[str] = []
    for argument in arguments:
        try:
            for log in find_logs(argument):
                diagnosis = judge_log(log, catalogue)
                faults += log.damage
                if diagnosis.size > 0 or len(log.sources) > 1:
                    results.append((log.name, diagnosis))
                elif not log.damage:
                    faults.append(f"{log.name} is empty: nothing was written to it")
        except DflwrapError as error:
            faults.append(str(error))
    return results, faults


def judge_log(log: Log, catalogue: Catalogue) -> Diagnosis:
    """Judge one log."""
    from dflwrap.diagnosis.verdict import diagnose_streams

    return diagnose_streams(((name, opener()) for name, opener in log.sources), None, catalogue)


def open_catalogue(folder: Path | None) -> Catalogue:
    """The built-in rules with the user's own: of `folder`, or of the configuration folder if it is there.

    Raises DflwrapError for rules that do not load.
    """
    from dflwrap.diagnosis.rulebook.catalogue import load_catalogue
    from dflwrap.diagnosis.rulebook.places import rules_folder
    from dflwrap.diagnosis.rulebook.rule import RuleError

    if folder is not None and not is_folder(folder):
        raise DflwrapError(f"there is no folder {folder}")
    if folder is None:
        own = rules_folder()
        folder = own if is_folder(own) else None
    try:
        return load_catalogue(folder)
    except RuleError as error:
        raise DflwrapError(str(error)) from None


def exit_code(verdicts: Sequence[Verdict]) -> int:
    """The exit code for the verdicts of all logs: a named cause first, then an unknown one.

    The log of another step counts as unknown, though a cause may be shown: it says nothing of an extraction.
    """
    health = {Health.UNKNOWN if is_other_step(verdict) else verdict.health for verdict in verdicts}
    if Health.FAILURE in health:
        return DiagnoseExit.NAMED
    return DiagnoseExit.UNKNOWN if Health.UNKNOWN in health else DiagnoseExit.HEALTHY


def is_other_step(verdict: Verdict) -> bool:
    """Whether the log is known to be one of training, merging or the like."""
    from dflwrap.diagnosis.log.steps import of_another_step

    return of_another_step(verdict.facts.get("step"))


def to_json(name: str, diagnosis: Diagnosis, hide: Callable[[str], str]) -> dict[str, Any]:
    """The object of one log (docs/diagnose-json.md)."""
    verdict = diagnosis.verdict
    body: dict[str, Any] = {"schema_version": SCHEMA_VERSION, "log": hide(name), **_verdict(verdict, hide)}
    if len(diagnosis.runs) > 1:
        body["runs"] = [_verdict(one, hide) for one in diagnosis.runs]
    return body


def _verdict(verdict: Verdict, hide: Callable[[str], str]) -> dict[str, Any]:
    from dflwrap.diagnosis.next_steps import next_steps

    return {
        "verdict": verdict.health.value,
        "primary": _cause(verdict.primary, hide) if verdict.primary else None,
        "causes": [_cause(cause, hide) for cause in verdict.causes],
        "next_steps": [hide(step) for step in next_steps(verdict)],
        "benign": list(verdict.benign),
        "facts": {key: _hidden(value, hide) for key, value in verdict.facts.items()},
    }


def _hidden(value: Any, hide: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return hide(value)
    if isinstance(value, dict):
        return {key: _hidden(item, hide) for key, item in value.items()}
    return [_hidden(item, hide) for item in value] if isinstance(value, list) else value


def _cause(cause: Cause, hide: Callable[[str], str]) -> dict[str, Any]:
    return {
        "id": cause.id,
        "title": cause.title,
        "category": cause.category,
        "confidence": cause.confidence.value,
        "explanation": hide(cause.explanation),
        "evidence": [
            {"source": hide(e.source), "line": e.line, "text": hide(e.text)} for e in cause.evidence
        ],
        "symptoms": list(cause.symptoms),
        "consequences": [hide(text) for text in cause.consequences],
        "remedies": list(cause.remedies),
        "steps": list(cause.steps),
        "references": list(cause.references),
        "check": cause.check or None,
    }


def to_text(name: str, diagnosis: Diagnosis, hide: Callable[[str], str]) -> str:
    """The page for a reader."""
    from dflwrap.cli.words.wording import page

    return page(name, diagnosis, hide)


def _redactor(share: bool) -> Redactor | None:
    if not share:
        return None
    from dflwrap.cli.words.share import Redactor

    return Redactor()
