"""The program `dflwrap`: its commands, and the last net under every error."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from dflwrap import __version__
from dflwrap.cli import diagnose, extract, rules
from dflwrap.common.errors import DamagedLedgerError, DflwrapError, ExitCode, NeedsUserError

app = typer.Typer(
    name="dflwrap",
    help="An extraction that finishes: runs DeepFaceLab's faceset extract, names what fails, "
    "goes on with a changed plan, and accounts for every frame.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dflwrap {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    _version_option: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None: ...


extract.register(app)
diagnose.register(app)
rules.register(app)


def run() -> None:
    """Entry point. Never shows a traceback unless DFLWRAP_DEBUG is set."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a code page that lacks a letter must not end a run
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except DflwrapError as error:
        if os.environ.get("DFLWRAP_DEBUG"):
            raise
        tell_error(error)
        sys.exit(int(error.exit_code))
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        sys.exit(int(ExitCode.INTERRUPTED))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # so that the interpreter's last flush is quiet
        sys.exit(int(ExitCode.FAULT))
    except Exception as error:
        if os.environ.get("DFLWRAP_DEBUG"):
            raise
        print(
            f"dflwrap itself failed: {type(error).__name__}: {error}. Nothing is lost: start the same command "
            "again. If it fails again, set DFLWRAP_DEBUG=1, and report what it then prints.",
            file=sys.stderr,
        )
        sys.exit(int(ExitCode.FAULT))


def tell_error(error: DflwrapError) -> None:
    """What is wrong and what to do on stderr; for `NeedsUserError` the cause id is the last line."""
    print(f"dflwrap: {error}", file=sys.stderr)
    if isinstance(error, NeedsUserError | DamagedLedgerError):
        for step in error.steps:
            print(f"  - {step}", file=sys.stderr)
    if isinstance(error, NeedsUserError):
        print(error.cause, file=sys.stderr)
