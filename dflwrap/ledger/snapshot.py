"""A ledger as it is at this moment, copied byte by byte: no lock is taken, nothing is written beside it.

SQLite itself takes locks also to read, and in WAL mode writes a file of shared memory, which over a network share
neither works nor leaves the run alone. Not for the process that has the ledger open: there, closing a second
descriptor of the file would drop SQLite's locks (POSIX).
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dflwrap.common.errors import DflwrapError
from dflwrap.common.text import display
from dflwrap.ledger.error_messages import told_of
from dflwrap.ledger.ledger import Ledger

COPY_BOUND = 10.0
"""Seconds in which a moment without a change is looked for."""
_PAUSE = 0.05
_WAL_HEADER = 32
"""Bytes of a WAL's header: a new one, with new salts, means that it began anew."""
_CHANGE_COUNTER = slice(24, 28)
_JOURNAL_MAGIC = bytes.fromhex("d9d505f920a163d7")
"""What the journal of a transaction under way begins with; a header of zeros means none."""


@contextmanager
def snapshot_of(path: Path) -> Iterator[Ledger]:
    """The ledger at `path`, also of a run under way on another computer; the copy goes away with the block.

    Raises DflwrapError where it cannot be read, is damaged, or of a newer version.
    """
    with tempfile.TemporaryDirectory(prefix="dflwrap-status-") as folder:
        copy = Path(folder) / "run.db"
        try:
            _copy(path, copy)
        except OSError as error:
            raise DflwrapError(
                f"The run's ledger cannot be read: {display(str(path))} ({error.strerror or error}). "
                "Check its permissions, and that its disk is there."
            ) from error
        with told_of(path, copy):
            ledger = Ledger(copy, whole=False)
            try:
                yield ledger
            finally:
                ledger.close()


def _copy(path: Path, target: Path) -> None:
    """Whole, or DflwrapError; also raises OSError."""
    wal, target_wal = (file.with_name(f"{file.name}-wal") for file in (path, target))
    deadline = time.monotonic() + COPY_BOUND
    while True:
        before = _state(path, wal)
        if not before.writing:
            # The WAL last: pages that a checkpoint moves into the file meanwhile stand in the WAL as well, and count.
            shutil.copyfile(path, target)
            target_wal.unlink(missing_ok=True)
            if before.wal:
                try:
                    shutil.copyfile(wal, target_wal)
                except FileNotFoundError:  # the run has just ended
                    continue
            after = _state(path, wal)
            if (after.wal, after.changes if not after.wal else b"") == (
                before.wal,
                before.changes if not before.wal else b"",
            ) and not after.writing:
                return
        if time.monotonic() > deadline:
            raise DflwrapError(
                f"The run's ledger changes all the time: {display(str(path))}. Try again in a moment."
            )
        time.sleep(_PAUSE)


class _State:
    """What tells whether the files of a ledger have changed."""

    def __init__(self, wal: bytes, changes: bytes, writing: bool) -> None:
        self.wal, self.changes, self.writing = wal, changes, writing


def _state(path: Path, wal: Path) -> _State:
    with path.open("rb") as file:
        head = file.read(100)
    return _State(
        _start(wal, _WAL_HEADER),
        head[_CHANGE_COUNTER],
        _start(path.with_name(f"{path.name}-journal"), len(_JOURNAL_MAGIC)) == _JOURNAL_MAGIC,
    )


def _start(path: Path, count: int) -> bytes:
    """b"" for a file that is not there, or empty."""
    try:
        with path.open("rb") as file:
            return file.read(count)
    except FileNotFoundError:
        return b""
