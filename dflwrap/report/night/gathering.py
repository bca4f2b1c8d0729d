"""From the run folder to the facts of its page. Nothing is written, nothing is unpickled."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from dflwrap.common.text import display
from dflwrap.frames.conversion import Converter
from dflwrap.frames.filters import FILTERED
from dflwrap.ledger.history import closed, last_sign, sessions_of
from dflwrap.ledger.ledger import HOSTILE_COLUMNS, HOSTILE_FACES, Ledger
from dflwrap.ledger.read_only import copy_of
from dflwrap.ledger.records import FrameRow
from dflwrap.report.night.clip import along_the_clip
from dflwrap.report.night.faces import (
    MOST_REVIEWED,
    FaceLook,
    contact_sheet,
    faces_as_pictures,
    look_at_faces,
)
from dflwrap.report.night.facts import CUT_OFF, RUNNING, Facts, OddFace, Shown, open_as
from dflwrap.report.night.failures import causes, failures, title_of
from dflwrap.report.night.pictures import FRAME_SIDE, Album
from dflwrap.report.night.timeline import make_timeline
from dflwrap.report.night.values import items, table, text
from dflwrap.report.summary import NOT_REACHED

MOST_LISTED = 300
"""Frames of a list; report.json has all."""
MOST_PICTURED, MOST_DOUBTFUL = 48, 18
"""Frames with a picture."""
_LEFT_OUT = frozenset({FILTERED, "frame-removed"})
MOST_REPORT = 256 * 1024**2
"""Bytes of a report.json that is read."""
SILENT = 180.0
"""Seconds without a sign of life after which a run that nobody ended was cut off. A wait for video memory and the
preparing of a batch may be silent for longer: whoever knows better says so."""


def gather(
    database: Path, *, alive: bool | None = None, seconds: float, pictures: bool = True, faces: bool = True
) -> Facts:
    """The facts of the run whose ledger is `database`.

    alive: whether a dflwrap works on it now; None = concluded from its signs of life. seconds: for faces and pictures
    together. pictures, faces: False leaves them out. Raises DflwrapError where the ledger cannot be read.
    """
    with copy_of(database) as ledger:
        facts = _facts(ledger, database.parent, alive)
        rows, files = ledger.frames(), [face for face in ledger.faces() if not face.missing]
    facts.clip = along_the_clip(rows)
    order = {row.id: number for number, row in enumerate(rows)}
    names = [face.name for face in sorted(files, key=lambda face: (order.get(face.frame, 0), face.name))]
    _frames_to_look_at(facts, rows)
    if faces:
        frame_names = [row.file_name for row in rows]
        facts.faces = look_at_faces(facts.output_dir, names, frame_names, 0.6 * seconds)
    else:
        facts.faces = FaceLook(len(names))
    facts.review = [
        OddFace(display(odd.file), display(odd.source), odd.oddity.value.replace("_", " "), text(odd.reason))
        for odd in facts.faces.odd[:MOST_LISTED]
    ]
    if pictures:
        with Converter() as converter:
            _illustrate(facts, rows, names, Album(converter, 0.4 * seconds))
    return facts


def _facts(ledger: Ledger, folder: Path, alive: bool | None) -> Facts:
    now = time.time()
    sessions, sign = sessions_of(ledger), last_sign(ledger)
    if alive is None:
        alive = sign is not None and now - sign < SILENT
    if not alive:
        sessions = closed(sessions, sign)
    written = _report_of(folder)
    attempts = ledger.attempts()
    state = sessions[-1].state if sessions else text(table(written.get("run")).get("state"), 20) or CUT_OFF
    if state == RUNNING and not alive:
        state = CUT_OFF
    counts = ledger.counts()
    removed = [face.name for face in ledger.faces("missing")]
    facts = Facts(
        now,
        state,
        counts,
        sessions,
        Path(str(ledger.get("input_dir") or "")),
        Path(str(ledger.get("output_dir") or "")),
        table(ledger.get("options")),
        table(ledger.get("extractor")),
        attempts,
        ledger.decisions(),
        failures(ledger),
        missing_faces=[display(name) for name in removed],
        second_look=table(ledger.get("second_look")),
        no_face_reasons=table(ledger.get("no_face_reasons")),
        hostile=ledger.get_rows(HOSTILE_FACES, HOSTILE_COLUMNS),
        ignored=[table(row) for row in items(written.get("ignored"))[:MOST_LISTED]],
        manual=[text(name) for name in items(written.get("manual")) if isinstance(name, str)],
        machine={text(k, 40): text(str(v), 120) for k, v in table(ledger.get("machine")).items()},
    )
    facts.line = make_timeline(ledger, sessions, now if alive else (sign or now))
    return facts


def _report_of(folder: Path) -> dict[str, Any]:
    """report.json, for what the ledger does not keep."""
    path = folder / "report.json"
    with suppress(OSError, ValueError, RecursionError):
        if path.stat().st_size <= MOST_REPORT:
            return table(json.loads(path.read_bytes()))
    return {}


def _frames_to_look_at(facts: Facts, rows: Sequence[FrameRow]) -> None:
    fallback = facts.stop.cause if facts.stop is not None and facts.stop.cause else NOT_REACHED
    by: dict[str | None, list[FrameRow]] = {}
    for row in rows:
        by.setdefault(row.outcome.value if row.outcome is not None else None, []).append(row)
    left = [row for row in by.get("not_attempted", []) if row.cause != "removed"]
    asked_for = [row for row in left if row.cause not in _LEFT_OUT]
    facts.left_out = len(left) - len(asked_for)
    lost = [*by.get("quarantined", []), *asked_for, *by.get(None, [])]
    facts.causes = causes(lost, fallback)
    facts.quarantined = [
        _shown(row, "unknown", facts.state) for row in by.get("quarantined", [])[:MOST_LISTED]
    ]
    open_rows = [*left, *by.get(None, [])]
    facts.not_attempted = [_shown(row, fallback, facts.state) for row in open_rows[:MOST_LISTED]]
    empty = by.get("no_face", [])
    found = {name for name in items(facts.second_look.get("found")) if isinstance(name, str)}
    first = [row for row in empty if row.name in found]
    others = [row for row in empty if row.name not in found]
    step = max(1, len(others) // MOST_DOUBTFUL)
    facts.doubtful = [
        Shown(row.name, "no-face", "The second extractor sees a face" if row.name in found else "No face", "")
        for row in [*first, *others[::step]][:MOST_DOUBTFUL]
    ]


def _shown(row: FrameRow, fallback: str, state: str) -> Shown:
    cause = row.cause or fallback
    return Shown(row.name, cause, title_of(cause), text(open_as(row, state)))


def _illustrate(facts: Facts, rows: Sequence[FrameRow], names: Sequence[str], album: Album) -> None:
    """Pictures for what is listed, the most urgent first."""
    path_of = {row.name: facts.input_dir / row.file_name for row in rows}

    def pictured(shown: Sequence[Shown], most: int) -> list[Shown]:
        return [
            replace(
                one, picture=album.add(path_of[one.name], FRAME_SIDE, alt=f"Frame {one.name}: {one.title}")
            )
            if number < most and one.name in path_of
            else one
            for number, one in enumerate(shown)
        ]

    facts.quarantined = pictured(facts.quarantined, MOST_PICTURED)
    facts.doubtful = pictured(facts.doubtful, MOST_DOUBTFUL)
    files = {odd.file: odd for odd in facts.review[:MOST_REVIEWED]}
    raw = {display(odd.file): odd.file for odd in facts.faces.odd}
    for name in files:
        made = faces_as_pictures(
            [raw[name]],
            facts.output_dir,
            album,
            lambda _: "",
            lambda file: f"Face {file}: {files[display(file)].kind}",
        )
        if made:
            files[name] = replace(files[name], picture=made[0])
    facts.review = [files.get(odd.file, odd) for odd in facts.review]
    facts.sheet = contact_sheet(facts.faces, names, facts.output_dir, album)
