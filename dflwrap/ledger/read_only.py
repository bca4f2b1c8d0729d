"""Reading the ledger of a run, also one that is under way or of an earlier version, without touching it."""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path, PurePath
from typing import Any

from dflwrap.common.errors import DflwrapError
from dflwrap.common.text import display
from dflwrap.ledger.error_messages import damaged, told_of
from dflwrap.ledger.ledger import Ledger
from dflwrap.ledger.values import parsed

BUSY = 10.0
"""Seconds to wait for a writer."""
PAGES = 512
"""Of 4 KB: what is copied at a time where a reader keeps the run from writing."""
BREATH = 0.03
"""Seconds between two steps: a writer that waits looks every few milliseconds."""
LONGEST_COPY = 60.0
"""Seconds."""


@contextmanager
def copy_of(path: Path) -> Iterator[Ledger]:
    """A copy of the ledger at `path`, brought up to date, that goes away with the block.

    The file, its folder and a run that writes to it just now are left as they are. Raises DflwrapError
    when it is damaged, of a newer version, or cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="dflwrap-ledger-") as folder:
        copy = Path(folder) / path.name
        try:
            with closing(_opened(path)) as source, closing(sqlite3.connect(copy)) as target:
                _copy(path, source, target)
        except TimeoutError as error:
            raise DflwrapError(
                f"The run writes to its ledger all the time: {display(str(path))}. Try again later."
            ) from error
        except sqlite3.OperationalError as error:
            raise DflwrapError(
                f"The run's ledger cannot be read: {display(str(path))} ({display(str(error))}). "
                "Check its permissions; if a run is under way, try again later."
            ) from error
        except sqlite3.DatabaseError as error:
            raise damaged(str(error), path) from error
        with told_of(path, copy):
            ledger = Ledger(copy)
            try:
                yield ledger
            finally:
                ledger.close()


def _copy(path: Path, source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    """Without a WAL (on a network share) a reader keeps the run from writing: there in steps, with room between them.

    Raises TimeoutError where the run writes so often that the copy begins again and again.
    """
    if path.with_name(path.name + "-wal").exists():
        source.backup(target)
        return
    until = time.monotonic() + LONGEST_COPY

    def look(status: int, remaining: int, total: int) -> None:
        if time.monotonic() > until:
            raise TimeoutError
        time.sleep(BREATH)  # between two steps nothing is locked

    source.backup(target, pages=PAGES, progress=look)


def recorded(path: Path, key: str) -> Any:
    """A value of the run whose ledger is at `path`; None where there is none, or it cannot be read just now."""
    try:
        with closing(_opened(path)) as ledger:
            if ledger.execute(
                "SELECT 1 FROM sqlite_schema WHERE type NOT IN ('table', 'index') LIMIT 1"
            ).fetchone():
                return None  # a view may never end; opening the run says what is wrong with it
            row = ledger.execute("SELECT value FROM run WHERE key = ?", (key,)).fetchone()
        return parsed(row[0]) if row is not None else None
    except (sqlite3.Error, OSError, ValueError):
        return None


def _opened(path: Path) -> sqlite3.Connection:
    # In WAL mode, without a log beside it, nobody is writing: then SQLite may skip its own files, which it would make
    # there. With a rollback journal it makes none, and whether somebody writes between two looks cannot be seen.
    live = any(path.with_name(path.name + end).exists() for end in ("-wal", "-journal"))
    mode = "mode=ro&immutable=1" if not live and _in_wal_mode(path) else "mode=ro"
    return sqlite3.connect(f"{file_uri(path.absolute())}?{mode}", uri=True, timeout=BUSY)


def _in_wal_mode(path: Path) -> bool:
    """By the read version in the header (https://www.sqlite.org/fileformat.html, 1.3)."""
    try:
        with path.open("rb") as file:
            return file.read(20)[19:] != b"\x01"
    except OSError:
        return True


def file_uri(path: PurePath) -> str:
    """`path` (absolute) as SQLite takes it: a share's host belongs into the path, or it refuses the URI."""
    uri = path.as_uri()
    return uri if uri.startswith("file:///") else uri.replace("file://", "file:////", 1)
