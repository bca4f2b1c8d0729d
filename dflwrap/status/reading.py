"""The state of a run, read from its ledger without touching it; also of one on another computer."""

from __future__ import annotations

import json
import math
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from dflwrap.common.errors import DflwrapError, ExitCode
from dflwrap.common.text import display
from dflwrap.ledger.ledger import Ledger
from dflwrap.ledger.records import AttemptRow, Counts
from dflwrap.ledger.snapshot import snapshot_of
from dflwrap.ledger.values import table
from dflwrap.ledger.widths import widths_of
from dflwrap.supervisor.outside.presence import ENDED, KEY, RUNNING
from dflwrap.supervisor.outside.stop_file import is_asked
from dflwrap.supervisor.run_folder import RunFolder

SILENT_AFTER = 180.0
"""Seconds without a sign of life after which a run on another computer counts as silent; three of the longest
pauses between two signs while an extractor works, one while a second extractor looks at frames."""
LAST_DECISIONS = 3
UNDER_WAY = frozenset({"running", "silent"})
CODES = {
    "running": 0,
    "complete": 0,
    "quarantined": 1,
    "interrupted": 1,
    "ended": 1,
    "silent": 1,
    "unknown": 1,
    "stopped": int(ExitCode.NEEDS_USER),
    "unreadable": int(ExitCode.USAGE),
}
"""Exit code of `dflwrap status` by state; of several runs the highest counts."""
NOTHING = Counts(0, 0, 0, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Status:
    """One run as it was at `time`. Times are seconds since the epoch."""

    faceset: Path
    run_folder: Path
    state: str
    """running; silent (on another computer, without a sign of life); ended (killed, or the power went); complete,
    quarantined, stopped, interrupted (as in the report); unknown (of an earlier dflwrap); unreadable."""
    time: float
    input_dir: str = ""
    counts: Counts = NOTHING
    stage: str = ""
    stage_since: float | None = None
    began: float | None = None
    """The last start of dflwrap."""
    last_sign: float | None = None
    host: str = ""
    extractor: str = ""
    attempt: int = 0
    plan: dict[str, Any] = field(default_factory=dict)
    workers: dict[str, int] = field(default_factory=dict)
    """At work now, by device ("GPU0", "CPU"), as far as the extractor tells."""
    rate: float | None = None
    """Frames per second."""
    left: tuple[float, float] | None = None
    """Seconds, at the least and at the most."""
    stop_cause: str = ""
    stop_sentence: str = ""
    stop_steps: tuple[str, ...] = ()
    reason: str = ""
    """Why it was interrupted."""
    asked_to_stop: bool = False
    decisions: tuple[tuple[float, str], ...] = ()
    """The last ones, oldest first."""
    devices: tuple[dict[str, Any], ...] = ()
    """Readings of video cards: index, used, total (bytes), utilisation (per cent), temperature (degrees Celsius)."""
    problem: str = ""
    """Why it is unreadable."""

    @property
    def under_way(self) -> bool:
        return self.state in UNDER_WAY

    @property
    def exit_code(self) -> int:
        return CODES[self.state]


def read_status(folder: RunFolder, faceset: Path, now: Callable[[], float] = time.time) -> Status:
    """Never raises: a ledger that cannot be read is a state as well."""
    try:
        with snapshot_of(folder.database) as ledger:
            return _read(ledger, folder, faceset, now())
    except DflwrapError as error:
        return Status(faceset, folder.path, "unreadable", now(), problem=str(error))


def _read(ledger: Ledger, folder: RunFolder, faceset: Path, now: float) -> Status:
    presence = _presence(ledger)
    attempts = ledger.attempts()
    last = attempts[-1] if attempts else None
    stop = presence.get("stop")
    stop = stop if isinstance(stop, dict) else {}
    state = _state(presence, now)
    running = state in UNDER_WAY
    left = presence.get("left")
    return Status(
        faceset,
        folder.path,
        state,
        now,
        input_dir=_text(ledger.get("input_dir")),
        counts=ledger.counts(),
        stage=_text(presence.get("stage")),
        stage_since=_number(presence.get("stage_since")),
        began=_number(presence.get("began")),
        last_sign=_number(presence.get("time")),
        host=_text(presence.get("host")),
        extractor=last.extractor if last else "",
        attempt=last.number if last else 0,
        plan=_plan(last),
        workers=widths_of(ledger, [last])[last.number].last if running and last else {},
        rate=_number(presence.get("rate")) if running else None,
        left=_range(left) if running else None,
        stop_cause=_text(stop.get("cause")),
        stop_sentence=_text(stop.get("sentence")),
        stop_steps=tuple(map(_text, stop["steps"])) if isinstance(stop.get("steps"), list) else (),
        reason=_text(presence.get("reason")),
        asked_to_stop=running and is_asked(folder.path),
        decisions=tuple((moment, display(text)) for moment, _, text in ledger.decisions()[-LAST_DECISIONS:]),
        devices=_devices(ledger) if running else (),
    )


def _presence(ledger: Ledger) -> dict[str, Any]:
    try:
        return ledger.get_table(KEY) or {}
    except DflwrapError:
        return {}


def _state(presence: dict[str, Any], now: float) -> str:
    state = presence.get("state")
    if state == ENDED:
        ended_as = presence.get("ended_as")
        known = ended_as in ("complete", "quarantined", "stopped", "interrupted")
        return str(ended_as) if known else "unknown"
    if state != RUNNING:
        return "unknown"
    if presence.get("host") == platform.node()[:200]:
        return "running" if _is_alive(presence) else "ended"
    sign = _number(presence.get("time"))
    return "silent" if sign is None or now - sign > SILENT_AFTER else "running"


def _is_alive(presence: dict[str, Any]) -> bool:
    """On this computer: that very process, not another one that got its number."""
    pid, started = presence.get("pid"), _number(presence.get("started"))
    if type(pid) is not int or not 0 < pid < 2**31:
        return False
    try:
        process = psutil.Process(pid)
        same = started is None or abs(process.create_time() - started) < 2.0
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.AccessDenied:
        return True
    except (psutil.Error, OSError):
        return False


def _plan(attempt: AttemptRow | None) -> dict[str, Any]:
    if attempt is None:
        return {}
    plan = json.loads(table(attempt.plan))
    return plan if isinstance(plan, dict) else {}


def _devices(ledger: Ledger) -> tuple[dict[str, Any], ...]:
    rows = ledger.read("SELECT body FROM samples ORDER BY id DESC LIMIT 1")
    try:
        body = json.loads(rows[0][0])
        return tuple(
            {key: _number(one.get(key)) for key in ("index", "used", "total", "utilisation", "temperature")}
            for one in body["devices"]
        )
    except (IndexError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ()


def _text(value: object) -> str:
    return display(value[:2000]) if isinstance(value, str) else ""


def _number(value: object) -> float | None:
    good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if good else None  # type: ignore[arg-type]


def _range(value: object) -> tuple[float, float] | None:
    if not isinstance(value, list) or len(value) != 2:
        return None
    least, most = map(_number, value)
    return None if least is None or most is None or not 0 <= least <= most else (least, most)
