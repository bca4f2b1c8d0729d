"""The entry point of the program `dflwrap`: `diagnose` starts at once, everything else through Typer."""

from __future__ import annotations

import sys


def run() -> None:
    """`dflwrap diagnose LOG` must answer within ten times the start of Python, and Typer alone takes seven."""
    if sys.argv[1:2] == ["diagnose"]:
        from dflwrap.cli.diagnosing import quick

        try:
            code = quick(sys.argv[2:])
        except KeyboardInterrupt:
            sys.exit(4)
        if code is not None:
            sys.exit(code)
    from dflwrap.cli.main import run as full

    full()
