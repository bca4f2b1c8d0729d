"""Faces in the faceset that this run did not make: whose they are, and what is done with them.

A face is a frame's when it names it and really shows it under its matrix; its file name counts for nothing. So a
faceset that stock DeepFaceLab made, sorted or not, is taken over, and another clip's faces under the same names
are not.
"""

from __future__ import annotations

import os
import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dflwrap.common.choices import OnConflict
from dflwrap.common.text import display
from dflwrap.faceset.census import Census
from dflwrap.faceset.identity import Match, Pair
from dflwrap.faceset.promotion import set_aside
from dflwrap.faceset.strangers import Stranger, StrangerKind, Strangers
from dflwrap.frames.names import case_key
from dflwrap.ledger.ledger import STEM_PREFIX, Ledger
from dflwrap.ledger.records import Outcome
from dflwrap.planning.yields import spread
from dflwrap.supervisor.reconcile.clip import ClipJudge
from dflwrap.supervisor.reconcile.conflict import ConflictError, Meets
from dflwrap.supervisor.reconcile.faces import faces_in_words
from dflwrap.supervisor.reconcile.hostile import record_hostile
from dflwrap.supervisor.reconcile.start import free_prefix
from dflwrap.supervisor.request import RunRequest

SAMPLE = 32
"""Faces that are held against their frames to know a whole faceset."""
JUDGED_AT_ONCE = 1000
"""Faces whose frames are asked for together."""
_FACE_NAME = re.compile(r"(.+)_(\d+)\.jpe?g", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Claims:
    """Whole faces with the frames that they name, in few bytes each: there may be a hundred thousand."""

    strangers: Strangers
    frames: array[int] = field(default_factory=lambda: array("q"))
    """Ids."""
    places: array[int] = field(default_factory=lambda: array("q"))
    """Of the faces in `strangers`."""

    def __len__(self) -> int:
        return len(self.frames)

    def add(self, frame: int, place: int) -> None:
        self.frames.append(frame)
        self.places.append(place)

    def pairs(self) -> Iterator[tuple[int, int]]:
        return zip(self.frames, self.places, strict=True)

    def faces(self) -> Iterator[tuple[int, Stranger]]:
        """(frame, face) one by one."""
        return ((frame, self.strangers[place]) for frame, place in self.pairs())

    def those(self, wanted: Callable[[int, Stranger], bool]) -> _Claims:
        found = _Claims(self.strangers)
        for frame, place in self.pairs():
            if wanted(frame, self.strangers[place]):
                found.add(frame, place)
        return found


@dataclass(slots=True)
class _Sorted:
    """The strangers by what is to be done with them."""

    ours: _Claims
    """Whole faces of frames of this run."""
    foreign: list[str] = field(default_factory=list)
    """Names of whole faces of other pictures."""
    torn: list[str] = field(default_factory=list)
    """What a killed extractor left of frames of this run, to be recreated."""
    hostile: list[Stranger] = field(default_factory=list)
    """Faces that would run code in DeepFaceLab, whatever their names."""
    other: list[str] = field(default_factory=list)


def adopt(
    request: RunRequest, ledger: Ledger, run_folder: Path, census: Census, judge: ClipJudge
) -> list[str]:
    """Adopt what is ours, set aside what is in the way; what the user should hear of it.

    Raises ConflictError where the user must choose; then nothing was changed.
    """
    if not census.strangers:  # as in a new run, and nearly always when one resumes
        return record_hostile(ledger, run_folder, (), {})
    output = request.output_dir
    sorted_ = _sort(request, ledger, census.strangers, judge)
    unlike = sorted_.ours.those(lambda _, stranger: _unlike(stranger, request))
    conflict = _other_faces(request, ledger, sorted_.ours, unlike)
    left = {stranger.name for _, stranger in unlike.faces()} if conflict is not None else set()
    adopted = sorted_.ours.those(lambda _, stranger: stranger.name not in left) if left else sorted_.ours
    taken = _taken(ledger, sorted_, adopted)
    if taken and conflict is None:
        conflict = ConflictError(Meets.TAKEN_NAMES, _taken_text(taken), output)
    if conflict is not None and request.on_conflict is OnConflict.STOP:
        raise conflict
    notices: list[str] = []
    _enter(ledger, output, adopted, notices)
    hostile = {stranger.name for stranger in sorted_.hostile}
    stems = _stems(ledger) if hostile else set()
    aside = list(sorted_.torn) + sorted(name for name in hostile if _stem_in(name, stems))
    foreign = list(sorted_.foreign)
    if conflict is not None and request.on_conflict is OnConflict.ADD:
        foreign += sorted(left)
        prefix = free_prefix(output)
        ledger.put(STEM_PREFIX, prefix)
        ledger.prefix_open_stems(prefix)
        notices.append(f"The faces that are there stay; the names of the new ones begin with {prefix}")
    elif conflict is not None:
        aside += [*taken, *(sorted(left) if conflict.meets is Meets.OTHER_FACES else ())]
    elif unlike:
        notices.append(f"{faces_in_words(len(unlike))} in the faceset are {_kinds(unlike)}: kept as they are")
    if sorted_.torn:
        notices.append(
            f"{faces_in_words(len(sorted_.torn))} incomplete: moved to the run folder, to be extracted again"
        )
    kept_as: dict[str, Path] = {}
    for name in dict.fromkeys(aside):
        kept = kept_as[name] = set_aside(output / name, run_folder)
        if name not in sorted_.torn and name not in hostile:
            notices.append(f"{display(name)}: moved to {display(str(kept))}")
    notices += record_hostile(ledger, run_folder, sorted_.hostile, kept_as)
    gone = set(aside)
    staying = [name for name in foreign if name not in gone]
    _remember(ledger, output, staying)
    if staying:
        notices.append(f"{faces_in_words(len(staying))} of other pictures stay as they are")
    return notices


def _sort(request: RunRequest, ledger: Ledger, strangers: Strangers, judge: ClipJudge) -> _Sorted:
    result = _Sorted(_Claims(strangers))
    known = ledger.strangers()
    frame_of = {source: frame for frame, source, *_ in ledger.claimable()}
    stems: set[str] | None = None
    half: set[str] = set()
    claimed = _Claims(strangers)
    for place, stranger in enumerate(strangers):
        if stranger.kind is StrangerKind.WHOLE:
            frame = frame_of.get(stranger.source)
            if frame is None or _is_known(stranger.name, request.output_dir, known):
                result.foreign.append(stranger.name)
            else:
                claimed.add(frame, place)
        elif stranger.kind is StrangerKind.HOSTILE:
            result.hostile.append(stranger)
            # What it stands in the place of is not known.
            half.add(case_key(stem_of_face(stranger.name) or ""))
        elif stranger.kind is StrangerKind.TORN and _stem_in(
            stranger.name, stems := _stems(ledger) if stems is None else stems
        ):
            result.torn.append(stranger.name)
            half.add(case_key(stem_of_face(stranger.name) or ""))
        else:
            result.other.append(stranger.name)
    del frame_of
    claimed = _really_of_their_frames(request, ledger, claimed, judge, result)
    if not half:
        result.ours = claimed
        return result
    # Stock DeepFaceLab was writing these frames when it died.
    begun = {
        frame
        for frame, _, stem, outcome in ledger.claimable()
        if case_key(stem) in half and outcome is not Outcome.EXTRACTED
    }
    result.torn += [stranger.name for frame, stranger in claimed.faces() if frame in begun]
    result.ours = claimed.those(lambda frame, _: frame not in begun)
    return result


def _really_of_their_frames(
    request: RunRequest, ledger: Ledger, claimed: _Claims, judge: ClipJudge, result: _Sorted
) -> _Claims:
    """Those that show the frame they name. A sample that agrees speaks for all; else each is looked at."""
    votes = _judged(request, ledger, claimed, spread(range(len(claimed)), SAMPLE), judge)
    decided = [vote for vote in votes if vote is not Match.UNDECIDED]
    if all(vote is Match.SAME for vote in decided):
        return claimed
    if not any(vote is Match.SAME for vote in decided):
        result.foreign += [stranger.name for _, stranger in claimed.faces()]
        return _Claims(claimed.strangers)
    ours = _Claims(claimed.strangers)
    for start in range(0, len(claimed), JUDGED_AT_ONCE):
        numbers = range(start, min(start + JUDGED_AT_ONCE, len(claimed)))
        for number, vote in zip(numbers, _judged(request, ledger, claimed, numbers, judge), strict=True):
            frame, place = claimed.frames[number], claimed.places[number]
            if vote in (Match.OTHER, Match.RESIZED):
                result.foreign.append(claimed.strangers[place].name)
            else:
                ours.add(frame, place)
    return ours


def _judged(
    request: RunRequest, ledger: Ledger, claimed: _Claims, numbers: Sequence[int], judge: ClipJudge
) -> list[Match]:
    """numbers: of the claims."""
    rows = ledger.by_id({claimed.frames[number] for number in numbers})
    pairs = [
        Pair(
            request.input_dir / rows[claimed.frames[number]].file_name,
            (request.output_dir / claimed.strangers[claimed.places[number]].name,),
        )
        for number in numbers
    ]
    return judge(pairs) if pairs else []


def _unlike(stranger: Stranger, request: RunRequest) -> bool:
    """A face of another type or size than is asked for now."""
    options = request.options
    if stranger.face_type != options.face_type:
        return True
    return options.face_type != "mark_only" and stranger.size != (options.image_size, options.image_size)


def _kinds(claims: _Claims) -> str:
    found = {(stranger.face_type, stranger.size[0]) for _, stranger in claims.faces()}
    return ", ".join(sorted(f"{face_type} of {side} pixels" for face_type, side in found))


def _other_faces(request: RunRequest, ledger: Ledger, ours: _Claims, unlike: _Claims) -> ConflictError | None:
    """A mixture begins only where most frames were done otherwise and some are still to be done."""
    if 2 * len(set(unlike.frames)) <= ledger.counts().total:
        return None
    done = set(ours.frames)
    if all(frame in done for frame, _ in ledger.open_stems()):
        return None
    asked = f"{request.options.face_type} of {request.options.image_size} pixels"
    return ConflictError(
        Meets.OTHER_FACES,
        f"The faceset holds faces of these frames that are {_kinds(unlike)}; asked for now: {asked}",
        request.output_dir,
    )


def _enter(ledger: Ledger, output: Path, adopted: _Claims, notices: list[str]) -> None:
    there = adopted.those(lambda _, stranger: os.path.lexists(output / stranger.name))
    if not there:
        return
    ledger.adopt((frame, stranger.name, stranger.facts) for frame, stranger in there.faces())
    count = len(set(there.frames))
    notices.append(f"{faces_in_words(len(there))} of {count:,} frames were in the faceset already: kept")


def _taken(ledger: Ledger, sorted_: _Sorted, adopted: _Claims) -> list[str]:
    """Files that have a name which a face of an open frame may need."""
    names = [*sorted_.foreign, *sorted_.other]
    if not names:
        return []
    done = set(adopted.frames)
    needed = {case_key(stem) for frame, stem in ledger.open_stems() if frame not in done}
    return sorted(name for name in names if _stem_in(name, needed))


def _taken_text(taken: list[str]) -> str:
    shown = ", ".join(display(name) for name in taken[:3])
    more = f" and {len(taken) - 3} more" if len(taken) > 3 else ""
    return f"Files with these names already exist: {shown}{more}"


def _stems(ledger: Ledger) -> set[str]:
    return {case_key(stem) for stem in ledger.stems()}


def stem_of_face(name: str) -> str | None:
    """The stem in `<stem>_<index>.jpg`; None for a file of another name."""
    match = _FACE_NAME.fullmatch(name)
    return match[1] if match else None


def _stem_in(name: str, stems: set[str]) -> bool:
    stem = stem_of_face(name)
    return stem is not None and case_key(stem) in stems


def _stat(path: Path) -> tuple[int, int] | None:
    try:
        info = path.lstat()
    except OSError:
        return None
    return info.st_size, info.st_mtime_ns


def _is_known(name: str, output: Path, known: dict[str, tuple[int, int]]) -> bool:
    return name in known and known[name] == _stat(output / name)


def _remember(ledger: Ledger, output: Path, foreign: Iterable[str]) -> None:
    """So that they are not held against the frames again at each start."""
    known = ledger.strangers()
    found = ((name, _stat(output / name)) for name in foreign)
    new = [(name, *stat) for name, stat in found if stat is not None and known.get(name) != stat]
    if new:
        ledger.add_strangers(new)
