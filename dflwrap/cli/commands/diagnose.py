"""`dflwrap diagnose LOG...`: what happened in a log, why, and what helps."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dflwrap.cli.diagnosing import diagnose_logs


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("diagnose", help="Explain a log of a DeepFaceLab extraction.")(diagnose)


def diagnose(
    logs: Annotated[
        list[str], typer.Argument(help="Logs, folders, run folders, .gz or .zip files; - is standard input.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON (docs/diagnose-json.md).")] = False,
    share: Annotated[
        bool,
        typer.Option("--share", help="Leave out user names, paths and host names, for showing to others."),
    ] = False,
    rules: Annotated[
        Path | None, typer.Option("--rules", help="Folder with rules of your own.", metavar="DIR")
    ] = None,
) -> None:
    """Name the cause of a failed extraction from its log. Exit codes: 0 complete and healthy, 1 a cause is
    named (few or no faces too), 2 bad usage or no readable log, 3 unknown, or the log of another step."""
    raise typer.Exit(diagnose_logs(logs, as_json, share, rules))


if __name__ == "__main__":
    standalone = typer.Typer(add_completion=False)
    standalone.command()(diagnose)
    standalone()
