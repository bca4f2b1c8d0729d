"""How many workers each device had while the attempts ran, by what the extractor told of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from dflwrap.common.events import EventKind
from dflwrap.ledger.ledger import Ledger
from dflwrap.ledger.records import AttemptRow
from dflwrap.ledger.values import moment, table

T = TypeVar("T")
MOST = 4096
"""Workers of a device; more is no number of workers."""
Span = tuple[float, float]
"""From, until: seconds since the epoch."""


@dataclass(slots=True)
class Widths:
    """Of one attempt. Empty where its width was fixed (a black box)."""

    changes: dict[str, list[tuple[float, int]]] = field(default_factory=dict)
    """"GPU0" or "CPU" -> when it changed, and the number of workers from then on; in the order of time."""

    @property
    def most(self) -> dict[str, int]:
        """The widest each device was, cards first; devices that never had a worker are left out."""
        widest = {device: max(n for _, n in changes) for device, changes in self.changes.items()}
        return {device: number for device, number in _in_order(widest) if number}

    @property
    def last(self) -> dict[str, int]:
        """Cards first."""
        return {device: changes[-1][1] for device, changes in _in_order(self.changes)}

    def waits(self, devices: Sequence[int], until: float) -> list[list[Span]]:
        """Of each of these cards: when it had no worker, for its memory was taken. until: the attempt's end, or now."""
        return [_without_worker(self.changes.get(f"GPU{index}", ()), until) for index in devices]


def _in_order(devices: Mapping[str, T]) -> list[tuple[str, T]]:
    return sorted(devices.items(), key=lambda one: (not one[0].startswith("GPU"), one[0]))


def widths_of(ledger: Ledger, attempts: Iterable[AttemptRow]) -> dict[int, Widths]:
    """Attempt number -> its widths. What is no width is passed over."""
    found = {attempt.number: Widths() for attempt in attempts}
    query = "SELECT attempt, time, body FROM events WHERE kind = ? ORDER BY time"
    for attempt, time_, body in ledger.read(query, (EventKind.WIDTH_CHANGED.value,)):
        try:
            when, event = moment(time_), json.loads(table(body))
        except ValueError:
            continue
        device, workers = event.get("device"), event.get("workers")
        is_width = isinstance(device, str) and type(workers) is int and 0 <= workers <= MOST
        if attempt in found and is_width:
            found[attempt].changes.setdefault(device[:20], []).append((when, workers))
    return found


def _without_worker(changes: Sequence[tuple[float, int]], until: float) -> list[Span]:
    spans: list[Span] = []
    since: float | None = None
    for when, workers in changes:
        if not workers and since is None:
            since = when
        elif workers and since is not None:
            spans.append((since, when))
            since = None
    if since is not None:
        spans.append((since, max(since, until)))
    return spans


def common(spans: Sequence[Sequence[Span]]) -> list[Span]:
    """The times that lie in all of them; none of nothing."""
    if not spans:
        return []
    shared = list(spans[0])
    for others in spans[1:]:
        shared = [(max(a, c), min(b, d)) for a, b in shared for c, d in others if min(b, d) > max(a, c)]
    return shared


def seconds_of(spans: Iterable[Span]) -> float:
    """All of them together."""
    return sum(end - start for start, end in spans)
