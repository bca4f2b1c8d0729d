"""One exception for what the user has to hear, and the exit codes of the command line."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of `dflwrap extract` (README, section "Exit codes")."""

    COMPLETE = 0
    """Every frame extracted or no_face."""
    QUARANTINED = 1
    """Finished; some frames are quarantined."""
    USAGE = 2
    """Bad usage or input; nothing was started."""
    NEEDS_USER = 3
    """Stopped; the cause id is the last line on stderr."""
    INTERRUPTED = 4
    """Interrupted. Run the same command again to resume."""
    FAULT = 5
    """A fault of dflwrap itself."""


class DflwrapError(Exception):
    """What is wrong, where, and what to do, in one clear sentence for the user."""

    exit_code = ExitCode.USAGE


class StoppedError(DflwrapError):
    """The user stopped the run amid something that is done again by the next start."""

    exit_code = ExitCode.INTERRUPTED

    def __init__(self) -> None:
        super().__init__("Interrupted. Run the same command again to resume.")


class DamagedLedgerError(DflwrapError):
    """The ledger cannot be read, or holds what no dflwrap writes. Told before anything starts."""

    steps = (
        "Rename the run folder (keep it until the next run has finished).",
        "Run the same command again: the faces in the faceset are kept, and only the other frames are extracted.",
        "If it happens again, check that disk.",
    )

    def while_running(self) -> NeedsUserError:
        """The same of a run that has begun."""
        return NeedsUserError("ledger-damaged", str(self), self.steps)


class NeedsUserError(DflwrapError):
    """The run cannot continue without the user. `cause` is a rule id."""

    exit_code = ExitCode.NEEDS_USER

    def __init__(self, cause: str, message: str, steps: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.cause = cause
        self.steps = steps
