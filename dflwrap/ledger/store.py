"""The ledger's file: opened, checked, brought up to date, and every access in one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from dflwrap.common.errors import DflwrapError
from dflwrap.common.text import display
from dflwrap.ledger.error_messages import damaged, translate_sqlite_error
from dflwrap.ledger.schema import COUNT_ANEW, MIGRATIONS, TABLES, TALLY, VERSION, connect, statements

T = TypeVar("T")


class Store:
    """What the tables of the ledger stand on. All methods raise NeedsUserError ("disk-full") when the disk is full.

    Not covered: two processes writing at once; the run's lock sees to that.
    """

    def __init__(self, path: Path) -> None:
        """Open or create. Raises DflwrapError when the file is damaged or of a newer version."""
        self.path = path
        self._connect()

    def reconnect(self) -> None:
        """After the disk was away: what is open may belong to a disk that is no more. Raises as the constructor."""
        with suppress(sqlite3.Error):
            self.db.close()
        self._connect()

    def _connect(self) -> None:
        self._counted: int | None = None
        try:
            self.db = connect(self.path)
        except sqlite3.DatabaseError as error:
            raise self._translated(error) from error
        try:
            self._open()
        except sqlite3.DatabaseError as error:
            self.db.close()
            raise self._translated(error) from error
        except BaseException:
            self.db.close()
            raise

    def _open(self) -> None:
        version = self.db.execute("PRAGMA user_version").fetchone()[0]
        if version != 0:
            self._check()
        if not 0 <= version <= VERSION:
            raise DflwrapError(
                f"The run folder was written by another version of dflwrap: {display(str(self.path))}. "
                "Use that version, or move the run folder away to start over."
            )
        if version < VERSION:
            scripts = (TABLES, *MIGRATIONS)[version:]
            with self.transaction():
                for statement in (s for script in scripts for s in statements(script)):
                    self.db.execute(statement)
                self.db.execute(f"PRAGMA user_version={VERSION}")
        self.db.executescript(TALLY)
        self._count_anew()

    def _count_anew(self) -> None:
        version = self.db.execute("PRAGMA data_version").fetchone()[0]
        if version != self._counted:
            with self.transaction():
                for statement in COUNT_ANEW:
                    self.db.execute(statement)
            self._counted = version

    def _check(self) -> None:
        answer = self.db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if answer != "ok":
            raise sqlite3.DatabaseError(answer)
        strange = self.db.execute(
            "SELECT type || ' ' || name FROM sqlite_schema WHERE type NOT IN ('table', 'index')"
        ).fetchone()
        if strange is not None:  # a view or a trigger would act where a table is read or written
            raise sqlite3.DatabaseError(f"it holds a {strange[0]}")

    def _translated(self, error: sqlite3.Error) -> DflwrapError:
        return translate_sqlite_error(error, self.path)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing of the block, with one flush of the disk; one within another belongs to the outer one.

        For loops that only write: nothing that takes its time belongs into one. Raises NeedsUserError or
        DamagedLedgerError in place of SQLite's errors.
        """
        if self.db.in_transaction:
            yield
            return
        try:
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._roll_back()
                raise
            self.db.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            raise self._translated(error) from error

    def _roll_back(self) -> None:
        """After some errors SQLite has done so itself; on a dying disk even this may fail."""
        if self.db.in_transaction:
            try:
                self.db.execute("ROLLBACK")
            except sqlite3.Error:
                pass

    def read(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        """Raises NeedsUserError or DamagedLedgerError in place of SQLite's errors."""
        try:
            return self.db.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise self._translated(error) from error

    def rows(self, make: Callable[..., T], query: str, values: Sequence[Any] = ()) -> list[T]:
        """`make` of each row's columns. Raises DamagedLedgerError for what it refuses (`ledger.values`)."""
        return list(self.each(make, query, values))

    def each(self, make: Callable[..., T], query: str, values: Sequence[Any] = ()) -> Iterator[T]:
        """`rows` one by one, for what need not be kept: nothing may be written before the last.

        Raises NeedsUserError or DamagedLedgerError as `rows` does, while it is iterated.
        """
        try:
            # Row by row: there may be 100,000. Closed: a statement that is left open keeps the file open.
            with closing(self.db.execute(query, values)) as found:
                for row in found:
                    yield make(*row)
        except sqlite3.Error as error:
            raise self._translated(error) from error
        except ValueError as error:
            raise damaged(str(error), self.path) from error

    def close(self) -> None:
        self.db.close()
