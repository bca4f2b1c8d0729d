"""What a history of attempts counts to: episodes, repetitions, attempts without a gain. Pure.

In a history the last record is the attempt just ended.
"""

from __future__ import annotations

from dflwrap.common.rungs import Rung
from dflwrap.planning.inputs import AttemptRecord

REFILL_FRAMES = 50
"""Frames gained after which a rung of `REFILLED` may be taken again."""
REFILLED = frozenset(
    {Rung.SAME_AGAIN, Rung.FRESH_PROCESS, Rung.WAIT_FOR_DISK, Rung.PATIENCE, Rung.BISECT_BATCH}
)


def used_rungs(history: tuple[AttemptRecord, ...]) -> list[Rung]:
    """The rungs of this episode: answers to the failures before the last one, as far as they still count."""
    used: list[Rung] = []
    gained = history[-1].frames_gained
    for record in reversed(history[:-1]):
        if record.recovered:
            break
        used += [rung for rung in record.answer if not (rung in REFILLED and gained >= REFILL_FRAMES)]
        gained += record.frames_gained
    return used


def failed_devices(history: tuple[AttemptRecord, ...]) -> frozenset[int]:
    """The GPUs on which something failed since the last healthy attempt."""
    failed: set[int] = set()
    for record in reversed(history):
        if record.recovered:
            break
        if record.device is not None:
            failed.add(record.device)
        elif len(record.plan.devices) == 1:
            failed.update(record.plan.devices)
    return frozenset(failed)


def same_failures(history: tuple[AttemptRecord, ...]) -> int:
    """How many attempts in a row ended as the last one, on its plan and without a frame gained."""
    last, number = history[-1], 0
    for record in reversed(history):
        same = record.fingerprint == last.fingerprint and record.plan == last.plan
        if record.healthy or record.frames_gained or not same:
            break
        number += 1
    return number


def attempts_without_progress(history: tuple[AttemptRecord, ...]) -> int:
    """Searching and repairing have limits of their own: attempts alone do not count."""
    number = 0
    for record in reversed(history):
        if record.frames_gained or record.healthy:
            break
        number += not record.alone
    return number
