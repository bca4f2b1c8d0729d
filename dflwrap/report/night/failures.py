"""Each failed attempt: what it was, the lines that show it, what was done about it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from dflwrap.diagnosis import load_catalogue
from dflwrap.ledger.ledger import Ledger
from dflwrap.ledger.records import AttemptRow, FrameRow
from dflwrap.report.night.values import items, number, table, text, texts

MOST = 60
"""Failures in detail: the newest; the table of attempts names the others."""
MOST_LINES = 8
SURE = {
    "certain": "certain: the log states it, or dflwrap saw it",
    "likely": "likely: other readings are possible",
    "possible": "possible: concluded from what is missing, or from a general sign",
}
NEITHER = {
    "not-reached": "The run had not come to it",
    "filtered": "Left out, because you asked for it",
    "unknown": "The cause is not known",
    "fault": "dflwrap itself failed",
}
"""Titles of causes that are no rules."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed attempt, in words."""

    attempt: AttemptRow
    cause: str
    title: str
    confidence: str
    explanation: str
    evidence: list[str]
    """`stderr.log:12: CUDA_ERROR_OUT_OF_MEMORY`."""
    steps: list[str]
    follow_on: list[str]
    done: list[str] = field(default_factory=list)
    """The decisions that answered it."""


def title_of(cause: str) -> str:
    """The catalogue's title of a cause."""
    rule = load_catalogue().by_id.get(cause)
    return rule.title if rule is not None else NEITHER.get(cause, cause.replace("-", " "))


def steps_of(cause: str) -> list[str]:
    """What the catalogue asks the user to do about it."""
    rule = load_catalogue().by_id.get(cause)
    return list(rule.steps) if rule is not None else []


def failures(ledger: Ledger) -> list[Failure]:
    """The newest MOST failed attempts, the oldest of them first."""
    answers: dict[int, list[str]] = {}
    for _, attempt, sentence in ledger.decisions():
        if attempt is not None:
            answers.setdefault(attempt, []).append(text(sentence))
    failed = [attempt for attempt in ledger.attempts() if attempt.cause]
    return [_failure(attempt, answers.get(attempt.number, [])) for attempt in failed[-MOST:]]


def _failure(attempt: AttemptRow, done: Sequence[str]) -> Failure:
    try:
        verdict = table(json.loads(attempt.verdict or "null"))
    except (ValueError, RecursionError):
        verdict = {}
    primary = table(verdict.get("primary"))
    cause = text(attempt.cause, 80) or "unknown"
    evidence = [_line(table(line)) for line in items(primary.get("evidence"))[:MOST_LINES]]
    error = table(table(verdict.get("facts")).get("unknown_error"))
    if not evidence and error:
        evidence = [text(f"{error.get('type', '')}: {error.get('message', '')}")]
    return Failure(
        attempt,
        cause,
        text(primary.get("title"), 200) or title_of(cause),
        SURE.get(str(primary.get("confidence")), "not known"),
        text(primary.get("explanation"), 1200),
        [line for line in evidence if line],
        texts(primary.get("steps"), 8),
        texts(primary.get("consequences"), 6),
        [*done][:12],
    )


def _line(line: dict[str, Any]) -> str:
    place, at = text(line.get("source"), 60), number(line.get("line"))
    where = f"{place}:{int(at)}: " if place and at is not None else ""
    return where + text(line.get("text"), 300)


@dataclass(frozen=True, slots=True)
class Cause:
    """Frames without a result, by what kept them from it."""

    id: str
    title: str
    frames: int
    example: str
    evidence: str


def causes(rows: Sequence[FrameRow], fallback: str) -> list[Cause]:
    """The most frequent first. fallback: the cause of frames that have none of their own."""
    counts = Counter(row.cause or fallback for row in rows)
    first = {row.cause or fallback: row for row in reversed(rows)}
    return [
        Cause(cause, title_of(cause), frames, first[cause].name, text(first[cause].evidence))
        for cause, frames in counts.most_common()
    ]
