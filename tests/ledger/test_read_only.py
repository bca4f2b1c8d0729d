"""A ledger is read without a byte of it, or a file beside it, being touched."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any

import pytest
from support import contents

from dflwrap.common.errors import DamagedLedgerError, DflwrapError
from dflwrap.ledger.ledger import Ledger
from dflwrap.ledger.read_only import copy_of, file_uri
from dflwrap.ledger.schema import TABLES, VERSION, statements
from dflwrap.ledger.snapshot import snapshot_of


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


@pytest.mark.parametrize("opened", [copy_of, snapshot_of])
def test_what_is_damaged_is_named_by_its_own_path_not_by_that_of_a_copy(tmp_path: Path, opened: Any) -> None:
    path = tmp_path / "run.db"
    ledger = Ledger(path)
    ledger.put("options", {})
    ledger.db.execute("UPDATE run SET value = '[]'")
    ledger.close()
    with pytest.raises(DamagedLedgerError, match="no object") as told, opened(path) as copy:
        copy.get_table("options")
    assert str(path) in str(told.value) and "dflwrap-" not in str(told.value).replace(str(tmp_path), "")
    content = bytearray(path.read_bytes())
    content[4096:8192] = b"\xff" * 4096
    path.write_bytes(content)
    with pytest.raises(DamagedLedgerError) as told, opened(path) as copy:
        copy.get("options")
    assert str(path) in str(told.value) and "dflwrap-" not in str(told.value).replace(str(tmp_path), "")


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


def test_a_reader_on_a_share_does_not_keep_the_run_from_writing(tmp_path: Path) -> None:
    """With a rollback journal, as on a network share, and a writer that waits for 0.2 s only."""
    path = tmp_path / "run.db"
    ledger = Ledger(path)
    ledger.add_samples(1, [(float(n), {"x": "y" * 2000}) for n in range(5000)])
    assert ledger.db.execute("PRAGMA journal_mode=DELETE").fetchone() == ("delete",)
    ledger.close()
    ended = threading.Event()
    trouble: list[str] = []
    written: list[int] = []

    def write() -> None:
        with closing(sqlite3.connect(path, timeout=0.2)) as run:
            while not ended.is_set():
                try:
                    run.execute("INSERT OR REPLACE INTO run VALUES ('n', ?)", (str(len(written)),))
                    run.commit()
                    written.append(1)
                except sqlite3.OperationalError as error:
                    trouble.append(str(error))
                time.sleep(0.5)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(3):
            with copy_of(path) as copy:
                assert sum(1 for _ in copy.samples()) == 5000
    finally:
        ended.set()
        writer.join(20)
    assert written and trouble == []


def test_what_a_run_on_a_share_is_just_writing_is_not_read_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a rollback journal no file beside the ledger shows that somebody is about to write."""
    monkeypatch.setattr("dflwrap.ledger.read_only.BUSY", 0.2)
    monkeypatch.setattr("dflwrap.ledger.read_only.LONGEST_COPY", 1.0)
    path = tmp_path / "run.db"
    ledger = Ledger(path)
    assert ledger.db.execute("PRAGMA journal_mode=DELETE").fetchone() == ("delete",)
    ledger.db.execute("BEGIN EXCLUSIVE")
    with pytest.raises(DflwrapError, match=r"cannot be read|all the time"), copy_of(path):
        pass
    ledger.db.execute("COMMIT")
    with copy_of(path) as copy:
        assert copy.counts().total == 0
    ledger.close()
