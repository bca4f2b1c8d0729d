"""The end of a run: do the faces that it reports lie in the faceset?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
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
    if not ledger.count_faces("NOT missing"):
        return EndNow()
    shown = display(str(faceset))
    try:
        census = take_census(faceset, ledger.each_face(), ledger.source_of, image_size)
    except OSError as error:
        return EndNow(f"the faceset cannot be read any more: {shown} ({error.strerror or error})")
    gone = [row for row in census.missing if not row.missing]
    own = ledger.count_faces("NOT missing AND NOT adopted")
    own_gone = sum(not row.adopted for row in gone)
    frames = tuple(sorted({row.frame for row in gone}))
    if gone and begun_in is not None and folder_id(faceset) != begun_in:
        return EndNow(f"{shown} is another folder than the one that the faces were put into", frames)
    if own_gone and 2 * own_gone > own:
        return EndNow(f"{own_gone:,} of the {own:,} faces of this run are gone from {shown}", frames)
    return EndNow(notices=tuple(record_census(ledger, census)))


def open_lost(
    ledger: Ledger, faceset: Path, frames: tuple[int, ...], put_aside: Callable[[Path], object]
) -> None:
    """Open these frames again; what is left of their faces is set aside, for they are recreated whole."""
    for row in chain.from_iterable(ledger.faces_of(frames).values()):
        if (faceset / row.name).is_file():
            put_aside(faceset / row.name)
    ledger.take_back(frames)
