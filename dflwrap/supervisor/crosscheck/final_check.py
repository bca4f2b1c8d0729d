"""A second look at frames without a face, at the end of a run, by the built-in extractor."""

from __future__ import annotations

from dataclasses import dataclass

from dflwrap.common.choices import SecondLook
from dflwrap.common.plan import AttemptSpec
from dflwrap.extractors.base import Extractor
from dflwrap.planning.yields import spread
from dflwrap.supervisor.crosscheck.budget import CrossCheckBudget
from dflwrap.supervisor.crosscheck.second_extractor import Candidate, SecondExtractor
from dflwrap.supervisor.services import RunServices

MOST_SAMPLED = 20
WORTH_IT = 1500.0
"""Seconds of extracting from which on the sample (about 15 s) costs less than 1 % of the run."""
CHUNK = 500
"""Frames per start of the second extractor with `all`."""


@dataclass(frozen=True, slots=True)
class SecondLookResult:
    """What the second look at frames without a face found."""

    looked: int
    found: tuple[str, ...]
    """Names of frames in which a face was found after all."""
    bound_reached: bool = False
    """Nothing was looked at, because the looks during the run have cost all that they may."""


def look_again(
    services: RunServices, second_extractor: Extractor, template: AttemptSpec, budget: CrossCheckBudget
) -> SecondLookResult | None:
    """Look, or None where there is nothing to do. Only frames that another extractor called empty."""
    mode, ledger = services.request.second_look, services.ledger
    rows = ledger.frames(
        "outcome = 'no_face' AND attempt IN (SELECT number FROM attempts WHERE extractor != ?)",
        (second_extractor.info().name,),
    )
    if not rows or mode is SecondLook.OFF:
        return None
    if mode is SecondLook.AUTO and services.state.pace.seconds < WORTH_IT:
        return None
    if mode is not SecondLook.ALL:
        if not budget.left:
            return SecondLookResult(0, (), bound_reached=True)
        rows = list(spread(rows, min(MOST_SAMPLED, budget.left)))
        budget.spend(len(rows), watching=False)
    folder, stop = services.folder.scratch(ledger), services.control.stop_event
    looked = 0
    found: list[str] = []
    for start in range(0, len(rows), CHUNK):
        chunk = rows[start : start + CHUNK]
        candidate = Candidate(second_extractor, "the built-in extractor")
        answer = SecondExtractor(candidate, template, services.input_dir, folder, chunk).wait(stop)
        if answer is not None:
            looked += len(answer.looked)
            found += answer.found
        if services.control.stopping:
            break
    return SecondLookResult(looked, tuple(found))


def wanted_again(services: RunServices, builtin: Extractor | None) -> bool:
    """A second look was asked for that a finished run has not had."""
    mode, had = services.request.second_look, CrossCheckBudget(services.ledger).done
    if mode not in (SecondLook.SAMPLE, SecondLook.ALL) or builtin is None:
        return False
    return not had(_once(mode)) and bool(services.ledger.frames("outcome = 'no_face'"))


def take_second_look(
    services: RunServices, builtin: Extractor, template: AttemptSpec, budget: CrossCheckBudget
) -> str:
    """Look again, and tell what was found. Where frames are open again for it: why; else empty."""
    services.state.stage = "second look"
    result = look_again(services, builtin, template, budget)
    if result is None:
        return ""
    mode, ledger = services.request.second_look, services.ledger
    if not services.control.stopping:
        budget.first_time(_once(mode))
    sentence = _words(result)
    ledger.put("second_look", {"looked": result.looked, "found": list(result.found)})
    services.note(sentence)
    if not result.found or mode is not SecondLook.ALL:
        return ""
    for name in result.found:
        ledger.reopen("name = ? AND outcome = 'no_face'", (name,))
    return sentence


def _once(mode: SecondLook) -> str:
    """Under which the run remembers that it had this look."""
    return f"second look {mode.value}"


def _words(result: SecondLookResult) -> str:
    if result.bound_reached:
        return "second look: none, the cross-checks during the run have reached the limit on their cost"
    if not result.looked:
        return "second look: the built-in extractor could not look at any frame"
    return (
        f"second look: the built-in extractor finds faces in {len(result.found)} of {result.looked} "
        "frames reported without a face"
    )


def why_nobody_can(mode: SecondLook, at_work: str, builtin: Extractor | None) -> str:
    """Why a second look that was asked for cannot be taken, for the user; empty where it can.

    at_work: the name of the extractor that begins the run.
    """
    if mode not in (SecondLook.SAMPLE, SecondLook.ALL) or builtin is not None:
        return ""
    if at_work == "builtin":
        why = "the built-in extractor does the work itself, and no other can look again"
    else:
        why = "it needs the built-in extractor: python -m pip install 'dflwrap[builtin]'"
    return f"no second look will be taken (--second-look {mode.value}): {why}"
