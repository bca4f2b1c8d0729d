"""What a run has still to do is read piece by piece: an attempt costs its batch, however large the folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from dflwrap.frames.judgement import Entry
from dflwrap.ledger.ledger import Ledger
from dflwrap.ledger.records import FaceFacts, NewFrame, Outcome


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    made = Ledger(tmp_path / "run.db")
    made.add_frames(NewFrame(name, name[0], 10, 20, Entry.LINK, True, 0, "") for name in ("c.png", "a.png"))
    made.add_frames([NewFrame("b\n.png", "b", 10, 20, Entry.LINK, True, 0, "")])
    return made


def test_the_next_frames_come_in_the_order_of_the_folder(ledger: Ledger) -> None:
    assert [row.file_name for row in ledger.open_frames()] == ["a.png", "b\n.png", "c.png"]
    assert [row.file_name for row in ledger.open_frames(most=2)] == ["a.png", "b\n.png"]
    ledger.settle(ledger.open_frames()[0].id, Outcome.NO_FACE, attempt=1)
    assert [row.file_name for row in ledger.open_frames(most=1)] == ["b\n.png"]


def test_frames_that_are_held_back_are_passed_over(ledger: Ledger) -> None:
    shown = ledger.open_frames()[1].name
    assert "\n" not in shown
    assert [row.file_name for row in ledger.open_frames(without={shown}, most=2)] == ["a.png", "c.png"]
    assert [row.file_name for row in ledger.open_among({shown, "c.png", "d.png"})] == ["b\n.png", "c.png"]
    assert ledger.open_among(()) == []
    ledger.settle(ledger.open_frames()[2].id, Outcome.NO_FACE, attempt=1)
    assert [row.file_name for row in ledger.open_among({shown, "c.png"})] == ["b\n.png"]


def test_neither_sorts_the_folder_nor_looks_at_what_is_done(ledger: Ledger) -> None:
    asked: list[str] = []
    ledger.db.set_trace_callback(asked.append)
    ledger.open_frames(most=500)
    ledger.open_frames(without={"a.png"}, most=500)
    ledger.open_among({"a.png"})
    ledger.db.set_trace_callback(None)
    queries = [query for query in asked if query.startswith("SELECT")]
    assert len(queries) == 3
    for query in queries:
        plan = " ".join(str(row[3]) for row in ledger.db.execute(f"EXPLAIN QUERY PLAN {query}"))
        assert "frames USING INDEX frames_next" in plan and "TEMP B-TREE" not in plan, query


def test_what_is_asked_of_all_frames_at_a_start_agrees_with_the_rows(ledger: Ledger) -> None:
    ledger.add_frames([NewFrame("clip/a.png", "clip_a", 30, -1, Entry.LINK, True, 0, "")])
    rows = ledger.frames()
    assert ledger.file_names() == [row.file_name for row in rows]
    assert sorted(ledger.stems()) == sorted(row.stem for row in rows)
    assert list(ledger.files()) == [(row.id, row.file_name, *(ledger.size(row.id) or ())) for row in rows]
    ledger.adopt((row.id, f"{row.stem}_0.jpg", FaceFacts(1, 1, b"", None)) for row in rows[1:])
    assert [ledger.source_of(row.id) for row in rows] == [row.source_name for row in rows]
    assert "clip_a.png" in [row.source_name for row in rows] and ledger.source_of(99) is None
    assert list(ledger.each_face()) == sorted(ledger.faces(), key=lambda face: face.name)
    assert ledger.faces_of({rows[1].id}) == {rows[1].id: ledger.faces("frame = ?", (rows[1].id,))} != {}
    assert list(ledger.stamps()) == [(face.name, 1, 1) for face in ledger.each_face()]
    assert [frame for frame, *_ in ledger.without_result()] == [rows[0].id]
    ledger.settle(rows[0].id, Outcome.QUARANTINED, cause="imread-failed", evidence="")
    assert list(ledger.without_result()) == [
        (rows[0].id, rows[0].file_name, Outcome.QUARANTINED, "imread-failed")
    ]
