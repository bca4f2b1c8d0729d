"""SQLite's errors in words for the user: what is wrong, where, what to do."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dflwrap.common.errors import DamagedLedgerError, DflwrapError, NeedsUserError
from dflwrap.common.storage import disk_full, out_of_inodes
from dflwrap.common.text import display

MIN_ROOM = 256 * 1024
"""Bytes: with less than this free, an error that SQLite cannot name is taken for a full disk."""


def translate_sqlite_error(error: sqlite3.Error, path: Path) -> DflwrapError:
    """path: the ledger's file."""
    text = " ".join(str(error).split())
    if "Could not decode" in text:  # what follows in it is the value itself
        return damaged(text, path)
    unclear = "disk I/O" in text or "unable to open" in text
    if "is full" in text or (unclear and (not _room(path) or out_of_inodes(path.parent))):
        return disk_full(path.parent, f": the ledger cannot be written ({display(str(path))})")
    if "readonly" in text or unclear:
        return NeedsUserError(
            "output-not-writable",
            f"The run folder cannot be written: {display(str(path.parent))} ({text}).",
            ("Check the permissions of the output folder.", "Choose another --output-dir."),
        )
    if "locked" in text:
        return NeedsUserError(
            "file-in-use",
            f"Another program holds the ledger open: {display(str(path))}.",
            ("Close it (a database viewer, a virus scanner) and run the same command again.",),
        )
    return damaged(text, path)


def damaged(why: str, path: Path) -> DamagedLedgerError:
    """The error of a ledger that cannot be read; `why` in the words of SQLite or of `values`."""
    return DamagedLedgerError(
        f"The run's ledger is damaged: {display(str(path))} ({display(why)}). "
        "Everything that was extracted is kept."
    )


def _room(path: Path) -> bool:
    try:
        return shutil.disk_usage(path.parent).free > MIN_ROOM
    except OSError:
        return True


@contextmanager
def told_of(path: Path, copy: Path) -> Iterator[None]:
    """What is damaged is the ledger at `path`, of which `copy` is being read: nobody knows that one."""
    try:
        yield
    except DamagedLedgerError as error:
        named, meant = display(str(copy)), display(str(path))
        error.args = tuple(arg.replace(named, meant) if isinstance(arg, str) else arg for arg in error.args)
        raise
