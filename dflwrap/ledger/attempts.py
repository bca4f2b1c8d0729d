"""The tables of what was done: attempts, decisions, events, telemetry."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator
from typing import Any

from dflwrap.common.events import Event
from dflwrap.ledger.records import AttemptRow
from dflwrap.ledger.store import Store
from dflwrap.ledger.values import maybe, moment, table, text, whole

_ATTEMPT_COLUMNS = (
    "number, started, ended, extractor, plan, reason, frames, gained, ended_by, exit_status, cause, verdict"
)


class AttemptTable(Store):
    """Attempts with their plans and verdicts, decisions, events and samples."""

    def next_attempt(self) -> int:
        return int(self.read("SELECT coalesce(max(number), 0) + 1 FROM attempts")[0][0])

    def begin_attempt(
        self, number: int, extractor: str, plan: dict[str, Any], reason: str, frames: int
    ) -> None:
        with self.transaction():
            self.db.execute(
                "INSERT INTO attempts (number, started, extractor, plan, reason, frames)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (number, time.time(), extractor, json.dumps(plan), reason, frames),
            )

    def end_attempt(
        self,
        number: int,
        *,
        gained: int,
        ended_by: str,
        exit_status: int | None,
        cause: str | None,
        verdict: dict[str, Any] | None,
    ) -> None:
        with self.transaction():
            self.db.execute(
                "UPDATE attempts SET ended = ?, gained = ?, ended_by = ?, exit_status = ?, cause = ?,"
                " verdict = ? WHERE number = ?",
                (time.time(), gained, ended_by, exit_status, cause, json.dumps(verdict), number),
            )

    def attempts(self) -> list[AttemptRow]:
        return self.rows(_attempt, f"SELECT {_ATTEMPT_COLUMNS} FROM attempts ORDER BY number")  # noqa: S608

    def decide(self, attempt: int | None, sentence: str) -> None:
        with self.transaction():
            self.db.execute(
                "INSERT INTO decisions (time, attempt, sentence) VALUES (?, ?, ?)",
                (time.time(), attempt, sentence),
            )

    def decisions(self) -> list[tuple[float, int | None, str]]:
        return self.rows(_decision, "SELECT time, attempt, sentence FROM decisions ORDER BY id")

    def add_events(self, attempt: int, events: Iterable[Event]) -> None:
        with self.transaction():
            self.db.executemany(
                "INSERT INTO events (attempt, time, kind, body) VALUES (?, ?, ?, ?)",
                [(attempt, e.time, e.kind.value, e.to_json()[:65536]) for e in events],
            )

    def add_samples(self, attempt: int | None, samples: Iterable[tuple[float, dict[str, Any]]]) -> None:
        """Telemetry: (seconds since the epoch, the sample)."""
        with self.transaction():
            self.db.executemany(
                "INSERT INTO samples (attempt, time, body) VALUES (?, ?, ?)",
                [(attempt, moment, json.dumps(body)) for moment, body in samples],
            )

    def samples(self) -> Iterator[tuple[float, dict[str, Any]]]:
        """Telemetry in the order of time, one sample at a time: a night has tens of thousands."""
        yield from self._bodies("SELECT time, body FROM samples ORDER BY time", ())

    def events_of(self, kind: str) -> Iterator[tuple[float, dict[str, Any]]]:
        """The events of one kind that were kept, in the order of time."""
        yield from self._bodies("SELECT time, body FROM events WHERE kind = ? ORDER BY time", (kind,))

    def _bodies(self, query: str, values: tuple[str, ...]) -> Iterator[tuple[float, dict[str, Any]]]:
        """What is no time or no object is passed over: nothing rests on it but a picture."""
        try:
            cursor = self.db.execute(query, values)
            for time_, body in cursor:
                try:
                    yield moment(time_), json.loads(table(body))
                except ValueError:
                    continue
        except sqlite3.Error as error:
            raise self._translated(error) from error


def _attempt(
    number: Any,
    started: Any,
    ended: Any,
    extractor: Any,
    plan: Any,
    reason: Any,
    frames: Any,
    gained: Any,
    ended_by: Any,
    exit_status: Any,
    cause: Any,
    verdict: Any,
) -> AttemptRow:
    return AttemptRow(
        whole(number, 1),
        moment(started),
        maybe(moment, ended),
        text(extractor),
        table(plan),
        text(reason),
        whole(frames),
        maybe(whole, gained),
        maybe(text, ended_by),
        None if exit_status is None else whole(exit_status, -(2**63)),
        maybe(text, cause),
        maybe(text, verdict),
    )


def _decision(time: Any, attempt: Any, sentence: Any) -> tuple[float, int | None, str]:
    return moment(time), maybe(whole, attempt), text(sentence)
