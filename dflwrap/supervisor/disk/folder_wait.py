"""A folder of the run that went away: wait for it to come back, then resume."""

from __future__ import annotations

import time
from contextlib import suppress

from dflwrap.common.errors import NeedsUserError
from dflwrap.supervisor.disk.storage import OUTPUT_GONE, FolderGoneError, Storage
from dflwrap.supervisor.services import RunServices

LOOK_EVERY = 1.0
"""Seconds between two looks for it."""
ANSWER_BOUND = 5.0
"""Seconds for one look: one that is slower is taken up by the next."""
MOST_WITHOUT_PROGRESS = 20
"""Waits in a row with no frame gained in between: a folder that comes and goes like that is of no use."""


class FolderWait:
    """The waits of one run."""

    def __init__(self, storage: Storage, bound: float) -> None:
        """storage: watches the folders. bound: seconds of one wait; infinite where the user said so."""
        self._storage, self._bound = storage, bound
        self._open_at_last: int | None = None
        self._without_progress = 0

    def back_again(self, error: NeedsUserError, services: RunServices) -> bool:
        """Wait until every folder of the run is there again, and put the run back onto it.

        False: no folder is gone, `error` has another reason. Also returns when the user stops the run. Raises
        FolderGoneError when the timeout is over.
        """
        if services.control.stopping:  # an answer cut short by that is none
            return isinstance(error, FolderGoneError) and error.cause != OUTPUT_GONE
        gone = error if isinstance(error, FolderGoneError) else self._storage.gone()
        if gone is None or not self._may_wait(services):
            return False
        bound = f" for up to {self._bound / 60:.0f} min" if self._bound != float("inf") else ""
        services.reporter.notice(f"{gone} Waiting for it{bound}. {gone.steps[0]}")
        services.stage("waiting")
        began = time.monotonic()
        while (still := self._storage.gone(bound=ANSWER_BOUND)) is not None:
            if time.monotonic() - began > self._bound:
                raise still from error
            if services.control.pause(LOOK_EVERY):
                if still.cause == OUTPUT_GONE:  # nothing can be written down of the interruption
                    raise still from error
                return True
        self._take_up(services)
        services.reporter.notice("Everything is there again: resuming.")
        return True

    def _may_wait(self, services: RunServices) -> bool:
        still_open = services.state.counts.open
        self._without_progress = self._without_progress + 1 if still_open == self._open_at_last else 1
        self._open_at_last = still_open
        return self._without_progress <= MOST_WITHOUT_PROGRESS

    def _take_up(self, services: RunServices) -> None:
        """The files that were open may belong to a disk that is no more, even where it looks the same."""
        services.ledger.reconnect()
        services.folder.lock_again()
        services.promoter.repair()
        with suppress(OSError):
            services.folder.clear_work(services.ledger)
