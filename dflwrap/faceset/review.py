"""Which faces deserve a look: what users find today by scrolling through thousands of them.

Computed from the landmarks along the clip, without a picture. A suggestion, never a verdict: nothing follows from
it. Stills (a folder of photographs) have no neighbours: there only doubled, misshapen and upside-down faces show.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from dflwrap.faceset.sights import Sight


class Oddity(StrEnum):
    """Why a face deserves a look."""

    JUMPS = "jumps"
    """It leaves the path that the frames before and after agree on."""
    DOUBLED = "doubled"
    """Another file shows the same face of the same frame."""
    LIKELY_FALSE = "likely_false"
    """Not shaped like the other faces, off the detector's rectangle, or alone in the middle of a clip."""
    UPSIDE_DOWN = "upside_down"


@dataclass(frozen=True, slots=True)
class Odd:
    """A face to look at."""

    file: str
    source: str
    oddity: Oddity
    reason: str


NEAR = 0.5
"""In face sizes: neighbours of one path lie no further apart from one frame to the next but one."""
AWAY = 0.6
"""In face sizes: further than this from the middle of its neighbours a face jumps."""
GROWN = 1.5
"""Times: larger or smaller than its neighbours, which agree."""
TWISTED = 30.0
"""Degrees: turned against its neighbours, which agree."""
SAME_PLACE = 0.3
"""In face sizes: two faces of a frame this near are one."""
LEAST_OVERLAP = 0.25
MISSHAPEN = 0.9
"""Root-mean-square distance from the clip's median shape, in radii of the shape, at least. Measured: faces of the
sample clips 0.05; a head turned by 60 degrees (a rough model in three dimensions) 0.56, by 80 degrees 0.78, bent by
40 degrees 0.33, the mouth wide open 0.22; arbitrary points 1.3."""
UPSIDE_DOWN = 120.0
"""Degrees against most faces of the clip."""
LONELY_FRAMES = 3
"""Frames before and after in which a face that is no false one would be seen again in a film."""
FILM = 0.6
"""Share of faces with a neighbour in the next frame from which the frames are taken for a film."""
CROWD = 64
"""Faces of one frame above which it is no frame, but a name that many clips share: left out."""
COLUMNS = 17
"""Coordinates of all shapes that are compared in one go."""
_FEWEST = 8
"""Faces from which there is something to compare with."""


def review(sights: Sequence[Sight], frames: Sequence[str]) -> list[Odd]:
    """The faces to look at, in the clip's order. frames: file names of the clip's frames, in order."""
    order = {name: position for position, name in enumerate(frames)}
    by_frame: dict[int, list[Sight]] = {}
    for sight in sights:
        if sight.source in order:
            by_frame.setdefault(order[sight.source], []).append(sight)
    crowds = [position for position, faces in by_frame.items() if len(faces) > CROWD]
    for position in crowds:
        del by_frame[position]
    found: dict[str, Odd] = {}
    for odd in (
        *_doubled(by_frame.values()),
        *_misshapen(sights),
        *_upside_down(sights),
        *_jumping(by_frame),
        *_lonely(by_frame),
    ):
        found.setdefault(odd.file, odd)  # one line for each face: the strongest reason
    return sorted(found.values(), key=lambda odd: (order.get(odd.source, len(order)), odd.file))


def _apart(one: Sight, other: Sight) -> float:
    """Distance of the centres in face sizes."""
    return math.hypot(one.x - other.x, one.y - other.y) / max(one.size, other.size)


def _larger(one: Sight, other: Sight) -> float:
    return max(one.size, other.size) / min(one.size, other.size)


def _doubled(frames: Iterable[list[Sight]]) -> list[Odd]:
    found = []
    for faces in frames:
        for number, face in enumerate(faces):
            for other in faces[:number]:
                if _apart(face, other) < SAME_PLACE and _larger(face, other) < 2:
                    reason = f"shows the same face as {other.file}"
                    found.append(Odd(face.file, face.source, Oddity.DOUBLED, reason))
                    break
    return found


def _upside_down(sights: Sequence[Sight]) -> list[Odd]:
    """Against the direction of most faces: a clip may have been filmed on its side."""
    mean = sum((_direction(sight) for sight in sights), 0j)
    usual = mean / abs(mean) if abs(mean) > len(sights) / 2 else 1
    found = []
    for sight in sights:
        off = abs(
            math.degrees(math.atan2((_direction(sight) / usual).imag, (_direction(sight) / usual).real))
        )
        if off > UPSIDE_DOWN:
            reason = f"turned by {off:.0f} degrees against the other faces"
            found.append(Odd(sight.file, sight.source, Oddity.UPSIDE_DOWN, reason))
    return found


def _direction(sight: Sight) -> complex:
    return complex(math.cos(math.radians(sight.turn)), math.sin(math.radians(sight.turn)))


def _misshapen(sights: Sequence[Sight]) -> list[Odd]:
    found = []
    for sight in sights:
        if sight.overlap < LEAST_OVERLAP:
            reason = "its landmarks lie outside of the rectangle that the detector found"
            found.append(Odd(sight.file, sight.source, Oddity.LIKELY_FALSE, reason))
    if len(sights) < _FEWEST:
        return found
    off = _deviations(sights)
    middle = float(np.median(off))
    limit = max(MISSHAPEN, middle + 8 * float(np.median(np.abs(off - middle))))
    for sight, deviation in zip(sights, off, strict=True):
        if deviation > limit:
            reason = "its landmarks are not shaped like the other faces"
            found.append(Odd(sight.file, sight.source, Oddity.LIKELY_FALSE, reason))
    return found


def _deviations(sights: Sequence[Sight]) -> NDArray[np.float32]:
    """Of each shape from the median shape. A few columns at a time: a copy of all shapes would be the most that a large
    faceset takes.
    """
    columns = len(sights[0].shape)
    squares = np.zeros(len(sights), np.float32)
    for start in range(0, columns, COLUMNS):
        some = np.array([sight.shape[start : start + COLUMNS] for sight in sights], np.float32)
        some -= np.median(some, axis=0)
        squares += np.square(some, out=some).sum(axis=1)
    return np.sqrt(2 * squares / columns)


def _jumping(by_frame: dict[int, list[Sight]]) -> list[Odd]:
    """A face between two frames that agree with each other and not with it. A cut to another shot is none."""
    found = []
    for position, faces in by_frame.items():
        before, after = by_frame.get(position - 1, []), by_frame.get(position + 1, [])
        paths = [
            (one, other)
            for one in before
            for other in after
            if _apart(one, other) < NEAR / 2 and _larger(one, other) < 1.2
        ]
        free = list(faces)
        for one, other in paths:
            nearest = min(free, key=lambda face: _off_path(face, one, other), default=None)
            if nearest is None:
                continue
            free.remove(nearest)
            reason = _how_it_jumps(nearest, one, other)
            if reason:
                found.append(Odd(nearest.file, nearest.source, Oddity.JUMPS, reason))
    return found


def _off_path(face: Sight, one: Sight, other: Sight) -> float:
    x, y = (one.x + other.x) / 2, (one.y + other.y) / 2
    return math.hypot(face.x - x, face.y - y) / max(one.size, other.size)


def _how_it_jumps(face: Sight, one: Sight, other: Sight) -> str:
    away = _off_path(face, one, other)
    usual = (one.size + other.size) / 2
    if away > AWAY:
        return f"{away:.1f} face sizes away from where the frames before and after have it"
    if max(face.size / usual, usual / face.size) > GROWN:
        return f"{face.size / usual:.1f} times the size that the frames before and after have"
    if abs(_between(one.turn, other.turn)) < TWISTED / 2 < TWISTED < abs(_between(face.turn, one.turn)):
        return (
            f"turned by {abs(_between(face.turn, one.turn)):.0f} degrees against the frames before and after"
        )
    return ""


def _between(one: float, other: float) -> float:
    """Degrees from `other` to `one`, -180 to 180."""
    return (one - other + 180) % 360 - 180


def _lonely(by_frame: dict[int, list[Sight]]) -> list[Odd]:
    """In a film a face is there for more than a frame."""
    faces = [(position, face) for position, found in by_frame.items() for face in found]
    if len(faces) < _FEWEST:
        return []
    followed = sum(_seen_again(by_frame, position, face, (1, -1)) for position, face in faces)
    if followed < FILM * len(faces):
        return []
    around = tuple(step for n in range(1, LONELY_FRAMES + 1) for step in (n, -n))
    return [
        Odd(face.file, face.source, Oddity.LIKELY_FALSE, "no face near it in the frames before and after")
        for position, face in faces
        if not _seen_again(by_frame, position, face, around)
        and any(position + step in by_frame for step in (1, -1))
    ]


def _seen_again(by_frame: dict[int, list[Sight]], position: int, face: Sight, steps: Iterable[int]) -> bool:
    return any(
        _apart(face, other) < NEAR * max(1, abs(step)) + NEAR and _larger(face, other) < 2
        for step in steps
        for other in by_frame.get(position + step, ())
    )
