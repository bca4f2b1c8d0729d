"""Faces in the faceset that would run code in DeepFaceLab: named from the start to the report, and not adopted.

dflwrap never loads them; DeepFaceLab's own sort and training do. What would be adopted otherwise (a face
named after one of the frames, or in the place of a recorded one) is set aside; others stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from dflwrap.common.errors import DflwrapError
from dflwrap.common.retrying import retry_held_open
from dflwrap.common.text import display
from dflwrap.faceset.census import Census
from dflwrap.faceset.face_file.errors import HostileMetadataError
from dflwrap.faceset.face_file.hostile import check_harmless
from dflwrap.faceset.face_file.metadata import MAX_FILE_BYTES
from dflwrap.faceset.listing import Listing
from dflwrap.faceset.promotion import set_aside
from dflwrap.faceset.strangers import Stranger, StrangerKind
from dflwrap.ledger.ledger import HOSTILE_COLUMNS, HOSTILE_FACES, Ledger

MOST_NAMED = 10
"""Notices; the report has them all."""


def open_replaced(output: Path, ledger: Ledger, run_folder: Path, census: Census) -> list[str]:
    """At the start: a hostile file has the place of a recorded face. It is set aside with the other faces of that
    frame, which is open again (not where the user has worked on one of them); `census` is left without them.

    Raises NeedsUserError.
    """
    hostile = {s.name: s for s in census.strangers if s.kind is StrangerKind.HOSTILE}
    places = {row.name: row.frame for row in census.missing if row.name in hostile}
    if not places:
        return []
    gone, renamed = {row.name for row in census.missing}, {row.name: name for row, name in census.renamed}
    there = [
        row for rows in ledger.faces_of(set(places.values())).values() for row in rows if row.name not in gone
    ]
    frames = set(places.values()) - {row.frame for row in (*census.changed, *there) if row.edited}
    siblings = [row.name for row in there if row.frame in frames]
    for name in siblings:
        set_aside(output / renamed.get(name, name), run_folder)
    census.untouched -= len(set(siblings) - renamed.keys() - {row.name for row in census.present})
    kept_as = {name: set_aside(output / name, run_folder) for name in places}
    ledger.take_back(frames)
    for rows in (census.present, census.missing):
        rows[:] = [row for row in rows if row.frame not in frames]
    census.renamed[:] = [(row, name) for row, name in census.renamed if row.frame not in frames]
    census.strangers.leave_out(places)
    return record_hostile(ledger, run_folder, [hostile[name] for name in places], kept_as)


def record_hostile(
    ledger: Ledger, run_folder: Path, hostile: Iterable[Stranger], kept_as: Mapping[str, Path]
) -> list[str]:
    """Enter them into the ledger; what the user should hear of them. kept_as: where they are now, if set aside."""
    rows = []
    for stranger in hostile:
        kept = kept_as.get(stranger.name)
        where = kept.relative_to(run_folder).as_posix() if kept is not None else None
        rows.append(_row(stranger.name, stranger.problem, where))
    earlier = [row for row in hostile_faces(ledger) if row["set_aside"]]
    _put(ledger, [*earlier, *rows])
    notices = [sentence(row) for row in rows[:MOST_NAMED]]
    if len(rows) > MOST_NAMED:
        notices.append(f"and {len(rows) - MOST_NAMED} more hostile faces: see report.json")
    return notices


def look_again_at_hostile_faces(output: Path, ledger: Ledger) -> None:
    """At the end: what lies in the faceset now. Where that cannot be told, the start's answer stands."""
    with suppress(DflwrapError, OSError):
        rows = [row for row in hostile_faces(ledger) if row["set_aside"]]
        _put(ledger, [*rows, *(_row(name, problem, None) for name, problem in _look(output, ledger))])


def hostile_faces(ledger: Ledger) -> list[dict[str, Any]]:
    """Of the ledger: {face, problem, set_aside} each; `set_aside` is None for one that stays."""
    return ledger.get_rows(HOSTILE_FACES, HOSTILE_COLUMNS)


def sentence(row: Mapping[str, Any]) -> str:
    """What a person has to know of one hostile face."""
    name, problem = display(str(row["face"])), display(str(row["problem"]))
    if row["set_aside"]:
        return f"{name}: hostile: {problem}; set aside as {display(str(row['set_aside']))}"
    return f"{name}: hostile: {problem}; do not open this faceset with DeepFaceLab while it is there"


def _row(name: str, problem: str, kept: str | None) -> dict[str, Any]:
    return {"face": display(name), "problem": display(problem), "set_aside": kept and display(kept)}


def _put(ledger: Ledger, rows: list[dict[str, Any]]) -> None:
    if rows != hostile_faces(ledger):
        ledger.put(HOSTILE_FACES, rows)


def _look(output: Path, ledger: Ledger) -> list[tuple[str, str]]:
    """(file name, what is hostile about it) of what is not as the ledger has it. Raises OSError."""
    listing = Listing(output)
    listing.take_out_same(ledger.stamps())
    found = []
    for name in listing.faces():
        path = output / name
        try:
            if path.is_file() and path.stat().st_size <= MAX_FILE_BYTES:
                check_harmless(retry_held_open(path.read_bytes))
        except HostileMetadataError as error:
            found.append((name, str(error)))
        except OSError:
            continue  # it went away, or cannot be read by DeepFaceLab either
    return found
