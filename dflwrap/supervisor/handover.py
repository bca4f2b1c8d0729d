"""Preparing a finished run for the person who continues by hand in DeepFaceLab.

DeepFaceLab's MANUAL RE-EXTRACT shows every frame that has no picture in `<output>_debug`. So the debug pictures
of the frames without a face are moved out of it: it then asks for these, and for those that never had one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dflwrap.common.errors import DflwrapError
from dflwrap.common.text import display
from dflwrap.common.trees import is_file, is_folder
from dflwrap.faceset.promotion import set_aside
from dflwrap.ledger.ledger import Ledger
from dflwrap.ledger.records import FrameRow
from dflwrap.supervisor.run_folder import RunFolder


@dataclass(frozen=True, slots=True)
class Handover:
    """What DeepFaceLab will ask for."""

    debug: Path
    """Folder of the debug pictures."""
    has_debug: bool
    """The run wrote debug pictures: without them MANUAL RE-EXTRACT refuses to start."""
    without_face: tuple[str, ...]
    quarantined: tuple[str, ...]
    """Frames without a result, which have no debug picture either."""
    joined: bool
    """Its frames lie in several folders, and DeepFaceLab works on one: nothing is moved."""
    moved: int
    """Debug pictures that were moved out of the folder by this call."""


def hand_over(folder: RunFolder, faceset: Path) -> Handover:
    """Move the debug pictures of frames without a face into the run folder's `set_aside`.

    Raises DflwrapError where another dflwrap works on the run, frames are still open, or files cannot be moved.
    """
    folder.lock()
    try:
        ledger = Ledger(folder.database)
        try:
            return _hand_over(ledger, folder, faceset)
        finally:
            ledger.close()
    finally:
        folder.unlock()


def _hand_over(ledger: Ledger, folder: RunFolder, faceset: Path) -> Handover:
    waiting = ledger.counts().open
    if waiting:
        frames = "1 frame is" if waiting == 1 else f"{waiting:,} frames are"
        raise DflwrapError(
            f"This run is not finished: {frames} still to be extracted ({display(str(faceset))}). "
            "Run the extract command again first."
        )
    debug = faceset.with_name(faceset.name + "_debug")
    empty, lost = ledger.frames("outcome = 'no_face'"), ledger.frames("outcome = 'quarantined'")
    has_debug = is_folder(debug)
    joined = any("/" in name for name in ledger.file_names())
    moved = sum(_move_debug(debug, row, folder) for row in empty) if has_debug and not joined else 0
    names = tuple(row.name for row in empty)
    return Handover(debug, has_debug, names, tuple(row.name for row in lost), joined, moved)


def _move_debug(debug: Path, row: FrameRow, folder: RunFolder) -> bool:
    picture = debug / f"{row.stem}.jpg"
    if not is_file(picture):
        return False
    set_aside(picture, folder.path)
    return True
