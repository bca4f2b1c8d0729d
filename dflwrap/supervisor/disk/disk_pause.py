"""A disk that filled up under dflwrap's own writing: wait for room, where the user allows waiting."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from dflwrap.common.errors import NeedsUserError
from dflwrap.common.plan import Plan
from dflwrap.planning.policy import wait_for_room
from dflwrap.supervisor.services import RunServices

DISK_FULL = "disk-full"
MOST_WITHOUT_PROGRESS = 3
"""Pauses in a row with no frame gained in between: then waiting does not help."""
FEWEST_FRAMES = 8


class DiskPause:
    """The pauses of one run."""

    def __init__(self) -> None:
        self._open_at_last: int | None = None
        self._without_progress = 0

    def room_again(self, error: NeedsUserError, services: RunServices, plan: Plan) -> bool:
        """Wait until the output's disk has room, then finish what the full disk interrupted.

        False: it is another error, there was no room in time, or the disk was full again and again
        with nothing gained. Also returns when the user stops the run. What the broken attempt had extracted
        but not moved is extracted again.
        """
        if error.cause != DISK_FULL:
            return False
        still_open = services.ledger.counts().open
        self._without_progress = self._without_progress + 1 if still_open == self._open_at_last else 1
        self._open_at_last = still_open
        if self._without_progress > MOST_WITHOUT_PROGRESS:
            return False
        step = wait_for_room(plan, str(error))
        services.reporter.notice(step.sentence)  # into the ledger later: its disk may be the full one
        services.stage("waiting")
        with suppress(NeedsUserError):
            services.promoter.repair()  # moves need next to no room; what they move goes with the next line
        with suppress(NeedsUserError):
            services.folder.clear_work(services.ledger)
        came = services.observer.wait(step, services.control)
        if services.control.stopping:
            return True
        if came:
            services.promoter.repair()
            services.ledger.decide(None, step.sentence)
        return came

    def smaller(self, plan: Plan, frames: int) -> Plan:
        """After a second pause without progress: the batch itself may need more room than there is."""
        if self._without_progress < 2:
            return plan
        return replace(plan, batch_size=max(FEWEST_FRAMES, (plan.batch_size or frames) // 4))
