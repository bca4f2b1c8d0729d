"""`dflwrap status`: what runs are at, from another terminal or another computer."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import RenderableType

    from dflwrap.status.reading import Status

_EPILOG = """Examples:

  dflwrap status workspace
  dflwrap status data_src/aligned --json

Exit codes:

0 under way, or finished; 1 something is to be looked at (quarantined, interrupted, killed, no sign of life);
2 no run is there, or it cannot be read; 3 a run stopped and needs you. Of several runs the highest."""

LOOK_EVERY = 2.0
"""Seconds between two looks, at least."""
SHARE = 20.0
"""A look may take a twentieth of the time: a ledger of a long clip, over a slow network, is looked at less often."""


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("status", epilog=_EPILOG)(status)


def status(
    path: Annotated[
        Path,
        typer.Argument(
            help="A faceset, its run folder, or a folder: then all runs below it. [the current folder]",
            metavar="[RUN|FOLDER]",
            show_default=False,
        ),
    ] = Path(),
    once: Annotated[bool, typer.Option("--once", help="Show it once, also at a terminal.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, once.")] = False,
) -> None:
    """Show what runs are at, or how they ended.

    Read from their ledgers alone; nothing is written, and no run is held up, also over a network share. At a
    terminal it stays until the runs have ended; Ctrl-C leaves them running.
    """
    from dflwrap.status.reading import read_status
    from dflwrap.supervisor.run_folder import find_runs

    found = find_runs(path)

    def look() -> list[Status]:
        return [read_status(folder, faceset) for folder, faceset in found]

    if as_json:
        from dflwrap.cli.words.status import as_data

        runs = look()
        print(json.dumps(as_data(runs), ensure_ascii=True))
    elif once or not sys.stdout.isatty():
        runs = look()
        for text in _plain(runs):
            print(text)
    else:
        runs = _live(look)
    raise typer.Exit(max(run.exit_code for run in runs))


def _plain(runs: Sequence[Status]) -> list[str]:
    from dflwrap.cli.words.status import page

    return [text for number, run in enumerate(runs) for text in ([""] if number else []) + page(run)]


def _live(look: Callable[[], list[Status]]) -> list[Status]:
    """Until no run is under way, or Ctrl-C."""
    from rich.console import Console
    from rich.live import Live

    from dflwrap.cli.terminal.signals import heard
    from dflwrap.supervisor.stop_request import Control

    control = Control()
    with heard(control), Live(console=Console(highlight=False), auto_refresh=False) as live:
        while True:
            began = time.monotonic()
            runs = look()
            live.update(_drawn(runs), refresh=True)
            if control.stopping or not any(run.under_way for run in runs):
                return runs
            control.pause(max(LOOK_EVERY, SHARE * (time.monotonic() - began)))


def _drawn(runs: Sequence[Status]) -> RenderableType:
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Column, Table
    from rich.text import Text

    from dflwrap.cli.words.status import line, page

    if len(runs) == 1:
        first, *rest = page(runs[0])
        counts = runs[0].counts
        bar = Table.grid()
        bar.add_row(ProgressBar(total=max(1, counts.total), completed=counts.total - counts.open, width=60))
        return Group(Text(first, style="bold"), bar, *map(Text, rest))
    table = Table(
        Column("faceset", overflow="fold"),
        "state",
        Column("frames", justify="right"),
        "",
        box=None,
        pad_edge=False,
    )
    for run in runs:
        table.add_row(*map(Text, line(run)))
    return table
