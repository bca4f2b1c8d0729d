"""An error in the words that the user reads, line by line."""

from __future__ import annotations

from dflwrap.common.errors import DamagedLedgerError, DflwrapError, NeedsUserError
from dflwrap.common.text import display


def error_lines(error: DflwrapError) -> list[str]:
    """What is wrong and what to do; for `NeedsUserError` the cause id is the last line."""
    lines = [f"dflwrap: {display(str(error))}"]
    if isinstance(error, NeedsUserError | DamagedLedgerError):
        lines += [f"  - {display(step)}" for step in error.steps]
    if isinstance(error, NeedsUserError):
        lines.append(display(error.cause))
    return lines


def fault_line(error: Exception) -> str:
    """dflwrap itself failed."""
    return (
        f"dflwrap itself failed: {type(error).__name__}: {display(str(error))}. Nothing is lost: run the "
        "same command again. If it fails again, set DFLWRAP_DEBUG=1, and report what it then prints."
    )
