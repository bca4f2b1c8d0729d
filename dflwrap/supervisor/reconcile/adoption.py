"""Faces in the faceset that this run did not make: whose they are, and what is done with them.

A face is a frame's when it names it and really shows it under its matrix; its file name counts for nothing. So a
faceset that stock DeepFaceLab made, sorted or not, is taken over, and another clip's faces under the same names
are not.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dflwrap.common.choices import OnConflict
from dflwrap.common.text import display
from dflwrap.faceset.census import Census
from dflwrap.faceset.identity import Match, Pair
from dflwrap.faceset.promotion import set_aside
from dflwrap.faceset.strangers import Stranger, StrangerKind
from dflwrap.frames.names import case_key
from dflwrap.ledger.ledger import STEM_PREFIX, Ledger
from dflwrap.ledger.records import FaceFacts, FrameRow, Outcome
from dflwrap.planning.yields import spread
from dflwrap.supervisor.reconcile.clip import ClipJudge
from dflwrap.supervisor.reconcile.conflict import ConflictError, Meets
from dflwrap.supervisor.reconcile.faces import faces_in_words
from dflwrap.supervisor.reconcile.hostile import record_hostile
from dflwrap.supervisor.reconcile.start import free_prefix
from dflwrap.supervisor.request import RunRequest

SAMPLE = 32
"""Faces that are held against their frames to know a whole faceset."""
_FACE_NAME = re.compile(r"(.+)_(\d+)\.jpe?g", re.IGNORECASE | re.DOTALL)


@dataclass(slots=True)
class _Sorted:
    """The strangers by what is to be done with them."""

    ours: list[tuple[FrameRow, Stranger]] = field(default_factory=list)
    """Whole faces of frames of this run."""
    foreign: list[Stranger] = field(default_factory=list)
    """Whole faces of other pictures."""
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
    if (
        not census.strangers
    ):  # as in a new run, and nearly always when one resumes: four readings of all frames less
        return record_hostile(ledger, run_folder, (), {})
    output = request.output_dir
    sorted_ = _sort(request, ledger, census, judge)
    unlike = [item for item in sorted_.ours if _unlike(item[1], request)]
    conflict = _other_faces(request, ledger, sorted_.ours, unlike)
    left = {stranger.name for _, stranger in unlike} if conflict is not None else set()
    adopted = [item for item in sorted_.ours if item[1].name not in left]
    taken = _taken(ledger, sorted_, adopted)
    if taken and conflict is None:
        conflict = ConflictError(Meets.TAKEN_NAMES, _taken_text(taken), output)
    if conflict is not None and request.on_conflict is OnConflict.STOP:
        raise conflict
    notices: list[str] = []
    _enter(ledger, output, adopted, notices)
    stems = _stems(ledger)
    hostile = {stranger.name for stranger in sorted_.hostile}
    aside = list(sorted_.torn) + sorted(name for name in hostile if _stem_in(name, stems))
    foreign = list(sorted_.foreign)
    if conflict is not None and request.on_conflict is OnConflict.ADD:
        foreign += [stranger for _, stranger in unlike]
        prefix = free_prefix(output)
        ledger.put(STEM_PREFIX, prefix)
        ledger.prefix_open_stems(prefix)
        notices.append(f"The faces that are there stay; the names of the new ones begin with {prefix}")
    elif conflict is not None:
        aside += [*taken, *(stranger.name for _, stranger in unlike if conflict.meets is Meets.OTHER_FACES)]
    elif unlike:
        kinds = ", ".join(sorted({_kind(stranger) for _, stranger in unlike}))
        notices.append(f"{faces_in_words(len(unlike))} in the faceset are {kinds}: kept as they are")
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
    _remember(ledger, output, [stranger for stranger in foreign if stranger.name not in gone])
    staying = sum(stranger.name not in gone for stranger in foreign)
    if staying:
        notices.append(f"{faces_in_words(staying)} of other pictures stay as they are")
    return notices


def _sort(request: RunRequest, ledger: Ledger, census: Census, judge: ClipJudge) -> _Sorted:
    result = _Sorted()
    known = ledger.strangers()
    frames = ledger.frames()
    by_name = {row.source_name: row for row in frames if row.outcome is not Outcome.NOT_ATTEMPTED}
    stems = {case_key(row.stem) for row in frames}
    half: set[str] = set()
    claimed: list[tuple[FrameRow, Stranger]] = []
    for stranger in census.strangers:
        row = by_name.get(stranger.source)
        if stranger.kind is StrangerKind.TORN and _stem_in(stranger.name, stems):
            result.torn.append(stranger.name)
            half.add(case_key(stem_of_face(stranger.name) or ""))
        elif stranger.kind is StrangerKind.HOSTILE:
            result.hostile.append(stranger)
            half.add(
                case_key(stem_of_face(stranger.name) or "")
            )  # what it stands in the place of is not known
        elif stranger.kind is not StrangerKind.WHOLE:
            result.other.append(stranger.name)
        elif row is None or known.get(stranger.name) == _stat(request.output_dir / stranger.name):
            result.foreign.append(stranger)
        else:
            claimed.append((row, stranger))
    ours = _really_of_their_frames(request, claimed, judge, result)
    for row, stranger in ours:
        if case_key(row.stem) in half and row.outcome is not Outcome.EXTRACTED:
            result.torn.append(stranger.name)  # stock DeepFaceLab was writing this frame when it died
        else:
            result.ours.append((row, stranger))
    return result


def _really_of_their_frames(
    request: RunRequest, claimed: list[tuple[FrameRow, Stranger]], judge: ClipJudge, result: _Sorted
) -> list[tuple[FrameRow, Stranger]]:
    """Those that show the frame they name. A sample that agrees speaks for all; else each is looked at."""
    sample = spread(claimed, SAMPLE)
    votes = _judged(request, sample, judge)
    decided = [vote for vote in votes if vote is not Match.UNDECIDED]
    if all(vote is Match.SAME for vote in decided):
        return claimed
    if not any(vote is Match.SAME for vote in decided):
        result.foreign += [stranger for _, stranger in claimed]
        return []
    ours = []
    for (row, stranger), vote in zip(claimed, _judged(request, claimed, judge), strict=True):
        if vote in (Match.OTHER, Match.RESIZED):
            result.foreign.append(stranger)
        else:
            ours.append((row, stranger))
    return ours


def _judged(request: RunRequest, items: Sequence[tuple[FrameRow, Stranger]], judge: ClipJudge) -> list[Match]:
    pairs = [
        Pair(request.input_dir / row.file_name, (request.output_dir / stranger.name,))
        for row, stranger in items
    ]
    return judge(pairs) if pairs else []


def _unlike(stranger: Stranger, request: RunRequest) -> bool:
    """A face of another type or size than is asked for now."""
    options = request.options
    if stranger.face_type != options.face_type:
        return True
    return options.face_type != "mark_only" and stranger.size != (options.image_size, options.image_size)


def _kind(stranger: Stranger) -> str:
    return f"{stranger.face_type} of {stranger.size[0]} pixels"


def _other_faces(
    request: RunRequest,
    ledger: Ledger,
    ours: list[tuple[FrameRow, Stranger]],
    unlike: list[tuple[FrameRow, Stranger]],
) -> ConflictError | None:
    """A mixture begins only where most frames were done otherwise and some are still to be done."""
    done = {row.id for row, _ in ours}
    total = ledger.counts().total
    open_after = sum(row.id not in done for row in ledger.open_frames())
    if 2 * len({row.id for row, _ in unlike}) <= total or not open_after:
        return None
    kinds = ", ".join(sorted({_kind(stranger) for _, stranger in unlike}))
    asked = f"{request.options.face_type} of {request.options.image_size} pixels"
    return ConflictError(
        Meets.OTHER_FACES,
        f"The faceset holds faces of these frames that are {kinds}; asked for now: {asked}",
        request.output_dir,
    )


def _enter(
    ledger: Ledger, output: Path, adopted: list[tuple[FrameRow, Stranger]], notices: list[str]
) -> None:
    there = ((row, stranger) for row, stranger in adopted if os.path.lexists(output / stranger.name))
    faces: list[tuple[int, str, FaceFacts | None]] = [
        (row.id, stranger.name, stranger.facts) for row, stranger in there
    ]
    if not faces:
        return
    ledger.adopt(faces)
    count = len({frame for frame, *_ in faces})
    notices.append(f"{faces_in_words(len(faces))} of {count:,} frames were in the faceset already: kept")


def _taken(ledger: Ledger, sorted_: _Sorted, adopted: list[tuple[FrameRow, Stranger]]) -> list[str]:
    """Files that have a name which a face of an open frame may need."""
    done = {row.id for row, _ in adopted}
    needed = {case_key(row.stem) for row in ledger.open_frames() if row.id not in done}
    names = [*(stranger.name for stranger in sorted_.foreign), *sorted_.other]
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


def _remember(ledger: Ledger, output: Path, foreign: Iterable[Stranger]) -> None:
    """So that they are not held against the frames again at each start."""
    known = ledger.strangers()
    found = ((stranger.name, _stat(output / stranger.name)) for stranger in foreign)
    new = [(name, *stat) for name, stat in found if stat is not None and known.get(name) != stat]
    if new:
        ledger.add_strangers(new)
