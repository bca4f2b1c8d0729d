"""What diagnosis says of a failed attempt or a log."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Health(StrEnum):
    FAILURE = "failure"
    HEALTHY = "healthy"
    UNKNOWN = "unknown"


class Confidence(StrEnum):
    CERTAIN = "certain"
    LIKELY = "likely"
    POSSIBLE = "possible"


@dataclass(frozen=True, slots=True)
class EvidenceLine:
    """A line that shows a cause: `line` counts from 1 in `source`."""

    source: str
    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Cause:
    id: str
    """An id of the rule catalogue (those of the known causes)."""
    title: str
    category: str
    confidence: Confidence
    evidence: tuple[EvidenceLine, ...] = ()
    symptoms: tuple[str, ...] = ()
    """Ids of rules that this cause explains in the same log."""
    consequences: tuple[str, ...] = ()
    """The same by title, with the place in the log, for people."""
    remedies: tuple[str, ...] = ()
    """Names of rungs, in order, or "user"."""
    steps: tuple[str, ...] = ()
    """What the user can do, in order."""
    explanation: str = ""
    references: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    health: Health
    primary: Cause | None = None
    causes: tuple[Cause, ...] = ()
    """Ranked, the primary first."""
    benign: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)
