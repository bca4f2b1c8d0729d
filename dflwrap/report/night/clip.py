"""The outcomes of the frames along the clip, in a bounded number of pieces."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from dflwrap.ledger.records import REMOVED, FrameRow, Outcome

PIECES = 200
KEYS = ("extracted", "no_face", "quarantined", "not_attempted")
"""From the most usual outcome to what needs a look."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some frames in a row."""

    first: str
    last: str
    counts: dict[str, int]
    """By outcome; open frames count as not attempted."""

    @property
    def frames(self) -> int:
        return sum(self.counts.values())


def along_the_clip(rows: Sequence[FrameRow]) -> list[Piece]:
    """rows: in the order of the folder; frames that have left the total are left out."""
    rows = [row for row in rows if not (row.outcome is Outcome.NOT_ATTEMPTED and row.cause == REMOVED)]
    pieces = min(PIECES, len(rows))
    found = []
    for number in range(pieces):
        part = rows[number * len(rows) // pieces : (number + 1) * len(rows) // pieces]
        counts = Counter((row.outcome or Outcome.NOT_ATTEMPTED).value for row in part)
        found.append(Piece(part[0].name, part[-1].name, {key: counts[key] for key in KEYS if counts[key]}))
    return found
