"""What lies in the faceset folder, held against what the ledger says of it. Read-only.

A face is known by its metadata (the frame's name and its rectangle there), whatever its file is called:
DeepFaceLab's sort renames a whole faceset. Most files cost one directory entry; a header is read of those
whose name, size or time is not as recorded, and a whole file only of those that nobody knows. Of a face that is as
recorded nothing is kept: there may be a hundred thousand.

Not covered: whether a face really shows its frame (`identity`), and what follows from it (the intake).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from dflwrap.common.waits import heeding, never
from dflwrap.faceset.face_file.errors import FaceFileError
from dflwrap.faceset.face_file.hostile import check_harmless
from dflwrap.faceset.face_file.metadata import FaceMetadata, read_metadata
from dflwrap.faceset.facts import face_facts
from dflwrap.faceset.listing import Listing
from dflwrap.faceset.many_strangers import look_at_all
from dflwrap.faceset.strangers import Strangers
from dflwrap.ledger.records import FaceRow

Identity = tuple[str, tuple[float, ...] | None]
"""The frame's file name, and the rounded rectangle in it."""


SourceOf = Callable[[int], str | None]
"""File name of the frame with this id, as its faces name it."""


@dataclass(slots=True)
class Census:
    """Recorded faces by what became of them, and the files that nobody recorded."""

    untouched: int = 0
    """Exactly as recorded, the user's own work among them."""
    present: list[FaceRow] = field(default_factory=list)
    """The recorded bytes, but not as recorded: with another time, or back again. With the new facts."""
    changed: list[FaceRow] = field(default_factory=list)
    """The same face with other bytes: the user (a mask, an enhancer) has worked on it. With the new facts."""
    renamed: list[tuple[FaceRow, str]] = field(default_factory=list)
    """(as recorded, the new name)"""
    missing: list[FaceRow] = field(default_factory=list)
    strangers: Strangers = field(default_factory=Strangers)
    recorded_otherwise: dict[str, FaceRow] = field(default_factory=dict)
    """As recorded, those in `present` and `changed`, by name."""
    pak: bool = False

    @property
    def recorded(self) -> int:
        return self.found + len(self.missing)

    @property
    def found(self) -> int:
        return self.untouched + len(self.present) + len(self.changed) + len(self.renamed)

    @property
    def all_gone(self) -> bool:
        """Faces were recorded, and no file carries the identity of one."""
        return bool(self.missing) and not self.found


def identity_of(metadata: FaceMetadata) -> Identity:
    """What two files of the same face share, whatever their names: its frame and its rectangle."""
    return (metadata.source_filename or "", _rounded(metadata.source_rect))


def _rounded(rect: tuple[float, ...] | None) -> tuple[float, ...] | None:
    """To a hundredth of a pixel: a rectangle that was rescaled and written again stays the same."""
    return None if rect is None else tuple(round(value, 2) for value in rect)


def take_census(
    faceset: Path,
    recorded: Iterable[FaceRow],
    source_of: SourceOf,
    image_size_asked: int,
    stopping: Callable[[], bool] = never,
) -> Census:
    """Look at `faceset`. recorded: read once, row by row. source_of: file name of the frame with an id.

    image_size_asked: side of a face in pixels, for telling a half-written face from a stranger's picture.
    Raises OSError when the folder cannot be listed, StoppedError when `stopping` says so.
    """
    listing = Listing(faceset, stopping)
    census = Census(pak=listing.pak)
    pending: list[FaceRow] = []
    for row in heeding(stopping, recorded):
        if _is_this(row, listing, source_of, census):
            listing.take_out(row.name)
        else:
            pending.append(row)
    names = listing.faces()
    for found in (census.present, census.changed):
        found.sort(key=lambda row: (row.frame, row.name))
    headers = {name: _header(faceset / name) for name in heeding(stopping, names)} if pending else {}
    claimed = _find_renamed(faceset, pending, headers, source_of, census)
    unknown = [name for name in names if name not in claimed]
    del listing, names  # not kept beside what is found of a hundred thousand strangers
    census.strangers = Strangers(look_at_all(faceset, unknown, image_size_asked, stopping))
    return census


def _is_this(row: FaceRow, listing: Listing, source_of: SourceOf, census: Census) -> bool:
    """Whether the file under the recorded name is the recorded face; it is entered then."""
    facts, now_there = row.facts, listing.stamp(row.name)
    if now_there is None:
        return False
    if facts is not None and now_there == (facts.size, facts.mtime_ns):
        if row.missing:
            _enter(census.changed if row.edited else census.present, row, replace(row, missing=False), census)
        else:
            census.untouched += 1
        return True
    path = listing.folder / row.name
    try:
        metadata = read_metadata(path)
        if metadata is None:
            return False
        now = replace(row, facts=face_facts(path, metadata), missing=False)
    except (FaceFileError, OSError):
        return False
    if metadata.source_filename != source_of(row.frame):
        return False
    if facts is None and not _is_harmless(path):
        return False
    if facts is None or (now.facts is not None and now.facts.digest == facts.digest):
        # Of the first version, or copied with a new time.
        _enter(census.changed if row.edited else census.present, row, now, census)
        return True
    if _rounded(facts.rect) != _rounded(metadata.source_rect) or not _is_harmless(path):
        return False
    _enter(census.changed, row, replace(now, edited=True), census)
    return True


def _enter(into: list[FaceRow], before: FaceRow, now: FaceRow, census: Census) -> None:
    into.append(now)
    census.recorded_otherwise[before.name] = before


def _as_recorded(row: FaceRow, path: Path) -> bool:
    """It was only renamed, or is harmless as it is now."""
    try:
        info = path.stat()
    except OSError:
        return False
    unchanged = row.facts is not None and (info.st_size, info.st_mtime_ns) == (
        row.facts.size,
        row.facts.mtime_ns,
    )
    return unchanged or _is_harmless(path)


def _is_harmless(path: Path) -> bool:
    """Of a file whose header is: DeepFaceLab reads on after the picture."""
    try:
        check_harmless(path.read_bytes())
    except (FaceFileError, OSError):
        return False
    return True


def _header(path: Path) -> Identity | None:
    """Who the face is; all of its metadata would be 15 KiB, times a whole faceset that was renamed."""
    try:
        metadata = read_metadata(path) if path.is_file() and not path.is_symlink() else None
    except (FaceFileError, OSError):
        return None
    return identity_of(metadata) if metadata is not None else None


def _find_renamed(
    faceset: Path,
    pending: list[FaceRow],
    headers: Mapping[str, Identity | None],
    source_of: SourceOf,
    census: Census,
) -> set[str]:
    """The files that carry the identity of a face that is not under its recorded name."""
    by_identity: dict[Identity, list[str]] = {}
    by_source: dict[str, list[str]] = {}
    for name, identity in headers.items():
        if identity is not None and identity[0]:
            by_identity.setdefault(identity, []).append(name)
            by_source.setdefault(identity[0], []).append(name)
    claimed: set[str] = set()
    for row in pending:
        source = source_of(row.frame) or ""
        if row.facts is None or row.facts.rect is None:
            candidates = by_source.get(source, [])
        else:
            candidates = by_identity.get((source, _rounded(row.facts.rect)), [])
        free = (candidate for candidate in candidates if candidate not in claimed)
        found = next((name for name in free if _as_recorded(row, faceset / name)), None)
        if found is None:
            census.missing.append(row)
        else:
            claimed.add(found)
            census.renamed.append((row, found))
    return claimed
