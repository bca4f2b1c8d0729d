"""A ledger is read without a byte of it, or a file beside it, being touched."""

from __future__ import annotations

import sqlite3
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath

import pytest
from support import contents

from dflwrap.common.errors import DflwrapError
from dflwrap.ledger.ledger import Ledger
from dflwrap.ledger.read_only import copy_of, file_uri
from dflwrap.ledger.schema import TABLES, VERSION, statements


def test_a_closed_ledger_is_read_and_left_alone(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "run.db")
    ledger.put("input_dir", "frames")
    ledger.close()
    before = contents(tmp_path)
    with copy_of(tmp_path / "run.db") as copy:
        assert copy.get("input_dir") == "frames"
        copy.put("input_dir", "elsewhere")
    assert contents(tmp_path) == before


def test_a_ledger_of_a_run_that_is_under_way_is_read(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "run.db")
    ledger.put("number", 1)
    with copy_of(tmp_path / "run.db") as copy:
        assert copy.get("number") == 1
        ledger.put("number", 2)
    with copy_of(tmp_path / "run.db") as copy:
        assert copy.get("number") == 2
    ledger.close()


def test_a_ledger_of_the_first_version_is_read_and_stays_one(tmp_path: Path) -> None:
    assert VERSION > 1
    database = sqlite3.connect(tmp_path / "run.db")
    for statement in statements(TABLES):
        database.execute(statement)
    database.execute("PRAGMA user_version=1")
    database.execute("INSERT INTO run VALUES ('input_dir', '\"frames\"')")
    database.commit()
    database.close()
    before = contents(tmp_path)
    with copy_of(tmp_path / "run.db") as copy:
        assert copy.get("input_dir") == "frames"
        assert copy.faces() == []
    assert contents(tmp_path) == before


@pytest.mark.parametrize("content", [b"no ledger" * 100, None])
def test_what_is_no_ledger_is_one_clear_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "a name with 100% and # in it.db"
    if content is not None:
        path.write_bytes(content)
    before = contents(tmp_path)
    with pytest.raises(DflwrapError, match="ledger"), copy_of(path):
        pass
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        (PurePosixPath("/a b/50%/#1?.db"), "file:///a%20b/50%25/%231%3F.db"),
        (PureWindowsPath(r"C:\clips\run.db"), "file:///C:/clips/run.db"),
        (PureWindowsPath(r"\\nas\share\run.db"), "file:////nas/share/run.db"),
    ],
)
def test_paths_are_named_as_sqlite_takes_them(path: PurePath, uri: str) -> None:
    assert file_uri(path) == uri
