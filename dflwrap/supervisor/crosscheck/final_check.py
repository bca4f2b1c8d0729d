"""A second look at frames without a face, at the end of a run, by the built-in extractor."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dflwrap.common.choices import SecondLook
from dflwrap.common.plan import AttemptSpec
from dflwrap.extractors.base import Extractor
from dflwrap.ledger.ledger import Ledger
from dflwrap.planning.yields import spread
from dflwrap.supervisor.crosscheck.budget import CrossCheckBudget
from dflwrap.supervisor.crosscheck.second_extractor import Candidate, SecondExtractor
from dflwrap.supervisor.stop_request import Control

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
    mode: SecondLook,
    ledger: Ledger,
    second_extractor: Extractor,
    template: AttemptSpec,
    source: Path,
    folder: Path,
    control: Control,
    extracted_for: float,
    budget: CrossCheckBudget,
) -> SecondLookResult | None:
    """Look, or None where there is nothing to do. Only frames that another extractor reported without a face.

    extracted_for: seconds of this start.
    """
    rows = ledger.frames(
        "outcome = 'no_face' AND attempt IN (SELECT number FROM attempts WHERE extractor != ?)",
        (second_extractor.info().name,),
    )
    if not rows or mode is SecondLook.OFF:
        return None
    if mode is SecondLook.AUTO and extracted_for < WORTH_IT:
        return None
    if mode is not SecondLook.ALL:
        if not budget.left:
            return SecondLookResult(0, (), bound_reached=True)
        rows = list(spread(rows, min(MOST_SAMPLED, budget.left)))
        budget.spend(len(rows), watching=False)
    looked = 0
    found: list[str] = []
    for start in range(0, len(rows), CHUNK):
        chunk = rows[start : start + CHUNK]
        candidate = Candidate(second_extractor, "the built-in extractor")
        testimony = SecondExtractor(candidate, template, source, folder, chunk).wait(control.stop_event)
        if testimony is not None:
            looked += len(testimony.looked)
            found += testimony.found
        if control.stopping:
            break
    return SecondLookResult(looked, tuple(found))


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
