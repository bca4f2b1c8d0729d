"""What diagnosis says of a failed attempt or a log."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Health(StrEnum):
    """What became of what a log tells of."""

    FAILURE = "failure"
    HEALTHY = "healthy"
    UNKNOWN = "unknown"


class Confidence(StrEnum):
    """How sure a cause is: the log states it, shows it, or leaves it possible."""

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
    """One cause, with the lines that show it and what the user can do."""

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
    check: str = ""
    """The check of `dflwrap doctor` that would prove it; "" where none would."""

    @property
    def proof(self) -> str:
        """The command that would prove it on the machine where it happened; "" where none would."""
        return f"dflwrap doctor --only {self.check}" if self.check else ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a diagnosis comes to. Not covered: what is done about it (`planning`)."""

    health: Health
    primary: Cause | None = None
    causes: tuple[Cause, ...] = ()
    """Ranked, the primary first."""
    benign: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)


def verdict_to_dict(verdict: Verdict) -> dict[str, Any]:
    """As plain data, for the ledger and the report."""
    data = asdict(verdict)
    data["facts"] = {key: _plain(value) for key, value in verdict.facts.items()}
    return data


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)
