"""A disk that filled up under dflwrap's own writing: wait for room, where the user allows waiting."""

from __future__ import annotations

from contextlib import suppress

from dflwrap.common.errors import NeedsUserError
from dflwrap.common.plan import Plan
from dflwrap.planning.policy import wait_for_room
from dflwrap.supervisor.attempting import AttemptRunner

DISK_FULL = "disk-full"


def room_again(error: NeedsUserError, runner: AttemptRunner, plan: Plan) -> bool:
    """Wait until the output's disk has room, then finish what the full disk interrupted.

    False: it is another error, or there was no room within the bound. Also returns when the user stops the
    run. What the broken attempt had extracted but not moved is extracted again.
    """
    if error.cause != DISK_FULL:
        return False
    step = wait_for_room(plan, str(error))
    runner.reporter.notice(step.sentence)  # into the ledger later: its disk may be the full one
    runner.state.stage = "waiting"
    runner.reporter.changed(runner.state)
    with suppress(OSError):
        runner.folder.clear_work()  # whole frames of it are in the faceset; the rest only takes room
    came = runner.observer.wait(step, runner.control)
    if runner.control.stopping:
        return True
    if came:
        runner.promoter.repair()
        runner.ledger.decide(None, step.sentence)
    return came
