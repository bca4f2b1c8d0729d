"""Runs checks, each within its time; one that breaks or hangs is a result like any other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from dflwrap.common.text import display
from dflwrap.common.waits import join, never
from dflwrap.doctor.check import Answer, Check, Result
from dflwrap.doctor.machine import Machine

_BROKEN_FIX = "Report it with what is printed after DFLWRAP_DEBUG=1; the other checks stand."


def run_checks(
    checks: Iterable[Check], machine: Machine, stopping: Callable[[], bool] = never
) -> Iterator[tuple[Check, Answer]]:
    """The answers, one by one. A check that gives none in time goes on in a thread that nobody waits for."""
    for check in checks:
        yield check, run_check(check, machine, check.timeout, stopping)


def run_quick(
    checks: Iterable[Check], machine: Machine, seconds: float, stopping: Callable[[], bool] = never
) -> Iterator[tuple[Check, Answer]]:
    """The quick checks within `seconds` in all; what has not answered by then is left out."""
    deadline = time.monotonic() + seconds
    for check in checks:
        left = deadline - time.monotonic()
        if not check.quick or left <= 0 or stopping():
            continue
        answer = run_check(check, machine, min(left, check.timeout), stopping)
        if answer.result is not Result.CRASHED:
            yield check, answer


def run_check(check: Check, machine: Machine, timeout: float, stopping: Callable[[], bool] = never) -> Answer:
    """timeout: seconds."""
    found: list[Answer] = []

    def look() -> None:
        try:
            found.append(check.look(machine))
        except Exception as error:
            said = f"The check itself failed: {type(error).__name__}: {display(str(error))}"
            found.append(Answer(Result.CRASHED, said, _BROKEN_FIX))

    thread = threading.Thread(target=look, name=f"doctor-{check.id}", daemon=True)
    thread.start()
    join(thread, timeout, stopping)
    if found:
        return _printable(found[0])
    return Answer(Result.CRASHED, f"No answer within {timeout:g} s.", check.fix)


def _printable(answer: Answer) -> Answer:
    """Names of packages and what programs say are others' text."""
    return replace(
        answer,
        explanation=display(answer.explanation.replace("\n", " ")),
        fix=display(answer.fix.replace("\n", " ")),
        lines=tuple(map(display, answer.lines)),
    )
