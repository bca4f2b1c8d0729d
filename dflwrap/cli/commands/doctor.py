"""`dflwrap doctor`: will this machine and this install do an extraction?"""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from dflwrap.doctor.check import Answer, Check

SCHEMA_VERSION = 1
FAILURES = 1
"""Exit code when a check failed or crashed."""
WIDTH = 78
_EXIT_CODES = """Exit codes:

0 nothing worse than a warning; 1 a check failed or crashed; 2 bad usage. It changes nothing."""
_WHERE = "What is looked at"


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("doctor", epilog=_EXIT_CODES)(doctor)


def doctor(
    dfl_root: Annotated[
        Path | None,
        typer.Option(help="Folder of the DeepFaceLab install.", metavar="DIR", rich_help_panel=_WHERE),
    ] = None,
    dfl_python: Annotated[
        Path | None,
        typer.Option(help="The Python that runs DeepFaceLab.", metavar="FILE", rich_help_panel=_WHERE),
    ] = None,
    input_dir: Annotated[
        Path | None,
        typer.Option("--input-dir", help="Folder with the frames.", metavar="DIR", rich_help_panel=_WHERE),
    ] = None,
    output_dir: Annotated[
        Path | None,
        typer.Option("--output-dir", help="Folder of the faceset.", metavar="DIR", rich_help_panel=_WHERE),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only", help="Only this check (docs/doctor.md); may be given several times.", metavar="ID"
        ),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Leave out what takes longer: TensorFlow, check sums.")
    ] = False,
    everything: Annotated[bool, typer.Option("--all", help="Also show what is well.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON (docs/doctor.md).")] = False,
    share: Annotated[
        bool,
        typer.Option("--share", help="Leave out user names, paths and host names, for showing to others."),
    ] = False,
) -> None:
    """Check the machine, the DeepFaceLab install, TensorFlow, the card and the folders before a run."""
    from dflwrap.cli.running import current_folder
    from dflwrap.doctor.check import BAD
    from dflwrap.doctor.machine import Machine
    from dflwrap.doctor.running import run_checks

    checks = _chosen(only or [], quick)
    machine = Machine(
        os.environ,
        current_folder(),
        dfl_root=dfl_root,
        dfl_python=dfl_python,
        input_dir=input_dir,
        output_dir=output_dir,
    )
    found: list[tuple[Check, Answer]] = []
    with _progress(len(checks)) as progress:
        for check, answer in run_checks(_told(checks, progress), machine):
            found.append((check, answer))
    _print(found, as_json=as_json, share=share, everything=everything or bool(only))
    raise typer.Exit(FAILURES if any(answer.result in BAD for _, answer in found) else 0)


def _chosen(only: list[str], quick: bool) -> list[Check]:
    from dflwrap.common.errors import DflwrapError
    from dflwrap.doctor.registry import by_id

    known = by_id()
    for name in only:
        if name not in known:
            raise DflwrapError(f"--only: there is no check {name!r}. There are: {', '.join(known)}.")
    return [
        check
        for check in known.values()
        if (not only or check.id in only) and (check.quick or not quick or only)
    ]


def _told(checks: list[Check], progress: Callable[[str], None]) -> Iterator[Check]:
    for check in checks:
        progress(check.id)
        yield check


@contextmanager
def _progress(total: int) -> Iterator[Callable[[str], None]]:
    """On a terminal, on stderr."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total, completed=-1)
        yield lambda name: bar.update(task, description=name, advance=1)


def _print(found: list[tuple[Check, Answer]], *, as_json: bool, share: bool, everything: bool) -> None:
    from dflwrap.common.text import display, safe_json

    hide: Any = str
    if share:
        from dflwrap.cli.words.share import Redactor

        hide = Redactor()
    if as_json:
        import json

        data = {
            "schema_version": SCHEMA_VERSION,
            "checks": [
                {
                    "id": check.id,
                    "result": answer.result.value,
                    "explanation": hide("\n".join((answer.explanation, *answer.lines))),
                    "fix": hide(answer.fix),
                }
                for check, answer in found
            ],
        }
        text = safe_json(json.dumps(data, indent=1, ensure_ascii=False))
    else:
        text = "\n".join(display(hide(line)) for line in page_lines(found, everything))
    sys.stdout.write((hide.finish(text) if share else text) + "\n")


def page_lines(found: list[tuple[Check, Answer]], everything: bool) -> Iterator[str]:
    """The worst first; what is well by its name alone, unless `everything` is wanted."""
    from dflwrap.doctor.check import Result

    headings = {
        Result.FAILURE: "Failures",
        Result.CRASHED: "Checks that gave no answer",
        Result.WARNING: "Warnings",
        Result.NOTE: "Notes",
        Result.OK: "Well",
        Result.SKIPPED: "Skipped",
    }
    counts = []
    for result, heading in headings.items():
        some = [(check, answer) for check, answer in found if answer.result is result]
        if not some:
            continue
        plural = "s" * (len(some) != 1 and result in (Result.FAILURE, Result.WARNING, Result.NOTE))
        counts.append(f"{len(some)} {result.value}{plural}")
        if result in (Result.OK, Result.SKIPPED) and not everything:
            yield from _wrapped(f"{heading}: ", ", ".join(check.id for check, _ in some), 6)
            continue
        yield f"{heading}:"
        for check, answer in some:
            yield f"  {check.id}"
            yield from _wrapped("    ", answer.explanation, 4)
            for line in answer.lines:
                yield f"    | {line}"
            if answer.fix:
                yield from _wrapped("    Fix: ", answer.fix, 9)
        yield ""
    yield f"{len(found)} check{'s' * (len(found) != 1)}: {', '.join(counts)}."


def _wrapped(head: str, text: str, indent: int) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=head, subsequent_indent=" " * indent, break_on_hyphens=False
    )
