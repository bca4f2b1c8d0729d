"""The night on one time axis: attempts, width, waits, decisions, speed and what was measured."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

from dflwrap.common.events import EventKind
from dflwrap.ledger.history import Session, points_of
from dflwrap.ledger.ledger import Ledger
from dflwrap.ledger.records import AttemptRow
from dflwrap.ledger.widths import Widths, common, seconds_of, widths_of
from dflwrap.report.night.series import MOST_POINTS, Chart, Curve, Telemetry, rate
from dflwrap.report.night.values import number, table, text

MOST_BANDS, MOST_MARKS = 400, 400
"""Attempts and decisions on the axis: the newest; the table has as many."""
SHORTEST_WAIT = 2.0
"""Seconds between two attempts that are worth a band."""


@dataclass(frozen=True, slots=True)
class Band:
    """A stretch of time. kind: "ok" | "failed" | "partly" (it gained frames, then failed) | "running" | "wait"."""

    start: float
    end: float
    kind: str
    label: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment. kind: "rung" | "wait" | "quarantine" | "width" | "note" | "start" | "end"."""

    time: float
    kind: str
    label: str


@dataclass(slots=True)
class Spent:
    """Where the time went, in seconds."""

    total: float = 0.0
    """dflwrap at work, all starts together."""
    attempts: float = 0.0
    """An extractor at work, its start included."""
    starting: float = 0.0
    """From an attempt's start to its first worker that is ready."""
    waits: float = 0.0
    """Between two attempts."""
    fruitless: float = 0.0
    """Attempts that gained no frame."""
    card_waits: dict[int, float] = field(default_factory=dict)
    """Card -> waiting for its memory within attempts, in which the CPU or other cards may have worked."""


@dataclass(slots=True)
class Timeline:
    """All of it."""

    start: float = 0.0
    end: float = 0.0
    bands: list[Band] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    charts: list[Chart] = field(default_factory=list)
    spent: Spent = field(default_factory=Spent)
    telemetry: Telemetry = field(default_factory=lambda: Telemetry(1.0))
    widths: dict[int, Widths] = field(default_factory=dict)
    """Of each attempt."""

    def to_json(self) -> dict[str, Any]:
        """What the page's script draws."""
        return {
            "start": self.start,
            "end": self.end,
            "bands": [asdict(band) for band in self.bands],
            "marks": [asdict(mark) for mark in self.marks],
            "charts": [asdict(chart) for chart in self.charts],
        }


def make_timeline(ledger: Ledger, sessions: Sequence[Session], now: float) -> Timeline:
    """now: seconds since the epoch, for what has not ended."""
    attempts, points = ledger.attempts(), points_of(ledger)
    moments = [a.started for a in attempts] + [a.ended or now for a in attempts]
    moments += [s.started for s in sessions] + [s.ended or now for s in sessions]
    line = Timeline(min(moments, default=now), max(moments, default=now))
    line.widths = widths_of(ledger, attempts)
    _spend(line, ledger, attempts, sessions, now)
    line.bands = _bands(attempts, ledger, sessions, now) + _card_waits(attempts, line.widths, now)
    line.marks = _marks(ledger, sessions)
    line.telemetry = Telemetry(line.spent.total / MOST_POINTS)
    for moment, sample in ledger.samples():
        line.telemetry.add(moment, sample)
    speed = rate(points, [s.started for s in sessions], line.spent.total)
    width = _width(attempts, line.widths, now)
    charts = [speed, width, *line.telemetry.charts()]
    line.charts = [chart for chart in charts if len(chart.times) > 1]
    return line


def _spend(
    line: Timeline, ledger: Ledger, attempts: Sequence[AttemptRow], sessions: Sequence[Session], now: float
) -> None:
    spent = line.spent
    ready: dict[int, float] = {}
    query = "SELECT attempt, min(time) FROM events WHERE kind = 'worker_started' GROUP BY attempt"
    for attempt, moment in ledger.read(query):
        if type(attempt) is int and number(moment) is not None:
            ready[attempt] = float(moment)
    for one in attempts:
        seconds = max(0.0, (one.ended or now) - one.started)
        spent.attempts += seconds
        devices = _devices(one)
        waits = line.widths[one.number].waits(devices, one.ended or now)
        for index, spans in zip(devices, waits, strict=True):
            if spans:
                spent.card_waits[index] = spent.card_waits.get(index, 0.0) + seconds_of(spans)
        until_ready = (one.started, max(one.started, ready.get(one.number, one.started)))
        without = seconds_of(common([[until_ready], *waits])) if waits else 0.0
        spent.starting += min(seconds, max(0.0, until_ready[1] - until_ready[0] - without))
        if one.ended is not None and not one.gained:
            spent.fruitless += seconds
    spent.waits = sum(end - start for start, end, _ in _between(attempts, sessions))
    spent.total = sum(max(0.0, (s.ended or now) - s.started) for s in sessions) or spent.attempts


def _between(
    attempts: Sequence[AttemptRow], sessions: Sequence[Session]
) -> list[tuple[float, float, AttemptRow]]:
    """(end of one, start of the next, the next) within one start of dflwrap."""
    starts = [session.started for session in sessions]
    found = []
    for one, other in pairwise(attempts):
        apart = one.ended is not None and other.started - one.ended >= SHORTEST_WAIT
        if apart and one.ended is not None and not any(one.ended < s <= other.started for s in starts):
            found.append((one.ended, other.started, other))
    return found


def _bands(
    attempts: Sequence[AttemptRow], ledger: Ledger, sessions: Sequence[Session], now: float
) -> list[Band]:
    bands = []
    for one in attempts[-MOST_BANDS:]:
        failed = "partly" if one.gained else "failed"
        kind = "running" if one.ended is None else failed if one.cause else "ok"
        label = f"attempt {one.number}: {one.gained or 0:,} of {one.frames:,} frames"
        if one.cause:
            label += f", {text(one.cause, 60)}"
        bands.append(Band(one.started, one.ended or now, kind, label))
    said = ledger.decisions()
    for start, end, after in _between(attempts[-MOST_BANDS:], sessions):
        why = [sentence for moment, _, sentence in said if start - 1 <= moment <= end and "wait" in sentence]
        words = text(why[-1], 200) if why else f"before attempt {after.number}"
        bands.append(Band(start, end, "wait", words))
    return bands


def _card_waits(attempts: Sequence[AttemptRow], widths: dict[int, Widths], now: float) -> list[Band]:
    bands = []
    for one in attempts:
        devices = _devices(one)
        waits = widths[one.number].waits(devices, one.ended or now)
        for index, spans in zip(devices, waits, strict=True):
            words = f"GPU {index}: waiting for its memory"
            bands += [Band(a, b, "wait", words) for a, b in spans if b - a >= SHORTEST_WAIT]
    return sorted(bands, key=lambda band: band.start)[-MOST_BANDS:]


def _marks(ledger: Ledger, sessions: Sequence[Session]) -> list[Mark]:
    marks = [Mark(moment, _kind(sentence), text(sentence, 240)) for moment, _, sentence in ledger.decisions()]
    for moment, event in ledger.events_of(EventKind.WIDTH_CHANGED.value):
        marks.append(Mark(moment, "width", _width_words(event)))
    marks = sorted(marks, key=lambda mark: mark.time)[-MOST_MARKS:]
    marks += [Mark(session.started, "start", "dflwrap started") for session in sessions[-50:]]
    for session in sessions[-50:]:
        if session.ended is not None:
            words = text(session.sentence, 200) or session.state.replace("_", " ")
            marks.append(Mark(session.ended, "end", f"dflwrap ended: {words}"))
    return sorted(marks, key=lambda mark: mark.time)


def _kind(sentence: str) -> str:
    for word, kind in (
        ("quarantin", "quarantine"),
        ("wait", "wait"),
        ("->", "rung"),
        ("isolated", "quarantine"),
    ):
        if word in sentence:
            return kind
    return "note"


def _width_words(event: dict[str, Any]) -> str:
    workers = number(event.get("workers"))
    words = f"{text(event.get('device'), 20)}: {'?' if workers is None else int(workers)} workers"
    return f"{words}: {text(event.get('reason'), 160)}" if event.get("reason") else words


def _width(attempts: Sequence[AttemptRow], widths: dict[int, Widths], now: float) -> Chart:
    """Workers at work by device. Of what the extractor does not tell of, the number that was planned."""
    chart = Chart("width", "Workers", "workers", steps=True)
    changes: list[tuple[float, dict[str, int]]] = []
    for one in attempts[-MOST_BANDS:]:
        end, told = one.ended or now, widths[one.number].changes
        named = {device_name(device): steps for device, steps in told.items()}
        now_wide = {name: workers for name, workers in _planned(one).items() if name not in named}
        changes.append((one.started, dict(now_wide)))
        steps = sorted((when, name, n) for name, each in named.items() for when, n in each)
        for when, name, workers in steps:
            now_wide[name] = workers
            changes.append((min(max(when, one.started), end), dict(now_wide)))
        changes += [
            (end, dict(now_wide)),
            (end + 0.001, {}),
        ]  # the value holds to the end, then there is none
    names = sorted({name for _, wide in changes for name in wide})[:6]
    chart.times = [moment for moment, _ in changes]
    chart.curves = [Curve(name, "workers", [wide.get(name) for _, wide in changes]) for name in names]
    return chart


def _devices(attempt: AttemptRow) -> tuple[int, ...]:
    """Indices of the cards that an attempt was planned on; none = the CPU."""
    devices = table(json.loads(attempt.plan)).get("devices")
    return tuple(d for d in devices if type(d) is int) if isinstance(devices, list) else ()


def _planned(attempt: AttemptRow) -> dict[str, int]:
    wide = int(number(table(json.loads(attempt.plan)).get("workers")) or 0)
    return dict.fromkeys([f"GPU {index}" for index in _devices(attempt)] or ["CPU"], wide)


def device_name(device: str) -> str:
    """`GPU0` of an event as `GPU 0`."""
    return f"GPU {device[3:]}" if device.upper().startswith("GPU") else text(device, 12)
