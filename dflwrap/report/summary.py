"""`report.json`: what became of every frame, and of every attempt. Built from the ledger."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from dflwrap import __version__
from dflwrap.common.durable import sync
from dflwrap.common.retrying import retry_held_open
from dflwrap.common.text import display, safe_json
from dflwrap.ledger.history import sessions_of
from dflwrap.ledger.ledger import HOSTILE_COLUMNS, HOSTILE_FACES, Ledger
from dflwrap.ledger.records import AttemptRow, FrameRow, Told
from dflwrap.report.moments import iso

LINES = 1000
"""Of JSON that are made at once: the report of a hundred thousand frames has a dozen megabytes."""
SCHEMA_VERSION = 1
RUNNING = "running"
NOT_REACHED = "not-reached"
"""Cause of frames that an interrupted run did not come to."""


def build_report(
    ledger: Ledger, *, state: str, stop: dict[str, Any] | None, ignored: Sequence[dict[str, str]]
) -> dict[str, Any]:
    """The report as plain data.

    state: RUNNING (its figures are those of when it was written) | "complete" | "quarantined" | "stopped" |
    "interrupted". `frames` adds up in every state: frames that are still open count as not attempted, with the reason.
    """
    counts = ledger.counts()
    reason = {
        RUNNING: "the run had not reached it when this was written",
        "stopped": "the run stopped before it",
        "interrupted": "the run was interrupted before it",
    }
    attempts, sessions = ledger.attempts(), sessions_of(ledger)
    return {
        "schema_version": SCHEMA_VERSION,
        "written_at": iso(time.time()),
        "run": {
            "dflwrap": __version__,
            "state": state,
            "input_dir": ledger.get("input_dir"),
            "output_dir": ledger.get("output_dir"),
            "options": ledger.get("options"),
            "extractor": ledger.get("extractor"),
            "stop": stop,
            "started_at": iso(sessions[0].started if sessions else None),
            "ended_at": iso(sessions[-1].ended if sessions else None),
            "sessions": [
                {
                    "started_at": iso(session.started),
                    "ended_at": iso(session.ended),
                    "state": session.state,
                    "cause": session.cause or None,
                    "sentence": session.sentence or None,
                }
                for session in sessions
            ],
        },
        "frames": {
            "total": counts.total,
            "extracted": counts.extracted,
            "no_face": counts.no_face,
            "quarantined": counts.quarantined,
            "not_attempted": counts.not_attempted + counts.open,
            "removed": counts.removed,
        },
        "faces": counts.faces,
        "faces_missing": [display(face.name) for face in ledger.faces("missing")],
        "extracted_by": _extracted_by(ledger),
        "no_face": [row.name for row in ledger.told("outcome = 'no_face'")],
        "no_face_reasons": ledger.get("no_face_reasons"),
        "quarantined": [_attention(row) for row in ledger.told("outcome = 'quarantined'")],
        "not_attempted": [
            *(_attention(row) for row in ledger.not_attempted()),
            *(
                {
                    "frame": row.name,
                    "cause": row.cause or (stop or {}).get("cause") or NOT_REACHED,
                    "evidence": row.evidence or reason.get(state, "the run did not reach it"),
                }
                for row in ledger.told("outcome IS NULL")
            ),
        ],
        "removed": [row.name for row in ledger.removed()],
        "ignored": list(ignored),
        "hostile_faces": ledger.get_rows(HOSTILE_FACES, HOSTILE_COLUMNS),
        "second_look": ledger.get("second_look"),
        "attempts": [_attempt(attempt) for attempt in attempts],
        "decisions": [
            {"time": moment, "at": iso(moment), "attempt": attempt, "sentence": sentence}
            for moment, attempt, sentence in ledger.decisions()
        ],
    }


def _attempt(attempt: AttemptRow) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "extractor": attempt.extractor,
        "plan": json.loads(attempt.plan),
        "reason": attempt.reason,
        "started": attempt.started,
        "started_at": iso(attempt.started),
        "ended": attempt.ended,
        "ended_at": iso(attempt.ended),
        "frames": attempt.frames,
        "gained": attempt.gained,
        "ended_by": attempt.ended_by,
        "exit_status": attempt.exit_status,
        "cause": attempt.cause,
        "verdict": _verdict(attempt.verdict),
    }


def _verdict(text: str | None) -> dict[str, Any] | None:
    """What the diagnosis said, as the ledger has it; None for a healthy attempt."""
    try:
        verdict = json.loads(text) if text else None
    except (ValueError, RecursionError):
        return None
    return verdict if isinstance(verdict, dict) else None


def _extracted_by(ledger: Ledger) -> dict[str, list[str]]:
    """Names of the extracted frames by extractor; faces that were in the faceset before the run are nobody's."""
    at_work = {attempt.number: attempt.extractor for attempt in ledger.attempts()}
    by_extractor: dict[str, list[str]] = {}
    for row in ledger.told("outcome = 'extracted' AND attempt IS NOT NULL"):
        by_extractor.setdefault(at_work.get(row.attempt or 0, "unknown"), []).append(row.name)
    return by_extractor


def _attention(row: FrameRow | Told) -> dict[str, str]:
    return {"frame": row.name, "cause": row.cause or "unknown", "evidence": row.evidence or ""}


def _pieces(report: dict[str, Any]) -> Iterator[str]:
    """Its JSON. Lists of frames and faces have a line for each: Python indents a hundred thousand in seconds."""
    yield "{"
    before = "\n "
    for key, value in report.items():
        yield f"{before}{_json(key)}: "
        before = ",\n "
        if key in _ONE_LINE_EACH and value:
            lines = map(_json, value)
            yield f"[\n  {next(lines)}"
            while some := list(islice(lines, LINES)):
                yield ",\n  ".join(["", *some])
            yield "\n ]"
        else:
            yield json.dumps(value, indent=1, ensure_ascii=False).replace("\n", "\n ")
    yield "\n}"


_json = json.JSONEncoder(ensure_ascii=False).encode
_ONE_LINE_EACH = frozenset({"faces_missing", "no_face", "quarantined", "not_attempted", "removed", "ignored"})


def write_report(path: Path, report: dict[str, Any]) -> None:
    """Replace the report atomically. Raises OSError."""
    part = path.with_suffix(".json.part")
    # What would act in a terminal, or is no text (a folder's name may be any bytes), stands as \\uXXXX.
    with retry_held_open(lambda: part.open("w", encoding="utf-8")) as file:
        file.writelines(map(safe_json, _pieces(report)))
        file.flush()
        sync(file.fileno())
    retry_held_open(lambda: part.replace(path))
