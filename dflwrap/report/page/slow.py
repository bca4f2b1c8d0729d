"""What was slow: where the time went that did not go into frames, and the slowest stretch of the night."""

from __future__ import annotations

from statistics import median

from dflwrap.report.night.facts import Answer, Facts
from dflwrap.report.night.series import Chart
from dflwrap.report.night.timeline import Spent
from dflwrap.report.night.values import length, listed, pace

WORTH_SECONDS, WORTH_SHARE = 30.0, 0.05
"""A loss of time is told from so many seconds, or from such a part of the whole."""
STRETCHES = 12
SHORTEST_STRETCH = 60.0
"""Seconds: a shorter one has no two times to name."""
SLOW = 0.6
"""Of the usual speed: a stretch under it is told."""


def what_was_slow(facts: Facts) -> Answer:
    """The fourth question."""
    question, spent = "What was slow?", facts.line.spent
    lost = [
        f"{length(seconds)} into {words}"
        for seconds, words in (
            (spent.starting, "starting the extractor"),
            (spent.waits, "waiting between attempts"),
            (spent.fruitless, "attempts that gained no frame"),
        )
        if _counts(seconds, spent)
    ]
    if lost:
        lost[0] = lost[0].replace(" into ", " went into ", 1)
    parts = [f"Of {length(spent.total)}, {listed(lost)}."] if lost else []
    for index, seconds in sorted(spent.card_waits.items()):
        if _counts(seconds, spent):
            parts.append(f"GPU {index} waited {length(seconds)} of {length(spent.total)} for its memory.")
    was_slow = bool(parts)
    speed = next((chart for chart in facts.line.charts if chart.id == "rate"), None)
    if speed is not None:
        parts.append(_stretch(facts, speed))
    sentence = " ".join(filter(None, parts))
    tone = "look" if was_slow or "Slowest" in sentence else "good"
    return Answer("slow", question, sentence or "Nothing stood out.", tone, "timeline")


def _counts(seconds: float, spent: Spent) -> bool:
    share = bool(spent.total) and seconds >= 1 and seconds >= WORTH_SHARE * spent.total
    return seconds >= WORTH_SECONDS or share


def _stretch(facts: Facts, speed: Chart) -> str:
    """The slowest stretch against the usual one."""
    known = [
        (moment, value)
        for moment, value in zip(speed.times, speed.curves[0].values, strict=True)
        if value is not None
    ]
    if len(known) < STRETCHES:
        return ""
    size = len(known) // STRETCHES
    parts = [known[start : start + size] for start in range(0, size * STRETCHES, size)]
    rates = [sum(value for _, value in part) / len(part) for part in parts]
    usual, slowest = median(rates), min(rates)
    if not usual or slowest > SLOW * usual:
        return f"The speed was even: {pace(usual)}." if usual else ""
    part = parts[rates.index(slowest)]
    if part[-1][0] - part[0][0] < SHORTEST_STRETCH:
        return ""
    between = f"{facts.clock(part[0][0])} to {facts.clock(part[-1][0])}"
    return (
        f"Slowest was {between}: {pace(slowest) if slowest > 0 else 'nothing'}, where {pace(usual)} is usual."
    )
