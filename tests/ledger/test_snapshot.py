"""A snapshot is whole while another process writes, takes no lock, and leaves no trace."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from support import contents, until

from dflwrap.common.errors import DflwrapError
from dflwrap.ledger.ledger import Ledger
from dflwrap.ledger.snapshot import snapshot_of

WRITER = """
import sys, time
from pathlib import Path
import dflwrap.ledger.schema as schema
schema._on_network_share = lambda path: sys.argv[2] == "DELETE"
from dflwrap.ledger.ledger import Ledger
ledger = Ledger(Path(sys.argv[1]))
assert ledger.db.execute("PRAGMA journal_mode").fetchone()[0].upper() == sys.argv[2]
ledger.db.execute("PRAGMA synchronous=OFF")  # so that there are many writes while the test looks
number, rest_at = 0, time.monotonic() + 0.1
while True:
    if sys.argv[2] == "DELETE" and time.monotonic() > rest_at:  # with no rest at all, only luck would bring a copy
        time.sleep(0.03)
        rest_at = time.monotonic() + 0.1
    number += 1
    with ledger.transaction():
        # Two far ends of the file, always alike.
        ledger.db.execute("INSERT OR REPLACE INTO run VALUES ('a', ?)", (str(number),))
        ledger.db.executemany(
            "INSERT INTO decisions (time, attempt, sentence) VALUES (1, NULL, ?)", [("x" * 3000,)] * 5
        )
        ledger.db.execute("INSERT OR REPLACE INTO run VALUES ('z', ?)", (str(number),))
    if number % 200 == 0:
        with ledger.transaction():
            ledger.db.execute("DELETE FROM decisions")
"""


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_it_is_whole_while_another_process_writes(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "run.db"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path), mode])
    seen, refused = [], []
    try:
        assert until(lambda: path.exists() and path.stat().st_size > 100_000, 60)
        for _ in range(40):
            try:
                with snapshot_of(path) as ledger:
                    a, z = ledger.get("a"), ledger.get("z")
                    assert a == z
                    assert ledger.db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
                    seen.append(a)
            except DflwrapError as error:
                refused.append(str(error))
            assert writer.poll() is None, "the writer was harmed"
    finally:
        writer.kill()
        writer.wait(30)
    assert all("changes all the time" in text for text in refused)
    assert len(set(seen)) > (10 if mode == "WAL" else 3), "it saw it change"


def test_it_takes_no_lock_and_waits_for_none(tmp_path: Path) -> None:
    """An exclusive lock keeps SQLite itself from reading."""
    path = tmp_path / "run.db"
    ledger = Ledger(path)
    ledger.put("number", 1)
    ledger.close()
    held = (
        "import sqlite3, sys, time\n"
        "db = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "db.execute('PRAGMA journal_mode=DELETE')\n"
        "db.execute('BEGIN EXCLUSIVE')\nprint('held', flush=True)\ntime.sleep(60)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", held, str(path)], stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            sqlite3.connect(path, timeout=0).execute("SELECT * FROM run").fetchall()
        with snapshot_of(path) as copy:
            assert copy.get("number") == 1
    finally:
        holder.kill()
        holder.wait(30)


def test_nothing_is_written_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    ledger = Ledger(path)
    ledger.put("number", 1)
    live = contents(tmp_path)
    with snapshot_of(path) as copy:
        assert copy.get("number") == 1, "from the WAL"
        copy.put("number", 2)
    assert contents(tmp_path) == live
    assert ledger.get("number") == 1
    ledger.close()
    closed = contents(tmp_path)
    with snapshot_of(path) as copy:
        assert copy.get("number") == 1
    assert contents(tmp_path) == closed


@pytest.mark.parametrize("content", [b"no ledger" * 100, None])
def test_what_is_no_ledger_is_one_clear_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "run.db"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DflwrapError) as raised, snapshot_of(path):
        pass
    assert "\n" not in str(raised.value) and "run.db" in str(raised.value)
