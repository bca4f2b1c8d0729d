"""The entry point of the program `dflwrap`: `diagnose` starts at once, everything else through Typer."""

from __future__ import annotations

import os
import sys

from dflwrap.cli.terminal.signals import INTERRUPTED, end_before_the_start
from dflwrap.common.output import open_standard_streams

FAULT = 5
"""As in `dflwrap.common.errors.ExitCode`."""


def run() -> None:
    """`dflwrap diagnose LOG` must answer within ten times the start of Python, and Typer alone takes seven."""
    open_standard_streams()
    if sys.argv[1:2] == ["diagnose"]:
        try:
            from dflwrap.cli.diagnosing import quick

            code = quick(sys.argv[2:])
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)
        except Exception as error:
            if os.environ.get("DFLWRAP_DEBUG"):
                raise
            from dflwrap.common.text import display

            print(
                f"dflwrap itself failed: {type(error).__name__}: {display(str(error))}. Set DFLWRAP_DEBUG=1, "
                "run it again, and report what it then prints, with the log.",
                file=sys.stderr,
            )
            sys.exit(FAULT)
        if code is not None:
            sys.exit(code)
    end_before_the_start()
    from dflwrap.cli.main import run as full

    full(sys.argv[1:])
