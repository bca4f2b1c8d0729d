"""The program `dflwrap`: its commands, and the last net under every error."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from copy import copy
from itertools import pairwise
from typing import Annotated, Any

import typer

from dflwrap.cli import help_page
from dflwrap.cli.commands import (
    check,
    config,
    diagnose,
    doctor,
    extract,
    handover,
    prepare,
    report,
    rules,
    scripts,
    setup,
    status,
    stop,
    verify,
)
from dflwrap.cli.words.errors import error_lines, fault_line
from dflwrap.common.errors import DflwrapError, ExitCode
from dflwrap.common.output import prepare_output
from dflwrap.common.text import display

UsageError: type[Exception] = next(
    kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException"
)
"""What Typer raises for a bad command line; its Click has no public name."""
_COMPLETING = "_DFLWRAP_COMPLETE"
"""Set by a shell that asks for completions."""
_CTRL_C = 130
"""The code that Typer makes of a KeyboardInterrupt."""

_EPILOG = """Examples:

  In place of DeepFaceLab's script "4) data_src faceset extract":
    dflwrap extract --clip data_src
  Overnight, with nobody there to answer:
    dflwrap extract --clip data_src --on-gpu-failure builtin --wait-for-disk
  Why did it fail?
    dflwrap diagnose extract.log"""

app = typer.Typer(
    name="dflwrap",
    help="An extraction that finishes: runs DeepFaceLab's faceset extract, names what fails, "
    "continues with a changed plan, and accounts for every frame.",
    epilog=_EPILOG,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from dflwrap.cli.words.about import about

        typer.echo(about())
        raise typer.Exit


@app.callback()
def _root(
    _version_option: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Show the version and what it stands on."
        ),
    ] = False,
) -> None: ...


extract.register(app)
check.register(app)
config.register(app)
diagnose.register(app)
doctor.register(app)
handover.register(app)
prepare.register(app)
report.register(app)
rules.register(app)
scripts.register(app)
setup.register(app)
status.register(app)
stop.register(app)
verify.register(app)


_PATHS = frozenset(
    {"--input-dir", "--output-dir", "--dfl-root", "--dfl-python", "--job-list", "--sheet", "--ffmpeg"}
)
"""Options that name a file or a folder."""


def _check_words(arguments: Sequence[str]) -> None:
    """An empty path would mean the current folder: it comes of a variable that is not set. Raises DflwrapError."""
    if arguments[:1] == ["config"]:
        return
    for before, word in pairwise(("", *arguments)):
        empty = not word and (before in _PATHS or not before.startswith("-"))
        if empty or (word.endswith("=") and word[:-1] in _PATHS):
            what = 'on the command line ("")'
            if before in _PATHS:
                what = f"after {before}"
            elif word:
                what = f"in {word}"
            raise DflwrapError(
                f"There is an empty path {what}. Is a variable of your script not set? "
                "For the current folder give a dot."
            )


def run(arguments: Sequence[str]) -> None:
    """Never shows a traceback unless DFLWRAP_DEBUG is set. arguments: as in `sys.argv`, which Typer reads."""
    prepare_output()
    try:
        _check_words(arguments)
        program = _with_one_command(arguments[0]) if arguments and _COMPLETING not in os.environ else app
        text = None if _COMPLETING in os.environ else help_page.answer(program, arguments)
        if text is not None:
            print(text, end="", flush=True)
            sys.exit(0 if set(arguments) & set(help_page.HELP) else int(ExitCode.USAGE))
        code = program(prog_name="dflwrap", standalone_mode=False, default_map=_defaults(arguments))
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
        print(fault_line(error), file=sys.stderr)
        sys.exit(int(ExitCode.FAULT))


def _with_one_command(name: str) -> typer.Typer:
    """`app` without the other commands: Typer reads the options of each that it has, 40 ms of every start."""
    one = copy(app)
    one.registered_commands = [info for info in app.registered_commands if info.name == name]
    one.registered_groups = [info for info in app.registered_groups if info.name == name]
    return one if one.registered_commands or one.registered_groups else app


def _defaults(arguments: Sequence[str]) -> dict[str, Any]:
    """Of the settings file, which only a run has."""
    if arguments[:1] != ["extract"] or _COMPLETING in os.environ:
        return {}
    from dflwrap.cli.settings import defaults

    return {"extract": defaults(config.extract_command)}


def _tell_usage(error: Any) -> None:
    """What is wrong with the command line, in one sentence, with what the user typed escaped."""
    error.message = display(str(getattr(error, "message", error))).replace("Value error, ", "")
    print(f"dflwrap: {error.format_message()}", file=sys.stderr)
    context = getattr(error, "ctx", None)
    if context is not None:
        print(f"See {context.command_path} --help", file=sys.stderr)


def tell_error(error: DflwrapError) -> None:
    """What is wrong and what to do on stderr; for `NeedsUserError` the cause id is the last line."""
    for line in error_lines(error):
        print(line, file=sys.stderr)
