"""Reading and writing the ledger. Written before acted upon."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dflwrap.ledger.attempts import AttemptTable
from dflwrap.ledger.error_messages import damaged
from dflwrap.ledger.faces import FaceTable
from dflwrap.ledger.frames import FrameTable
from dflwrap.ledger.values import name, parsed, text

STEM_PREFIX = "stem_prefix"
"""Key of the run: what the names of its faces begin with ("clip2-"), for they are beside others'."""
HOSTILE_FACES = "hostile_faces"
HOSTILE_COLUMNS = ("face", "problem", "set_aside")
"""Key of the run, and what it holds of each hostile face; `set_aside` is None for one that stays."""


class Ledger(FrameTable, FaceTable, AttemptTable):
    """One run's state. All methods raise NeedsUserError ("disk-full") when the disk is full.

    Not covered: two processes writing at once; the run's lock sees to that.
    """

    def __init__(self, path: Path, *, whole: bool = True) -> None:
        """Open or create, and read everything once. Raises DamagedLedgerError before anything is done with it,
        and DflwrapError for a newer version. whole: False = what is not asked for is not read either.
        """
        super().__init__(path)
        try:
            if whole:
                self._check_values()
        except BaseException:
            self.close()
            raise

    def _check_values(self) -> None:
        self.check_frames()
        self.longest_side()
        self.counts()
        self.check_faces()
        self.pending_moves()
        self.strangers()
        self.attempts()
        self.decisions()
        self.rows(parsed, "SELECT value FROM run")
        self.rows(text, "SELECT key FROM run")
        for key in ("options", "looks"):
            self.get_table(key)
        self.get_name(STEM_PREFIX)
        self.get_rows(HOSTILE_FACES, HOSTILE_COLUMNS)

    def get(self, key: str) -> Any:
        """A value of the run stored by `put`, or None."""
        values = self.rows(parsed, "SELECT value FROM run WHERE key = ?", (key,))
        return values[0] if values else None

    def get_table(self, key: str) -> dict[str, Any] | None:
        """`get` of a value that is an object. Raises DamagedLedgerError where it is not."""
        value = self.get(key)
        if value is not None and not isinstance(value, dict):
            raise damaged(f"the run's {key} is no object", self.path)
        return value

    def get_name(self, key: str) -> str | None:
        """`get` of a value that becomes a part of file names. Raises DamagedLedgerError where it may not."""
        names = self.rows(lambda value: name(parsed(value)), "SELECT value FROM run WHERE key = ?", (key,))
        return names[0] if names else None

    def get_rows(self, key: str, columns: Iterable[str]) -> list[dict[str, Any]]:
        """`get` of a list of objects that have these keys. Raises DamagedLedgerError where it is not."""
        rows = self.get(key)
        if rows is None:
            return []
        if not isinstance(rows, list) or not all(
            isinstance(row, dict) and row.keys() >= set(columns) for row in rows
        ):
            raise damaged(f"the run's {key} is no list of them", self.path)
        return rows

    def put(self, key: str, value: Any) -> None:
        with self.transaction():
            self.db.execute("INSERT OR REPLACE INTO run VALUES (?, ?)", (key, json.dumps(value)))
