"""The faces that a person wants to see: those that deserve a look, and a contact sheet of the extremes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dflwrap.common.text import display
from dflwrap.common.trees import is_link
from dflwrap.faceset.face_file.errors import FaceFileError
from dflwrap.faceset.face_file.metadata import read_metadata
from dflwrap.faceset.review import Odd, review
from dflwrap.faceset.sights import Sight, sight_of
from dflwrap.report.night.pictures import FACE_SIDE, Album, Picture

A_ROW = 8
"""Faces of a row of the contact sheet."""
SAMPLE = 160
"""Faces that are looked at for blur."""
STRETCH = 400
"""Faces in a row that are read together: the review compares neighbours."""
MOST_REVIEWED = 96
"""Faces of the review that are shown; the list names more."""


@dataclass(slots=True)
class FaceLook:
    """What the faces' files tell."""

    faces: int = 0
    """Files of the run that lie in the faceset."""
    read: int = 0
    """Of these read, in stretches over the whole clip; fewer than all where the time was up."""
    damaged: int = 0
    """Of the read ones: no face image of DeepFaceLab (any more)."""
    gone: int = 0
    """Of the read ones: not there any more."""
    sights: list[Sight] = field(default_factory=list)
    odd: list[Odd] = field(default_factory=list)
    sizes: tuple[int, int, int] = (0, 0, 0)
    """Smallest, median and largest face in its frame, pixels."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the contact sheet."""

    title: str
    about: str
    pictures: tuple[Picture, ...]


def look_at_faces(faceset: Path, files: Sequence[str], frames: Sequence[str], seconds: float) -> FaceLook:
    """files: names of faces in the clip's order. frames: file names of the clip, in order. Nothing is unpickled."""
    look = FaceLook(len(files))
    until = time.monotonic() + seconds
    for name in in_stretches(files):
        if time.monotonic() > until:
            break
        look.read += 1
        path = faceset / name
        if is_link(path):
            continue
        try:
            metadata = read_metadata(path)
        except FileNotFoundError:
            look.gone += 1
            continue
        except (FaceFileError, OSError):
            metadata = None
        if metadata is None:
            look.damaged += 1
            continue
        sight = sight_of(name, metadata)
        if sight is not None:
            look.sights.append(sight)
    look.odd = review(look.sights, frames)
    sizes = sorted(round(sight.size) for sight in look.sights)
    if sizes:
        look.sizes = (sizes[0], sizes[len(sizes) // 2], sizes[-1])
    return look


def in_stretches(files: Sequence[str]) -> Iterator[str]:
    """All of them, in stretches that are spread ever more densely: whenever one stops, the whole clip was looked at."""
    starts = range(0, len(files), STRETCH)
    step, seen = 1 << max(0, len(starts) - 1).bit_length(), set[int]()
    while step:
        for number in range(0, len(starts), step):
            if number not in seen:
                seen.add(number)
                yield from files[starts[number] : starts[number] + STRETCH]
        step //= 2


def turned(sight: Sight) -> float:
    """How far a head is turned to its side: 0 = straight on, 1 = the nose at the edge of the jaw."""
    x = sight.shape[::2]
    left, right = x[30] - x[0], x[16] - x[30]
    return abs(left - right) / (abs(left) + abs(right)) if left or right else 0.0


def contact_sheet(look: FaceLook, files: Sequence[str], faceset: Path, album: Album) -> list[Row]:
    """The extremes, a row each."""
    by_size = sorted(look.sights, key=lambda sight: sight.size)
    by_turn = sorted(look.sights, key=turned, reverse=True)
    size_of = {sight.file: f"{sight.size:.0f} px" for sight in (*by_size[:A_ROW], *by_size[-A_ROW:])}
    turns = {sight.file: f"{turned(sight):.0%}" for sight in by_turn[:A_ROW]}
    rows = [
        ("First", "in the order of the clip", list(files[:A_ROW]), dict.fromkeys(files[:A_ROW], "")),
        ("Last", "in the order of the clip", list(files[-A_ROW:]), dict.fromkeys(files[-A_ROW:], "")),
        ("Largest", "by the size in the frame", [s.file for s in by_size[: -A_ROW - 1 : -1]], size_of),
        ("Smallest", "by the size in the frame", [s.file for s in by_size[:A_ROW]], size_of),
        ("Most turned", "nose nearest to the edge of the jaw", [s.file for s in by_turn[:A_ROW]], turns),
    ]
    blurred, looked = _most_blurred(files, faceset, album)
    about = f"of a sample of {looked:,}" if looked < len(files) else "by the sharpness of the picture"
    rows.append(("Most blurred", about, blurred, dict.fromkeys(blurred, "")))
    made = [
        Row(title, about, tuple(_pictures(names, faceset, album, notes, title)))
        for title, about, names, notes in rows
    ]
    return [row for row in made if row.pictures]


def _most_blurred(files: Sequence[str], faceset: Path, album: Album) -> tuple[list[str], int]:
    chosen = (
        [files[number * len(files) // SAMPLE] for number in range(SAMPLE)] if len(files) > SAMPLE else files
    )
    found = []
    for name in chosen:
        small = album.look(faceset / name, FACE_SIDE)
        if small is not None:
            found.append((small.sharpness, name))
    return [name for _, name in sorted(found)[:A_ROW]], len(found)


def _pictures(
    names: Sequence[str], faceset: Path, album: Album, notes: dict[str, str], title: str
) -> list[Picture]:
    return faces_as_pictures(
        names, faceset, album, lambda name: notes.get(name, ""), lambda name: f"Face {name} ({title.lower()})"
    )


def faces_as_pictures(
    names: Sequence[str],
    faceset: Path,
    album: Album,
    note: Callable[[str], str],
    alt: Callable[[str], str],
) -> list[Picture]:
    """Those of the faces that can be shown."""
    made = (
        album.add(
            faceset / name, FACE_SIDE, alt=display(alt(name)), caption=display(name), note=display(note(name))
        )
        for name in names
    )
    return [picture for picture in made if picture is not None]
