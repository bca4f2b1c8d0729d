"""`--redo`: which frames are to be extracted again, and what becomes of the faces they have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path

from dflwrap.common.text import display
from dflwrap.faceset.face_file.errors import FaceFileError
from dflwrap.faceset.face_file.metadata import read_metadata
from dflwrap.faceset.promotion import set_aside
from dflwrap.frames.judgement import Entry
from dflwrap.ledger.ledger import Ledger
from dflwrap.ledger.records import FaceRow, FrameRow, Outcome
from dflwrap.supervisor.request import RunRequest

HANDWORK_KEYS = frozenset({"seg_ie_polys", "xseg_mask"})
"""Metadata that only a person (the XSeg editor, or a mask applied) puts into a face."""


class Redo(StrEnum):
    """Keywords of `--redo`; anything else is a pattern on frame names."""

    ALL = "all"
    MISSING = "missing"
    """Frames of which a face was removed from the faceset."""
    NO_FACE = "no-face"
    QUARANTINED = "quarantined"
    CHANGED = "changed"
    """Frames that were edited in place after they were extracted."""


@dataclass(slots=True)
class Redone:
    """What a redo opened."""

    frames: list[FrameRow] = field(default_factory=list)
    kept: list[FrameRow] = field(default_factory=list)
    """Frames left as they are, for a face of theirs is the user's handwork."""
    unmatched: list[str] = field(default_factory=list)
    """Patterns that no frame has."""


def redo_asked(request: RunRequest, ledger: Ledger, run_folder: Path) -> list[str]:
    """Open again what `--redo` asks for; what the user should hear of it."""
    faceset = request.output_dir
    done = redo(
        request.redo,
        ledger,
        faceset,
        lambda name: set_aside(faceset / name, run_folder),
        even_edited=request.even_edited,
    )
    notices = [
        f"--redo: {len(done.frames):,} frames are extracted again; the faces they had are in set_aside"
    ]
    if done.kept:
        shown = ", ".join(row.name for row in done.kept[:5]) + (" and others" if len(done.kept) > 5 else "")
        notices.append(
            f"--redo: {len(done.kept):,} frames are left as they are, since you have worked on their faces: {shown}. "
            "(--even-edited takes them too.)"
        )
    notices += [f"--redo: no frame is called {display(pattern)}" for pattern in done.unmatched]
    return notices


def redo(
    asked: Sequence[str],
    ledger: Ledger,
    faceset: Path,
    put_aside: Callable[[str], object],
    *,
    even_edited: bool,
) -> Redone:
    """Open the frames that were asked for; their faces are moved out of the faceset by `put_aside`, never deleted.

    A frame with a face that differs from what was recorded, or that has XSeg polygons or a mask in it, is left
    alone unless even_edited. Frames that cannot be extracted at all stay quarantined. Raises what `put_aside`
    raises.
    """
    result = Redone()
    faces: dict[int, list[FaceRow]] = {}
    for face in ledger.faces():
        faces.setdefault(face.frame, []).append(face)
    for row in _chosen(asked, ledger, faces, result):
        own = [face for face in faces.get(row.id, ()) if not face.missing]
        if not even_edited and any(f.edited or _has_handwork(faceset / f.name) for f in own):
            result.kept.append(row)
            continue
        for face in own:
            put_aside(face.name)
        result.frames.append(row)
    ledger.take_back(row.id for row in result.frames)
    return result


def _chosen(
    asked: Sequence[str], ledger: Ledger, faces: dict[int, list[FaceRow]], result: Redone
) -> list[FrameRow]:
    keywords = {word for word in asked if word in set(Redo)}
    patterns = [word for word in asked if word not in keywords]
    edited = ledger.edited() if Redo.CHANGED in keywords else set()
    hit: set[str] = set()
    chosen = []
    for row in ledger.frames("outcome IS NOT NULL"):
        matching = [pattern for pattern in patterns if fnmatchcase(row.file_name, pattern)]
        hit.update(matching)
        if row.outcome is Outcome.NOT_ATTEMPTED or row.entry is Entry.REFUSE:
            continue  # it is not there, or no extractor can take it
        if matching or _by_keyword(keywords, row, faces.get(row.id, ()), edited):
            chosen.append(row)
    result.unmatched += [pattern for pattern in patterns if pattern not in hit]
    return chosen


def _by_keyword(keywords: set[str], row: FrameRow, faces: Sequence[FaceRow], edited: set[int]) -> bool:
    return (
        Redo.ALL in keywords
        or (Redo.NO_FACE in keywords and row.outcome is Outcome.NO_FACE)
        or (Redo.QUARANTINED in keywords and row.outcome is Outcome.QUARANTINED)
        or (Redo.MISSING in keywords and any(face.missing for face in faces))
        or row.id in edited
    )


def _has_handwork(path: Path) -> bool:
    try:
        metadata = read_metadata(path)
    except (FaceFileError, OSError):
        return False
    return metadata is not None and not HANDWORK_KEYS.isdisjoint(metadata.extras)
