"""The program `dflwrap`: its commands, and the last net under every error."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from dflwrap import __version__
from dflwrap.cli.commands import check, diagnose, extract, handover, prepare, rules, scripts, setup, verify
from dflwrap.common.errors import DamagedLedgerError, DflwrapError, ExitCode, NeedsUserError
from dflwrap.common.output import prepare_output
from dflwrap.common.text import display

UsageError: type[Exception] = next(
    kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException"
)
"""What Typer raises for a bad command line; its Click has no public name."""
_CTRL_C = 130
"""The code that Typer makes of a KeyboardInterrupt."""

app = typer.Typer(
    name="dflwrap",
    help="An extraction that finishes: runs DeepFaceLab's faceset extract, names what fails, "
    "continues with a changed plan, and accounts for every frame.",
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
check.register(app)
diagnose.register(app)
handover.register(app)
prepare.register(app)
rules.register(app)
scripts.register(app)
setup.register(app)
verify.register(app)


def run() -> None:
    """Entry point. Never shows a traceback unless DFLWRAP_DEBUG is set."""
    prepare_output()
    try:
        code = app(standalone_mode=False)
        sys.exit(int(ExitCode.INTERRUPTED) if code == _CTRL_C else code)
    except UsageError as error:
        _tell_usage(error)
        sys.exit(int(ExitCode.USAGE))
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
            f"dflwrap itself failed: {type(error).__name__}: {display(str(error))}. Nothing is lost: start the "
            "same command again. If it fails again, set DFLWRAP_DEBUG=1, and report what it then prints.",
            file=sys.stderr,
        )
        sys.exit(int(ExitCode.FAULT))


def _tell_usage(error: Exception) -> None:
    """Typer's own page, or its error with what the user typed escaped."""
    if type(error).__name__ == "NoArgsIsHelpError":
        return  # the help is printed already
    from typer.rich_utils import rich_format_error

    error.message = display(str(getattr(error, "message", error)))  # type: ignore[attr-defined]
    rich_format_error(error)  # type: ignore[arg-type]


def tell_error(error: DflwrapError) -> None:
    """What is wrong and what to do on stderr; for `NeedsUserError` the cause id is the last line."""
    print(f"dflwrap: {display(str(error))}", file=sys.stderr)
    if isinstance(error, NeedsUserError | DamagedLedgerError):
        for step in error.steps:
            print(f"  - {display(step)}", file=sys.stderr)
    if isinstance(error, NeedsUserError):
        print(display(error.cause), file=sys.stderr)
