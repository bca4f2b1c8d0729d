"""A ledger that holds what no dflwrap writes is told as damaged, before anything is done with it."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dflwrap.common.errors import DamagedLedgerError
from dflwrap.common.plan import Plan
from dflwrap.frames.judgement import Entry
from dflwrap.frames.names import is_single_name
from dflwrap.ledger.ledger import Ledger
from dflwrap.ledger.records import FaceFacts, Move, NewFrame, Outcome
from dflwrap.supervisor.crosscheck.budget import CrossCheckBudget

OUTSIDE = ["../x", "/etc/x", "a/b", "..", ".", "", "a\0b", "debug/../x", "debug//x", "debug/", "debug/a/b"]
BELOW = {"a/b", "debug/a/b"}
"""Of these, names of frames in a folder below: those of a join."""
NO_NUMBER = ["x", 1.5, -1, b"1", 2**63 - 1 + 0.0]
NO_TEXT = [b"x"]
BAD: dict[str, list[object]] = {
    "frames.raw": [*(value.encode() for value in OUTSIDE if value not in BELOW), b"a/../../x", "x.png", 7],
    "frames.name": NO_TEXT,
    "frames.stem": [*OUTSIDE, *NO_TEXT],
    "frames.entry": ["", "run", "LINK", b"link", 0],
    "frames.plain": ["", 2, -1, b"1"],
    "frames.max_side": NO_NUMBER,
    "frames.size": [-2, *(value for value in NO_NUMBER if value != -1)],  # -1: its disk did not tell
    "frames.mtime_ns": ["x", 1.5, b"1"],
    "frames.outcome": ["", "lost", "EXTRACTED", b"extracted", 1],
    "frames.faces": NO_NUMBER,
    "frames.attempt": NO_NUMBER,
    "frames.cause": [b"x"],
    "frames.evidence": [b"x"],
    "frames.failures": NO_NUMBER,
    "frames.longest_side": ["x"],
    "frames.fingerprint": [b"x"],
    "faces.name": [*OUTSIDE[:5], b"x", "debug/x"],
    "faces.frame": NO_NUMBER,
    "faces.size": NO_NUMBER,
    "faces.mtime_ns": ["x", b"1"],
    "faces.digest": ["x", 7],
    "faces.rect": ["{", "7", "[[1]]", '["1"]', b"[]", "[" * 100_000],
    "faces.adopted": ["x", 7],
    "faces.missing": ["x", 7],
    "moves.target": [*OUTSIDE, b"x", "DEBUG/x"],
    "moves.source": [
        *OUTSIDE,
        "attempts",
        "attempts/",
        "attempts/../../x",
        "set_aside/x",
        "attempts//x",
        b"x",
    ],
    "moves.frame": NO_NUMBER,
    "moves.attempt": NO_NUMBER,
    "attempts.started": ["x", b"1", float("inf")],
    "attempts.ended": ["x"],
    "attempts.extractor": [b"x"],
    "attempts.plan": ["", "{", "[]", "7", b"{}"],
    "attempts.reason": [b"x"],
    "attempts.frames": NO_NUMBER,
    "attempts.gained": NO_NUMBER,
    "attempts.ended_by": [b"x"],
    "attempts.exit_status": ["x", 1.5],
    "attempts.cause": [b"x"],
    "attempts.verdict": [b"x"],
    "decisions.time": ["x"],
    "decisions.attempt": ["x"],
    "decisions.sentence": [b"x"],
    "strangers.name": ["../x", b"x"],
    "strangers.size": NO_NUMBER,
    "run.value": ["", "{", b"{}", "NaN]"],
}


def whole_ledger(path: Path) -> Ledger:
    """A row in every table whose values are read."""
    ledger = Ledger(path)
    ledger.add_frames(NewFrame(f"{n}.png", str(n), 1, 1, Entry.LINK, True, 0, "", 640) for n in range(3))
    facts = FaceFacts(10, 20, b"digest", (1.0, 2.0, 3.0, 4.0))
    ledger.journal([Move("attempts/0001/out/0_0.jpg", "0_0.jpg", 1, 1, facts)])
    ledger.settle_promoted([1], 1, {1: "abc"})
    ledger.journal([Move("attempts/0001/out_debug/1.jpg", "debug/1.jpg", 2, 1)])
    ledger.settle(3, Outcome.QUARANTINED, attempt=1, cause="poison-frame", evidence="it died")
    ledger.begin_attempt(1, "builtin", Plan().to_dict(), "first", 3)
    ledger.end_attempt(1, gained=1, ended_by="exit", exit_status=-9, cause=None, verdict=None)
    ledger.decide(1, "because")
    ledger.add_strangers([("other.jpg", 3, 4)])
    ledger.put("options", {"image_size": 64})
    return ledger


def change(path: Path, statement: str, *values: object) -> None:
    database = sqlite3.connect(path)
    database.execute("PRAGMA ignore_check_constraints=ON")
    assert database.execute(statement, values).rowcount > 0
    database.commit()
    database.close()


def test_what_dflwrap_writes_is_read_back(tmp_path: Path) -> None:
    whole_ledger(tmp_path / "run.db").close()
    Ledger(tmp_path / "run.db").close()


@pytest.mark.parametrize("column", BAD)
def test_a_bad_value_is_a_damaged_ledger(tmp_path: Path, column: str) -> None:
    path = tmp_path / "run.db"
    whole_ledger(path).close()
    good = path.read_bytes()
    table, _, name = column.partition(".")
    for value in BAD[column]:
        path.write_bytes(good)
        row = {"raw": " WHERE id = 1", "stem": " WHERE id = 1"}.get(name, "")  # these are unique
        change(path, f"UPDATE {table} SET {name} = ?{row}", value)
        with pytest.raises(DamagedLedgerError, match="damaged") as raised:
            Ledger(path)
        assert str(raised.value).isprintable() and len(str(raised.value)) < 400


def test_a_bad_value_that_appears_during_the_run_is_told_when_it_is_read(tmp_path: Path) -> None:
    ledger = whole_ledger(tmp_path / "run.db")
    change(tmp_path / "run.db", "UPDATE moves SET target = '../x'")
    with pytest.raises(DamagedLedgerError):
        ledger.pending_moves()
    change(tmp_path / "run.db", "UPDATE run SET value = '[1]'")
    with pytest.raises(DamagedLedgerError):
        ledger.get_table("options")
    ledger.close()


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("stem_prefix", ["../", "/x", "", 7, ["x"]]),
        ("hostile_faces", [7, {}, ["x"], [{"face": "x"}]]),
        ("options", [7, [], "x"]),
        ("looks", [7, "x"]),
    ],
)
def test_a_bad_value_of_the_run_is_a_damaged_ledger(tmp_path: Path, key: str, values: list[object]) -> None:
    path = tmp_path / "run.db"
    for value in values:
        path.unlink(missing_ok=True)
        ledger = whole_ledger(path)
        ledger.put(key, value)
        ledger.close()
        with pytest.raises(DamagedLedgerError):
            Ledger(path)


@pytest.mark.parametrize("words", ["disk is full", "readonly", "locked", "disk I/O", "\x1b[2J"])
def test_a_text_that_is_none_is_a_damaged_ledger_whatever_it_says(tmp_path: Path, words: str) -> None:
    path = tmp_path / "run.db"
    whole_ledger(path).close()
    change(path, "UPDATE frames SET evidence = CAST(? AS TEXT)", b"\xff" + words.encode())
    with pytest.raises(DamagedLedgerError) as raised:
        Ledger(path)
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("looks", [[], 7, {"frames": "x"}, {"looks": 1.5}, {"done": 3}, {"done": [3]}])
def test_a_bad_budget_of_looks_is_a_damaged_ledger(tmp_path: Path, looks: object) -> None:
    ledger = whole_ledger(tmp_path / "run.db")
    ledger.put("looks", looks)
    with pytest.raises(DamagedLedgerError):
        CrossCheckBudget(ledger)
    ledger.close()


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER evil AFTER UPDATE ON frames BEGIN DELETE FROM frames; END",
        "CREATE VIEW other AS SELECT * FROM frames",
        "DROP TABLE moves",
        "ALTER TABLE faces DROP COLUMN digest",
    ],
)
def test_a_schema_that_is_not_ours_is_a_damaged_ledger(tmp_path: Path, statement: str) -> None:
    whole_ledger(tmp_path / "run.db").close()
    database = sqlite3.connect(tmp_path / "run.db")
    database.execute(statement)
    database.close()
    with pytest.raises(DamagedLedgerError):
        Ledger(tmp_path / "run.db")


@pytest.mark.parametrize("name", ["a.jpg", "..a.jpg", "a..jpg", " a", "写真_0.jpg", "-rf.jpg", "a b"])
def test_single_names(name: str) -> None:
    assert is_single_name(name, windows=False) and is_single_name(name, windows=True)


@pytest.mark.parametrize(
    "name", ["C:a.jpg", "a\\b.jpg", "\\\\host\\share", "..\\x", "a.jpg:stream", ".. ", "..."]
)
def test_names_that_lead_elsewhere_on_windows_only(name: str) -> None:
    assert not is_single_name(name, windows=True)
    assert is_single_name(name, windows=False), "there it is a letter like others"


@pytest.mark.parametrize("name", ["", ".", "..", "/", "/a", "a/", "../a", "a/../b", "a\0b"])
def test_names_that_lead_elsewhere_everywhere(name: str) -> None:
    assert not is_single_name(name, windows=True) and not is_single_name(name, windows=False)


@given(st.text(max_size=20), st.booleans())
def test_a_single_name_stays_in_its_folder(name: str, windows: bool) -> None:
    folder = PureWindowsPath("Z:/faceset") if windows else PurePosixPath("/faceset")
    if is_single_name(name, windows=windows):
        assert (folder / name).parent == folder
        assert ".." not in (folder / name).parts


def test_the_values_of_the_run_are_json(tmp_path: Path) -> None:
    ledger = whole_ledger(tmp_path / "run.db")
    assert json.dumps(ledger.get("options")) == '{"image_size": 64}'
    assert ledger.get_table("nothing") is None
    ledger.close()
