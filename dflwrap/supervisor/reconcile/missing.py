"""Frames that were in the input folder at an earlier start and are not any more, and those that came back."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from dflwrap.common.errors import NeedsUserError
from dflwrap.common.text import display
from dflwrap.frames.filters import FILTERED
from dflwrap.ledger.ledger import Ledger
from dflwrap.ledger.records import REMOVED, Outcome

_FOLDER = "input folder"
"""Key of the ledger: device and inode of the input folder when frames were last seen in it."""


def account_for_missing(source: Path, ledger: Ledger, present: Collection[str]) -> list[str]:
    """Take removed frames out of the total, open those that are back; what to tell the user of it.

    present: names of the frames in the folder now. Frames with a result keep it. Raises NeedsUserError where the
    folder is empty because its disk is not mounted.
    """
    names = set(present)
    gone: list[int] = []
    back: list[int] = []
    for frame, name, outcome, cause in ledger.without_result():
        left = outcome is Outcome.NOT_ATTEMPTED
        if name not in names:
            if not (left and cause == REMOVED):
                gone.append(frame)
        elif left and cause != FILTERED:
            back.append(frame)
    here = _identity(source)
    if gone and not names and ledger.get(_FOLDER) != here:
        raise NeedsUserError(
            "input-dir-missing",
            f"The input folder is empty, and is not the same folder as before: {display(str(source))}. "
            "Its disk does not seem to be mounted.",
            ("Mount the disk or connect the share.", "Then run the same command again to resume."),
        )
    if names and ledger.get(_FOLDER) != here:
        ledger.put(_FOLDER, here)
    ledger.remove(gone)
    ledger.reopen_many(back)
    return [f"{len(gone)} frame(s) were removed from the input folder: no longer counted"] if gone else []


def _identity(folder: Path) -> list[int] | None:
    try:
        info = folder.stat()
    except OSError:
        return None
    return [info.st_dev, info.st_ino]
