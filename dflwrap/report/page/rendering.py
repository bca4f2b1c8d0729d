"""The facts as HTML: one file, everything in it, every text of others escaped."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from dflwrap import __version__
from dflwrap.common.text import counted, display
from dflwrap.ledger.records import AttemptRow
from dflwrap.report.moments import iso
from dflwrap.report.night.facts import CUT_OFF, RUNNING, Facts
from dflwrap.report.night.gathering import MOST_PICTURED
from dflwrap.report.night.timeline import device_name
from dflwrap.report.night.values import items, length, table, text
from dflwrap.report.page.answers import answers, headline, to_do

MOST_ATTEMPTS, MOST_DECISIONS = 300, 400
"""Rows of a table: the newest."""
OUTCOMES = (
    ("extracted", "extracted"),
    ("no_face", "no face"),
    ("quarantined", "quarantined"),
    ("not_attempted", "not attempted"),
)
_SECTIONS = (
    ("answers-title", "Ten questions"),
    ("frames", "Frames"),
    ("timeline", "The night"),
    ("failures", "Failures"),
    ("look", "To look at"),
    ("faces", "Faceset"),
    ("sessions", "Starts and stops"),
    ("machine", "Machine and options"),
)
_STATES = {
    "complete": "complete",
    "quarantined": "finished, with frames that have no result",
    "stopped": "stopped; it needs you",
    "interrupted": "interrupted",
    RUNNING: "at work",
    CUT_OFF: "cut off: it never came to its end",
}
_ENDED = {"exit": "by itself", "hang": "ended: it hung", "prompt": "ended: it asked", "stop": "stopped"}
_EXTRACTOR = (
    ("title", "Extractor"),
    ("version", "Its version"),
    ("python", "Its Python"),
    ("why", "Chosen because"),
)
Hide = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class _Attempt:
    row: AttemptRow
    took: str
    plan: str
    ended: str


def render(facts: Facts, hide: Hide = display) -> str:
    """The page. hide: what becomes of each text that is shown (see `hiding`)."""

    def shown(value: Any) -> Any:
        return hide(display(value)) if isinstance(value, str) and not isinstance(value, Markup) else value

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, finalize=shown, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(iso=lambda moment: iso(moment) or "", day=_day, short=text, length_of=length)
    script, uplot = asset("page.js"), asset("vendor/uplot/uPlot.iife.min.js")
    counts = facts.counts
    words, tone = headline(facts)
    places = {id(piece): number for number, piece in enumerate(facts.clip)}
    return environment.from_string(asset("page.html")).render(
        facts=facts,
        counts=counts,
        spent=facts.line.spent,
        totals={
            "extracted": counts.extracted,
            "no_face": counts.no_face,
            "quarantined": counts.quarantined,
            "not_attempted": counts.not_attempted + counts.open,
        },
        outcomes=OUTCOMES,
        name="a faceset" if facts.shared else facts.output_dir.name or "a faceset",
        version=__version__,
        headline=words,
        tone=tone,
        sections=_SECTIONS,
        states=_STATES,
        to_do=to_do(facts),
        answers=answers(facts),
        attempts=[_attempt(facts, row) for row in facts.attempts[-MOST_ATTEMPTS:]],
        decisions=facts.decisions[-MOST_DECISIONS:],
        failed=sum(1 for row in facts.attempts if row.cause),
        pictured=MOST_PICTURED if not facts.shared else 0,
        unpictured=[one for one in facts.review if one.picture is None],
        no_face_words=_no_face_words(facts),
        second_look_words=_second_look_words(facts),
        machine=_machine(facts),
        loop_index=lambda _, piece: places[id(piece)],
        css=Markup(asset("vendor/uplot/uPlot.min.css") + asset("page.css")),  # noqa: S704 - files of this package
        script=Markup(script),  # noqa: S704
        uplot=Markup(uplot),  # noqa: S704
        script_hashes=Markup(f"{_hash(uplot)} {_hash(script)}"),  # noqa: S704 - base64
        data=Markup(_json(_data(facts), shown)),  # noqa: S704 - escaped in _json
    )


def asset(name: str) -> str:
    """A file of this folder."""
    return files("dflwrap.report.page").joinpath(name).read_text(encoding="utf-8")


def _day(moment: float) -> str:
    """`27 November 2026, 03:12`."""
    when = datetime.fromtimestamp(moment).astimezone()
    return f"{when.day} {when:%B %Y, %H:%M}"


def _hash(script: str) -> str:
    """As a Content-Security-Policy names a script that may run."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def _data(facts: Facts) -> dict[str, Any]:
    try:
        offset = datetime.fromtimestamp(facts.line.start).astimezone().utcoffset()
    except (ValueError, OverflowError, OSError):
        offset = None
    return {**facts.line.to_json(), "offset": offset.total_seconds() if offset is not None else 0}


def _json(data: Any, shown: Callable[[Any], Any]) -> str:
    """For a script element: nothing in it can end that element, or begin a comment or another."""

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: walk(item) for key, item in value.items()}
        return [walk(item) for item in value] if isinstance(value, list | tuple) else shown(value)

    safe = json.dumps(walk(data), ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return safe.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _attempt(facts: Facts, row: AttemptRow) -> _Attempt:
    if row.ended is None:
        took, ended = "", "at work" if facts.state == RUNNING else "cut off"
    else:
        took = length(row.ended - row.started)
        ended = _ENDED.get(row.ended_by or "", text(row.ended_by, 40))
    if row.cause:
        ended += f"; {text(row.cause, 80)}"
    return _Attempt(row, took, _plan_words(facts, row), ended)


def _plan_words(facts: Facts, row: AttemptRow) -> str:
    plan = table(json.loads(row.plan))
    devices = facts.devices_of(row)
    where = ", ".join(f"GPU {index}" for index in devices) or "CPU"
    workers, told = plan.get("workers"), facts.line.widths.get(row.number)
    parts = [text(row.extractor, 40), where, counted(workers, "worker") if type(workers) is int else ""]
    if told is not None and told.changes:
        widest = list(told.most.items()) or [(where, 0)]
        parts[1:] = [f"{device_name(name)} with up to {counted(n, 'worker')}" for name, n in widest]
    batch, side = plan.get("batch_size"), plan.get("max_side")
    parts += [f"{counted(batch, 'frame')} at a time"] if type(batch) is int and batch else []
    parts += [f"longest side {side} px"] if type(side) is int and side else []
    parts += ["weights on the CPU"] if plan.get("weights_on_cpu") is True else []
    return ", ".join(filter(None, parts))


def _no_face_words(facts: Facts) -> str:
    reasons = table(facts.no_face_reasons.get("reasons"))
    looked = facts.no_face_reasons.get("looked")
    if not reasons or not looked or not facts.counts.no_face:
        return ""
    parts = [f"{text(str(number), 12)} {text(name, 40)}" for name, number in list(reasons.items())[:8]]
    return f"Of {text(str(looked), 12)} that were looked at: {', '.join(parts)}"


def _second_look_words(facts: Facts) -> str:
    looked, found = facts.second_look.get("looked"), items(facts.second_look.get("found"))
    if type(looked) is not int or not looked:
        return ""
    return f"The second extractor looked at {counted(looked, 'frame')} of them again, and saw a face in {len(found):,}."


def _machine(facts: Facts) -> list[tuple[str, str]]:
    rows = [("dflwrap", __version__), *facts.machine.items()]
    for key, words in _EXTRACTOR:
        value = text(facts.extractor.get(key), 200)
        rows += [(words, value)] if value else []
    rows += [
        ("Graphics card", f"GPU {use.index}: {use.name}") for use in facts.line.telemetry.devices.values()
    ]
    if facts.attempts:
        rows += [
            ("First plan", _plan_words(facts, facts.attempts[0])),
            ("Last plan", _plan_words(facts, facts.attempts[-1])),
        ]
    if not facts.shared:
        rows += [("Frames", str(facts.input_dir)), ("Faceset", str(facts.output_dir))]
    options = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in facts.options.items())
    return [*rows, ("Options", text(options, 600))]
