"""The first look at a line of a huge log: may any rule care about it?"""

from __future__ import annotations

import re

from dflwrap.diagnosis.catalogue import Catalogue

_STRUCTURE = (
    b"Traceback (most", b"Extracting faces", b"Images found", b"Faces detected", b"Running on", b"doesnt response",
    b"Error while ", b"Exception while ", b"Done.", b"Face type", b"Choose one", b"Caching GPU",
)  # fmt: skip


class Screen:
    """Tells whether a raw line holds a literal that some rule, or the reading of a run's structure, needs."""

    def __init__(self, catalogue: Catalogue) -> None:
        words = {literal.encode() for literal in catalogue.literals} | set(_STRUCTURE)
        shortest = [word for word in words if not any(other != word and other in word for other in words)]
        self._words = sorted(shortest)
        self._pattern: re.Pattern[bytes] | None = None

    def is_hit(self, line: bytes) -> bool:
        if self._pattern is None:
            self._pattern = re.compile(b"|".join(re.escape(word) for word in self._words))
        return self._pattern.search(line[:4096]) is not None
