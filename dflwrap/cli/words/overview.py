"""Many logs at once: a line for each, and a closing table of what was found how often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from dflwrap.common.text import display
from dflwrap.common.verdict import Health, Verdict
from dflwrap.diagnosis.log.steps import EXTRACTION
from dflwrap.diagnosis.next_steps import headline
from dflwrap.diagnosis.verdict import Diagnosis

LONGEST = 100
"""Characters of an answer in one line."""


def overview(results: Sequence[tuple[str, Diagnosis]], hide: Callable[[str], str]) -> str:
    """One line per log, then the answers, the most frequent first."""
    answers = [(name, _answer(diagnosis.verdict, hide)) for name, diagnosis in results]
    width = min(max(len(hide(name)) for name, _ in answers), 60)
    lines = [f"{display(hide(name)):<{width}}  {display(answer)}" for name, answer in answers]
    counts = Counter(_kind(diagnosis.verdict) for _, diagnosis in results)
    lines += ["", f"{len(results)} logs:"]
    lines += [f"{count:>6}  {kind}" for kind, count in counts.most_common()]
    lines += ["", "The whole page of one log, with its lines and steps: dflwrap diagnose LOG"]
    return "\n".join(lines)


def _answer(verdict: Verdict, hide: Callable[[str], str]) -> str:
    error = verdict.facts.get("unknown_error")
    if verdict.health is Health.UNKNOWN and isinstance(error, dict):
        return hide(f"unknown: {headline(error)}")[:LONGEST]
    line = ""
    if verdict.health is Health.FAILURE and verdict.primary is not None and verdict.primary.evidence:
        first = verdict.primary.evidence[0]
        line = f", {verdict.primary.confidence.value}, line {first.line}"
    return f"{_kind(verdict)}{line}"


def _kind(verdict: Verdict) -> str:
    if verdict.health is Health.FAILURE and verdict.primary is not None:
        return f"{verdict.primary.title} [{verdict.primary.id}]"
    if verdict.health is Health.HEALTHY:
        return "complete and healthy"
    step = verdict.facts.get("step")
    if step not in (None, EXTRACTION):
        return f"the log of {step}, not of an extraction"
    return "unknown"
