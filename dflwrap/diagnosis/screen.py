"""The first look at a line of a huge log: may any rule care about it?"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import cached_property

from dflwrap.diagnosis.rulebook.catalogue import Catalogue
from dflwrap.diagnosis.tables import statuses
from dflwrap.diagnosis.tables.reasons import GATES

_STRUCTURE = (
    b"Traceback (most", b"Extracting faces", b"Images found", b"Faces detected", b"Running on", b"doesnt response",
    b"Error while ", b"Exception while ", b"Done.", b"Face type", b"Choose one", b"Caching GPU",
)  # fmt: skip


class Screen:
    """Tells whether a raw line holds a literal that some rule, or the reading of a run's structure, needs.

    Built on first use: a log that fits the budget whole never needs it.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    @cached_property
    def _words(self) -> tuple[bytes, ...]:
        words = {literal.encode() for literal in self._catalogue.literals} | set(_STRUCTURE)
        words |= {gate.encode() for gate in (*GATES, *statuses.GATES) if len(gate) > 3}
        # A word that holds another one is found wherever that one is.
        return tuple(word for word in words if not any(one != word and one in word for one in words))

    def hits(self, lines: Sequence[bytes]) -> list[bool]:
        """For each line, whether it is worth keeping.

        One search per word over all lines at once: `bytes.find` skips through them many times faster than an
        expression of all words steps.
        """
        found = [False] * len(lines)
        text = b"\n".join(lines)
        starts: list[int] = []
        position = 0
        for line in lines:
            starts.append(position)
            position += len(line) + 1
        for word in self._words:
            at = text.find(word)
            while at >= 0:
                index = bisect_right(starts, at) - 1
                found[index] = True
                if index + 1 == len(starts):
                    break
                at = text.find(word, starts[index + 1])
        return found
