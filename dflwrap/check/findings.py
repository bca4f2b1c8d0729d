"""What `check` finds, as typed data; the texts of each id stand in findings.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from pathlib import Path

MOST_EXAMPLES = 5


class Severity(StrEnum):
    """How much a finding matters, the worst first."""

    ERROR = "error"
    """`extract` refuses the folder, or frames are lost."""
    WARNING = "warning"
    """Faces, or their order, may suffer."""
    NOTE = "note"
    """Harmless, or dealt with by `extract` itself."""


RANK = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.NOTE: 2}


class Group(StrEnum):
    """What a finding is about."""

    LAYOUT = "layout"
    NAMES = "names"
    FILES = "files"
    QUALITY = "quality"


@dataclass(frozen=True, slots=True)
class FindingKind:
    """One row of the table."""

    id: str
    group: Group
    severity: Severity
    title: str
    explanation: str
    fix: str
    extract: str
    """What `extract` does about it by itself."""
    cause: str = ""
    """The catalogue's id for the same thing; "" where it has none."""


@cache
def kinds() -> dict[str, FindingKind]:
    """Every kind by its id, in the order of the table."""
    rows = tomllib.loads(Path(__file__).with_name("findings.toml").read_text(encoding="utf-8"))
    return {
        name: FindingKind(
            name,
            Group(row["group"]),
            Severity(row["severity"]),
            row["title"],
            row["explanation"],
            row["fix"],
            row["extract"],
            row.get("cause", ""),
        )
        for name, row in rows.items()
    }


@dataclass(slots=True)
class Finding:
    """One kind, as found in a folder."""

    kind: FindingKind
    severity: Severity
    count: int = 0
    """Files, folders or gaps."""
    examples: list[str] = field(default_factory=list)
    """Names, some with what was seen; at most MOST_EXAMPLES."""
    more: bool = False
    """There were more examples."""


class Findings:
    """Collects; holds a few examples of each kind, however many there are."""

    def __init__(self) -> None:
        self._by_id: dict[str, Finding] = {}

    def add(self, name: str, example: str, *, count: int = 1, severity: Severity | None = None) -> None:
        """One more of the kind `name`. severity: where it is another than the table's. Raises KeyError."""
        kind = kinds()[name]
        found = self._by_id.setdefault(name, Finding(kind, severity or kind.severity))
        found.count += count
        if severity is not None and RANK[severity] < RANK[found.severity]:
            found.severity = severity
        if len(found.examples) < MOST_EXAMPLES:
            found.examples.append(example)
        else:
            found.more = True

    def add_all(self, name: str, examples: Iterable[str]) -> None:
        for example in examples:
            self.add(name, example)

    def count(self, name: str) -> int:
        found = self._by_id.get(name)
        return 0 if found is None else found.count

    def sorted(self) -> list[Finding]:
        """Worst first; within a severity as in the table."""
        order = {name: place for place, name in enumerate(kinds())}
        return sorted(self._by_id.values(), key=lambda f: (RANK[f.severity], order[f.kind.id]))

    @property
    def above_note(self) -> bool:
        return any(f.severity is not Severity.NOTE for f in self._by_id.values())
