"""`dflwrap stop`: ask runs for an orderly end, from another terminal or another computer."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dflwrap.common.text import display

if TYPE_CHECKING:
    from dflwrap.status.reading import Status
    from dflwrap.supervisor.run_folder import RunFolder

_EPILOG = """Exit codes:

0 it has ended; 1 nothing is under way there, or it has not ended in time (it was asked, and will);
2 no run is there, or it cannot be asked."""

LOOK_EVERY = 1.0
"""Seconds between two looks whether it has ended."""


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("stop", epilog=_EPILOG)(stop)


def stop(
    path: Annotated[
        Path,
        typer.Argument(
            help="A faceset, its run folder, or a folder: then all runs below it.", metavar="RUN|FOLDER"
        ),
    ],
    now: Annotated[bool, typer.Option("--now", help="Do not finish the frames at work.")] = False,
    wait: Annotated[
        float, typer.Option("--wait", min=0, max=86400, help="Seconds to wait for the end.", metavar="S")
    ] = 120.0,
) -> None:
    """Ask a run to end, as Ctrl-C in its terminal would: the frames at work are finished, and it can be resumed.

    A run of a job ends alone, and the job goes on with the next one; the folder of a job's facesets ends the job.
    The request is a file in the run folder. Nothing follows the end of a single run or of a job (--when-done).
    """
    from dflwrap.cli.terminal.signals import heard
    from dflwrap.common.errors import DflwrapError
    from dflwrap.status.reading import read_status
    from dflwrap.supervisor.outside.stop_file import ask_to_stop
    from dflwrap.supervisor.run_folder import find_runs, is_run
    from dflwrap.supervisor.stop_request import Control

    asked: list[tuple[RunFolder, Path]] = []
    whole_job = not is_run(path)
    for folder, faceset in find_runs(path):
        status = read_status(folder, faceset)
        if status.state == "unreadable":
            raise DflwrapError(status.problem)
        if not status.under_way:
            print(f"{display(str(faceset))}: nothing is under way there.")
            continue
        try:
            ask_to_stop(folder.path, at_once=now, whole_job=whole_job)
        except OSError as error:
            raise DflwrapError(
                f"{display(str(folder.path))} cannot be written ({display(error.strerror or str(error))}). "
                "Check the permissions, or press Ctrl-C in the terminal of the run."
            ) from error
        print(f"{display(str(faceset))}: asked to stop.")
        asked.append((folder, faceset))
    sys.stdout.flush()
    if not asked:
        raise typer.Exit(1)
    control = Control()
    deadline = time.monotonic() + wait
    with heard(control):
        while True:
            asked = [(folder, faceset) for folder, faceset in asked if _goes_on(read_status(folder, faceset))]
            if not asked or time.monotonic() > deadline or control.stopping:
                break
            control.pause(LOOK_EVERY)
    for _, faceset in asked:
        print(f"{display(str(faceset))}: still at work; it ends when the frames at work are done.")
    raise typer.Exit(1 if asked else 0)


def _goes_on(status: Status) -> bool:
    if not status.under_way:
        print(f"{display(str(status.faceset))}: has ended ({status.reason or status.state}).")
    return status.under_way
