"""Entering into the ledger what the census of the faceset folder found."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from dflwrap.faceset.census import Census
from dflwrap.ledger.ledger import Ledger
from dflwrap.ledger.records import FaceRow


class FacesNow:
    """Recorded faces as they lie in the folder, asked for frame by frame: most starts ask for none."""

    def __init__(self, ledger: Ledger, census: Census, faceset: Path) -> None:
        """Before the census is recorded."""
        self._ledger, self._faceset = ledger, faceset
        self._gone = {row.name for row in census.missing}
        self._renamed = {row.name: name for row, name in census.renamed}

    def of(self, frames: Collection[int]) -> dict[int, list[Path]]:
        """Paths of the faces that are there, by frame."""
        found = {
            frame: [self._faceset / self._renamed.get(row.name, row.name) for row in self._there(rows)]
            for frame, rows in self._ledger.faces_of(frames).items()
        }
        return {frame: paths for frame, paths in found.items() if paths}

    def names(self) -> list[str]:
        """Of all that are there."""
        return [self._renamed.get(row.name, row.name) for row in self._there(self._ledger.each_face())]

    def _there(self, rows: Iterable[FaceRow]) -> Iterator[FaceRow]:
        return (row for row in rows if row.name not in self._gone)


def record_census(ledger: Ledger, census: Census) -> list[str]:
    """Bring the ledger's faces to what lies on the disk. What the user should hear of it.

    A face that the user removed keeps its record, as missing: its frame is not extracted again by itself.
    """
    before = census.recorded_otherwise
    moved = [(before[row.name], row) for row in (*census.present, *census.changed)]
    moved += [(row, replace(row, name=name, missing=False)) for row, name in census.renamed]
    back = sum(old.missing and not row.missing for old, row in moved)
    if census.missing:
        taken = {name for _, name in census.renamed}
        moved += [
            (row, replace(row, name=_free(ledger, row.name, taken), missing=True)) for row in census.missing
        ]
    ledger.face_is((old.name, row) for old, row in moved if row != old)
    gone = sum(not row.missing for row in census.missing)
    notices = []
    if gone:
        notices.append(
            f"{faces_in_words(gone)} of this run {'is' if gone == 1 else 'are'} no longer in the faceset: taken as "
            "removed by you, and not extracted again. (--redo missing extracts them again.)"
        )
    if back:
        notices.append(f"{faces_in_words(back)} that had been removed {'is' if back == 1 else 'are'} back")
    if census.renamed:
        notices.append(
            f"{faces_in_words(len(census.renamed))} found under other names (sorted or renamed): kept as they are"
        )
    return notices


def _free(ledger: Ledger, name: str, taken: set[str]) -> str:
    """A name under which a missing face can stay recorded, though another face has taken its own."""
    candidate, number = name, 0
    while candidate in taken or (number and ledger.has_face(candidate)):
        number += 1
        candidate = f"{name}.missing{number}"
    taken.add(candidate)
    return candidate


def faces_in_words(count: int) -> str:
    """As "1 face" or "1,204 faces"."""
    return "1 face" if count == 1 else f"{count:,} faces"
