"""Which clip the input folder holds: the one that this run's faces were made from, edited or not, or another.

DeepFaceLab numbers the frames of every clip 00001.png onwards, so names tell nothing. Frames whose size and time
are as recorded are the same; of those that differ the content decides: its fingerprint, else whether the faces
that were made of it still show it under their matrix.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dflwrap.common.storage import read_error
from dflwrap.faceset.identity import Match, Pair
from dflwrap.frames.fingerprint import fingerprint
from dflwrap.frames.inventory import UNREAD, FrameEntry
from dflwrap.ledger.ledger import Ledger
from dflwrap.ledger.records import FrameRow, Outcome
from dflwrap.planning.yields import spread

SAMPLE = 64
"""Frames, evenly spread, on which it is decided which clip this is."""

_RESULTS = (Outcome.EXTRACTED, Outcome.NO_FACE)

ClipJudge = Callable[[Sequence[Pair]], list[Match]]
"""`FaceMatcher.judge`: for each pair what its faces together say of its frame."""


@dataclass(slots=True)
class ClipNow:
    """The known frames that are in the input folder, by what has become of them."""

    unchanged: list[str] = field(default_factory=list)
    """File names."""
    touched: list[tuple[FrameRow, FrameEntry, str]] = field(default_factory=list)
    """The same content with a new time: (frame, its file now, fingerprint)."""
    differing: list[tuple[FrameRow, FrameEntry, str]] = field(default_factory=list)
    """Other content."""
    additional: int = 0
    """Files that the run does not know."""
    same: int = 0
    """Frames of the sample whose content is as recorded."""
    votes: dict[Match, int] = field(default_factory=dict)
    """Of the sample's frames with other content: SAME is the same picture, edited."""

    @property
    def nothing_known_is_there(self) -> bool:
        return not (self.unchanged or self.touched or self.differing)

    @property
    def another(self) -> Match | None:
        """OTHER or RESIZED where more than half of the sample is so; None where it is this run's clip.

        Where every frame has other content and nothing can be told of any, it is OTHER: the user is asked.
        """
        foreign, resized = self.votes.get(Match.OTHER, 0), self.votes.get(Match.RESIZED, 0)
        if not (self.same or self.votes.get(Match.SAME) or foreign or resized):
            return Match.OTHER if self.votes.get(Match.UNDECIDED) else None
        if foreign + resized <= self.same + self.votes.get(Match.SAME, 0):
            return None
        return Match.OTHER if foreign >= resized else Match.RESIZED


FacesOf = Callable[[Collection[int]], dict[int, list[Path]]]
"""The faces of these frames as they lie on the disk; a frame that has none is left out."""


def look_at_clip(
    source: Path, frames: Iterable[FrameEntry], ledger: Ledger, faces_of: FacesOf, judge: ClipJudge
) -> ClipNow:
    """Compare the folder's frames with the recorded ones. Reads only frames whose size or time differ."""
    clip = ClipNow()
    there = {entry.name: entry for entry in frames}
    suspect: dict[int, FrameEntry] = {}
    untold: set[int] = set()
    as_long: set[int] = set()
    for frame, name, size, mtime_ns in ledger.files():
        entry = there.pop(name, None)
        if entry is None:
            continue
        if entry.size == UNREAD or entry.problem or (size, mtime_ns) == (entry.size, entry.mtime_ns):
            clip.unchanged.append(name)
        else:
            suspect[frame] = entry
            if size == UNREAD:
                untold.add(frame)
            elif size == entry.size:
                as_long.add(frame)
    clip.additional = len(there)
    prints = ledger.fingerprints() if suspect else {}
    if suspect:
        _compare_content(source, ledger, suspect, untold, prints, clip)
    faces = faces_of([row.id for row, *_ in clip.differing]) if clip.differing else {}
    _vote(source, clip, faces, ledger.longest_sides(faces), as_long - prints.keys(), judge)
    return clip


def _compare_content(
    source: Path,
    ledger: Ledger,
    suspect: dict[int, FrameEntry],
    untold: Collection[int],
    prints: Mapping[int, str],
    clip: ClipNow,
) -> None:
    """Frames whose size or time is another: touched, or other content.

    untold: those whose disk told neither when they were entered. With nothing to hold against what they are now,
    what came of them stands.
    """
    for row in ledger.frames():
        entry = suspect.get(row.id)
        if entry is None:
            continue
        try:
            now = fingerprint(source / entry.name)
        except OSError:  # its disk is to blame, and is asked about when the frame is handed out
            clip.unchanged.append(entry.name)
        else:
            known = prints.get(row.id)
            same = known == now or (known is None and row.id in untold and row.outcome in _RESULTS)
            (clip.touched if same else clip.differing).append((row, entry, now))


def _vote(
    source: Path,
    clip: ClipNow,
    faces: dict[int, list[Path]],
    sides: dict[int, int],
    unprinted: Collection[int],
    judge: ClipJudge,
) -> None:
    """Of frames that can tell anything: those that are as they were, and those whose faces can be held against them.

    What cannot be read tells nothing, and is looked at again at the next start.

    unprinted: frames as long as they were, of whose content nothing was recorded (their disk failed right after they
    came back). Where their faces tell nothing either, what came of them stands.
    """
    differ = {entry.name: row.id for row, entry, _ in clip.differing if faces.get(row.id)}
    able = sorted((*clip.unchanged, *(entry.name for _, entry, _ in clip.touched), *differ))
    sample = spread(able, SAMPLE)
    asked = [name for name in sample if name in differ]
    clip.same = len(sample) - len(asked)
    unread = {name for name in asked if read_error(source / name, whole=True) is not None}
    clip.differing = [one for one in clip.differing if one[1].name not in unread]
    clip.unchanged += sorted(unread)
    judged = [name for name in asked if name not in unread]
    pairs = [Pair(source / name, tuple(faces[differ[name]]), sides[differ[name]]) for name in judged]
    untellable = set()
    for name, kind in zip(judged, judge(pairs) if pairs else (), strict=True):
        if kind is Match.UNDECIDED and differ[name] in unprinted:
            untellable.add(name)
            clip.same += 1
        else:
            clip.votes[kind] = clip.votes.get(kind, 0) + 1
    clip.touched += [one for one in clip.differing if one[1].name in untellable]
    clip.differing = [one for one in clip.differing if one[1].name not in untellable]
