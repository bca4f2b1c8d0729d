"""Reading and writing the ledger. Written before acted upon."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dflwrap.ledger.attempts import AttemptTable
from dflwrap.ledger.faces import FaceTable
from dflwrap.ledger.frames import FrameTable
from dflwrap.ledger.telling import damaged
from dflwrap.ledger.values import parsed, text


class Ledger(FrameTable, FaceTable, AttemptTable):
    """One run's state. All methods raise NeedsUserError ("disk-full") when the disk is full.

    Not covered: two processes writing at once; the run's lock sees to that.
    """

    def __init__(self, path: Path) -> None:
        """Open or create, and read everything once. Raises DamagedLedgerError before anything is done with it,
        and DflwrapError for a newer version.
        """
        super().__init__(path)
        try:
            self._check_values()
        except BaseException:
            self.close()
            raise

    def _check_values(self) -> None:
        self.frames()
        self.sizes()
        self.fingerprints()
        self.longest_side()
        self.counts()
        self.faces()
        self.pending_moves()
        self.strangers()
        self.attempts()
        self.decisions()
        self.rows(parsed, "SELECT value FROM run")
        self.rows(text, "SELECT key FROM run")
        for key in ("options", "looks"):
            self.get_table(key)

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

    def put(self, key: str, value: Any) -> None:
        with self.transaction():
            self.db.execute("INSERT OR REPLACE INTO run VALUES (?, ?)", (key, json.dumps(value)))
