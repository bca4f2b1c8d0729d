"""What independent looks at frames may cost in all: kept in the ledger, so that a restart brings no new budget."""

from __future__ import annotations

from dflwrap.ledger.error_messages import damaged
from dflwrap.ledger.ledger import Ledger
from dflwrap.ledger.values import text, whole

LEAST = 20
"""Frames that may be looked at in any run; in a run of more than 2000 it is 1 % of its frames."""
MOST_WATCHED = 10
"""Looks in the course of a run; each starts a process (about 15 s)."""
KEY = "looks"


class CrossCheckBudget:
    """The limit for all cross-checks of a run: its first results, its watch, and the sample at its end.

    Not covered: `--second-look all`, which is the user's own wish.
    """

    def __init__(self, ledger: Ledger) -> None:
        """Raises DamagedLedgerError."""
        self._ledger = ledger
        self._bound = max(LEAST, ledger.counts().total // 100)
        spent = ledger.get_table(KEY) or {}
        try:
            self._frames, self._look_budget = (
                whole(spent.get("frames", 0), -LEAST),
                whole(spent.get("looks", 0), -1),
            )
            self._done: list[str] = [text(item) for item in spent.get("done", ())]
        except (TypeError, ValueError) as error:
            raise damaged(f"the run's {KEY}: {error}", ledger.path) from error

    @property
    def left(self) -> int:
        """Frames that may still be looked at."""
        return max(0, self._bound - self._frames)

    @property
    def more_watching(self) -> bool:
        return self._look_budget < MOST_WATCHED

    def spend(self, frames: int, *, watching: bool) -> None:
        """Written down before the look begins: one that is broken off was paid for too."""
        self._frames += frames
        self._look_budget += watching
        self._write()

    def give_back(self, frames: int, *, watching: bool) -> None:
        """A look that found the extractor wrong has paid for itself. So none is missing when it is wrong again,
        say after a restart that fixed nothing: its empty frames would be believed."""
        self._frames -= frames
        self._look_budget -= watching
        self._write()

    def done(self, what: str) -> bool:
        return what in self._done

    def first_time(self, what: str) -> bool:
        """True once per run for what is to be done, or said, once."""
        if self.done(what):
            return False
        self._done.append(what)
        self._write()
        return True

    def _write(self) -> None:
        self._ledger.put(KEY, {"frames": self._frames, "looks": self._look_budget, "done": self._done})
