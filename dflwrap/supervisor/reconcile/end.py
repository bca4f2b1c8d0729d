"""The end of a run: do the faces that it reports lie in the faceset?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dflwrap.common.text import display
from dflwrap.faceset.census import take_census
from dflwrap.ledger.ledger import Ledger
from dflwrap.supervisor.reconcile.faces import record_census

FolderId = tuple[int, int]
"""Device and file id."""


@dataclass(frozen=True, slots=True)
class EndNow:
    """What the last look at the faceset showed."""

    lost: str = ""
    """Why the run is not at its end: its faces are not where it put them. "" = all is well."""
    frames: tuple[int, ...] = ()
    """The frames whose faces are gone."""
    notices: tuple[str, ...] = ()


def folder_id(folder: Path) -> FolderId | None:
    """Device and inode of `folder`; None where it is not there."""
    try:
        info = folder.stat()
    except OSError:
        return None
    return info.st_dev, info.st_ino


def look_at_end(ledger: Ledger, faceset: Path, image_size: int, begun_in: FolderId | None) -> EndNow:
    """Hold the faceset against the ledger again, and enter what was found.

    begun_in: the folder as it was at the start. Fewer than half of this run's faces gone: the user may cull while
    it runs. More, or another folder under that name: they are lost.
    """
    recorded = ledger.faces()
    there_before = {row.name for row in recorded if not row.missing}
    if not there_before:
        return EndNow()
    shown = display(str(faceset))
    sources = ledger.source_names()
    try:
        census = take_census(faceset, recorded, sources, image_size)
    except OSError as error:
        return EndNow(f"the faceset cannot be read any more: {shown} ({error.strerror or error})")
    gone = [row for row in census.missing if row.name in there_before]
    own = [row for row in recorded if not row.adopted and row.name in there_before]
    own_gone = [row for row in gone if not row.adopted]
    frames = tuple(sorted({row.frame for row in gone}))
    if gone and begun_in is not None and folder_id(faceset) != begun_in:
        return EndNow(f"{shown} is another folder than the one that the faces were put into", frames)
    if own_gone and 2 * len(own_gone) > len(own):
        return EndNow(
            f"{len(own_gone):,} of the {len(own):,} faces of this run are gone from {shown}", frames
        )
    return EndNow(notices=tuple(record_census(ledger, census)))


def open_lost(
    ledger: Ledger, faceset: Path, frames: tuple[int, ...], put_aside: Callable[[Path], object]
) -> None:
    """Open these frames again; what is left of their faces is set aside, for they are recreated whole."""
    wanted = set(frames)
    for row in ledger.faces():
        if row.frame in wanted and (faceset / row.name).is_file():
            put_aside(faceset / row.name)
    ledger.take_back(frames)
