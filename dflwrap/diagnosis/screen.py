"""The first look at a line of a huge log: may any rule care about it?"""

from __future__ import annotations

import re
from functools import cached_property

from dflwrap.diagnosis import statuses
from dflwrap.diagnosis.catalogue import Catalogue
from dflwrap.diagnosis.reasons import GATES

_STRUCTURE = (
    b"Traceback (most", b"Extracting faces", b"Images found", b"Faces detected", b"Running on", b"doesnt response",
    b"Error while ", b"Exception while ", b"Done.", b"Face type", b"Choose one", b"Caching GPU",
)  # fmt: skip
LOOKED_AT = 4096
"""Bytes of a line that are searched."""


class Screen:
    """Tells whether a raw line holds a literal that some rule, or the reading of a run's structure, needs.

    Built on first use: a log that fits the budget whole never needs it.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    @cached_property
    def _pattern(self) -> re.Pattern[bytes]:
        words = {literal.encode() for literal in self._catalogue.literals} | set(_STRUCTURE)
        words |= {gate.encode() for gate in (*GATES, *statuses.GATES) if len(gate) > 3}
        return re.compile(b"|".join(re.escape(word) for word in sorted(words)))

    def is_hit(self, line: bytes) -> bool:
        """True if the line is worth keeping."""
        return self._pattern.search(line[:LOOKED_AT]) is not None
