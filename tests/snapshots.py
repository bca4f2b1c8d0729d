"""Texts that a person has looked at, in tests/cli/snapshots/ (DFLWRAP_WRITE_SNAPSHOTS=1 writes them)."""

from __future__ import annotations

import os
from pathlib import Path

SNAPSHOTS = Path(__file__).parent / "cli" / "snapshots"


def held_against(name: str, text: str) -> None:
    """Equal to the snapshot, which a person has looked at."""
    path = SNAPSHOTS / f"{name}.txt"
    if os.environ.get("DFLWRAP_WRITE_SNAPSHOTS"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    assert text == path.read_text(encoding="utf-8"), f"tests/cli/snapshots/{path.name}"
