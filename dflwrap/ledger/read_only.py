"""Reading the ledger of a run, also one that is under way or of an earlier version, without touching it."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path, PurePath
from typing import Any

from dflwrap.common.errors import DflwrapError
from dflwrap.common.text import display
from dflwrap.ledger.error_messages import damaged
from dflwrap.ledger.ledger import Ledger
from dflwrap.ledger.values import parsed

BUSY = 10.0
"""Seconds to wait for a writer."""


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
                source.backup(target)
        except sqlite3.OperationalError as error:
            raise DflwrapError(
                f"The run's ledger cannot be read: {display(str(path))} ({display(str(error))}). "
                "Check its permissions; if a run is under way, try again later."
            ) from error
        except sqlite3.DatabaseError as error:
            raise damaged(str(error), path) from error
        ledger = Ledger(copy)
        try:
            yield ledger
        finally:
            ledger.close()


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
    # Without a log beside it nobody is writing: then SQLite may skip its own files, which it would make there.
    live = any(path.with_name(path.name + end).exists() for end in ("-wal", "-journal"))
    mode = "mode=ro" if live else "mode=ro&immutable=1"
    return sqlite3.connect(f"{file_uri(path.absolute())}?{mode}", uri=True, timeout=BUSY)


def file_uri(path: PurePath) -> str:
    """`path` (absolute) as SQLite takes it: a share's host belongs into the path, or it refuses the URI."""
    uri = path.as_uri()
    return uri if uri.startswith("file:///") else uri.replace("file://", "file:////", 1)
