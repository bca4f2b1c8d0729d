"""A second look at frames without a face, at the end of a run, by the built-in extractor."""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from dflwrap.common.plan import AttemptSpec
from dflwrap.extractors.base import Extractor
from dflwrap.ledger.ledger import Ledger
from dflwrap.ledger.records import FrameRow
from dflwrap.supervisor.control import Control
from dflwrap.supervisor.witness import Witness

MOST_SAMPLED = 20
WORTH_IT = 1500.0
"""Seconds of extracting from which on the sample (about 15 s) costs less than 1 % of the run."""
CHUNK = 500
"""Frames per start of the witness with `all`."""


class SecondLook(StrEnum):
    OFF = "off"
    SAMPLE = "sample"
    """A sample, reported."""
    ALL = "all"
    """Every frame without a face; what is found is extracted."""
    AUTO = "auto"
    """A sample, where that costs at most 1 % of the run."""


@dataclass(frozen=True, slots=True)
class SecondLookResult:
    looked: int
    found: tuple[str, ...]
    """Names of frames in which a face was found after all."""


def look_again(
    mode: SecondLook,
    ledger: Ledger,
    witness: Extractor,
    template: AttemptSpec,
    source: Path,
    folder: Path,
    control: Control,
    extracting_since: float | None,
) -> SecondLookResult | None:
    """Look, or None where there is nothing to do. Only frames that another extractor called empty."""
    rows = ledger.frames(
        "outcome = 'no_face' AND attempt IN (SELECT number FROM attempts WHERE extractor != ?)",
        (witness.info().name,),
    )
    if not rows or mode is SecondLook.OFF:
        return None
    elapsed = 0.0 if extracting_since is None else time.monotonic() - extracting_since
    if mode is SecondLook.AUTO and elapsed < WORTH_IT:
        return None
    if mode is not SecondLook.ALL:
        rows = _spread(rows, MOST_SAMPLED)
    looked = 0
    found: list[str] = []
    for start in range(0, len(rows), CHUNK):
        chunk = rows[start : start + CHUNK]
        testimony = Witness(witness, template, source, folder, chunk).wait(control.stop_event)
        if testimony is not None:
            looked += testimony.looked
            found += testimony.found
        if control.stopping:
            break
    return SecondLookResult(looked, tuple(found))


def _spread(rows: list[FrameRow], most: int) -> list[FrameRow]:
    """At most `most` of the rows, evenly spread."""
    if len(rows) <= most:
        return rows
    return [rows[int(index * len(rows) / most)] for index in range(most)]
