"""`dflwrap report RUN`: the run on one page, made anew from its ledger."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dflwrap.common.errors import DflwrapError
from dflwrap.common.text import display
from dflwrap.common.trees import is_folder, is_there

if TYPE_CHECKING:
    from dflwrap.report.night.facts import Facts
    from dflwrap.supervisor.run_folder import RunFolder

UNREADABLE = 1
"""Exit code when one of several runs cannot be read."""
SECONDS = 120.0
"""For the faces and pictures of one page: nobody's frames wait for it."""

_EXIT_CODES = """Exit codes:

0 written; 1 one of several runs cannot be read; 2 bad usage, no run is there, or a file that is not ours has the
report's name; 3 the disk is full or cannot be written."""


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("report", epilog=_EXIT_CODES)(report)


def report(
    run: Annotated[
        Path,
        typer.Argument(help="A faceset, its run folder, or a folder that holds several.", metavar="RUN"),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", help="Write it there. [report.html in the run folder]", metavar="FILE"),
    ] = None,
    share: Annotated[
        bool,
        typer.Option("--share", help="A zip without names, paths and faces, to attach to a question."),
    ] = False,
) -> None:
    """The report of a run on one page, made anew: did it go well, what is in the faceset, what must I do.

    Of a folder with several runs: a page for each, and an index. One file each, which needs no network. It only reads
    the run, also while it is at work.
    """
    from dflwrap.common.storage import cannot_write
    from dflwrap.supervisor.run_folder import find_runs

    path = Path(run)
    runs = find_runs(path)
    if len(runs) > 1 and (share or output is not None):
        raise DflwrapError(
            f"There are {len(runs)} runs in this folder: {display(str(path))}. "
            "With --share or --output name one of them."
        )
    target = output.absolute() if output is not None else None
    if target is not None and not is_folder(target.parent):
        raise DflwrapError(f"The folder of --output does not exist: {display(str(target.parent))}.")
    try:
        written = _share(runs[0], target) if share else _pages(path, runs, target)
    except OSError as error:
        raise cannot_write(target or runs[0][0].path, error) from error
    typer.echo(display(str(written.path)))
    raise typer.Exit(UNREADABLE if written.unread else 0)


@dataclass(frozen=True, slots=True)
class _Written:
    path: Path
    """What to open."""
    unread: int = 0
    """Runs that cannot be read."""


def _share(run: tuple[RunFolder, Path], target: Path | None) -> _Written:
    from dflwrap.cli.words.share import Redactor
    from dflwrap.report.page.sharing import NAME, share

    target = target or run[0].path / NAME
    if is_there(target) and target.name != NAME:
        raise DflwrapError(
            f"--output {display(str(target))} exists already. Give another name, or delete it."
        )
    redactor = Redactor()
    share(run[0].database, target, redactor, redactor.finish, alive=_is_alive(run))
    return _Written(target)


def _pages(path: Path, runs: tuple[tuple[RunFolder, Path], ...], target: Path | None) -> _Written:
    """Make them; of several, one that cannot be read is told, and the others are made."""
    from dflwrap.report.page import job
    from dflwrap.report.page.writing import check_ours, write_page

    index = path.absolute() / job.NAME
    if len(runs) == 1:
        place = target or runs[0][0].page
        _page(runs[0], place, SECONDS)
        return _Written(place)
    check_ours(index)
    rows, unread = [], 0
    for folder, faceset in runs:
        try:
            facts = _page((folder, faceset), folder.page, SECONDS / len(runs))
            rows.append(job.index_row(facts, faceset, folder.page, index.parent))
        except DflwrapError as error:
            unread += 1
            typer.echo(f"dflwrap: {display(str(error))}", err=True)
            rows.append(job.unread_row(faceset, folder.path, index.parent))
    write_page(index, job.render_index(index.parent, rows))
    return _Written(index, unread)


def _is_alive(run: tuple[RunFolder, Path]) -> bool | None:
    """Whether a dflwrap works on it now; None where its ledger does not tell. Raises DflwrapError."""
    from dflwrap.status.reading import read_status

    status = read_status(*run)
    return None if status.state == "unknown" else status.under_way


def _page(run: tuple[RunFolder, Path], place: Path, seconds: float) -> Facts:
    from dflwrap.report.night.gathering import gather
    from dflwrap.report.page.rendering import render
    from dflwrap.report.page.writing import check_ours, write_page

    check_ours(place)
    facts = gather(run[0].database, alive=_is_alive(run), seconds=seconds)
    write_page(place, render(facts))
    return facts
