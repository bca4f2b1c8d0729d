"""Reading and writing the ledger. Written before acted upon."""

from __future__ import annotations

import json
from typing import Any

from dflwrap.ledger.attempts import AttemptTable
from dflwrap.ledger.faces import FaceTable
from dflwrap.ledger.frames import FrameTable


class Ledger(FrameTable, FaceTable, AttemptTable):
    """One run's state. All methods raise NeedsUserError ("disk-full") when the disk is full.

    Not covered: two processes writing at once; the run's lock sees to that.
    """

    def get(self, key: str) -> Any:
        """A value of the run stored by `put`, or None."""
        rows = self.read("SELECT value FROM run WHERE key = ?", (key,))
        return json.loads(rows[0][0]) if rows else None

    def put(self, key: str, value: Any) -> None:
        with self.transaction():
            self.db.execute("INSERT OR REPLACE INTO run VALUES (?, ?)", (key, json.dumps(value)))
