"""Frames whose files have changed since they were recorded: edited in place, or replaced by other pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dflwrap.faceset.identity import Match, Pair
from dflwrap.faceset.promotion import set_aside
from dflwrap.frames.inventory import FrameEntry
from dflwrap.ledger.ledger import Ledger
from dflwrap.ledger.records import FrameRow, NewFrame, Outcome
from dflwrap.supervisor.reconcile.clip import ClipJudge, ClipNow
from dflwrap.supervisor.request import RunRequest

JudgeAnew = Callable[[FrameRow, FrameEntry], NewFrame]
"""Judges a frame's file again: it will be open again, or refused."""


def settle_differing(
    request: RunRequest,
    ledger: Ledger,
    run_folder: Path,
    clip: ClipNow,
    judge: ClipJudge,
    judge_anew: JudgeAnew,
) -> list[str]:
    """Keep the results of edited frames, open replaced ones again; what the user should hear of it."""
    ledger.content_is((row.id, entry.size, entry.mtime_ns, now) for row, entry, now in clip.touched)
    rows_of = ledger.faces_of([row.id for row, *_ in clip.differing])
    faces = {
        frame: [request.output_dir / row.name for row in rows if not row.missing]
        for frame, rows in rows_of.items()
    }
    kinds = _kinds(request, clip, faces, ledger.longest_sides(faces), judge)
    edited: list[tuple[FrameRow, FrameEntry, str]] = []
    anew: list[tuple[int, NewFrame]] = []
    taken: list[int] = []
    replaced = moved = 0
    for (row, entry, now), kind in zip(clip.differing, kinds, strict=True):
        if kind is Match.SAME and row.outcome in (Outcome.EXTRACTED, Outcome.NO_FACE):
            edited.append((row, entry, now))
            continue
        replaced += row.outcome in (Outcome.EXTRACTED, Outcome.NO_FACE)
        for face in rows_of.get(row.id, ()):
            if not face.missing:
                set_aside(request.output_dir / face.name, run_folder)
                moved += 1
        if row.outcome is Outcome.EXTRACTED:
            taken.append(row.id)
        anew.append((row.id, judge_anew(row, entry)))
    with ledger.transaction():  # a crash before it: their files differ at the next start too
        ledger.take_back(taken)
        ledger.enter_anew(anew)
    if edited:
        ledger.content_is((row.id, entry.size, entry.mtime_ns, now) for row, entry, now in edited)
        ledger.mark_edited(row.id for row, *_ in edited)
    return _told(len(edited), replaced, moved)


def _kinds(
    request: RunRequest, clip: ClipNow, faces: dict[int, list[Path]], sides: dict[int, int], judge: ClipJudge
) -> list[Match]:
    """Each differing frame: SAME (edited) or OTHER (replaced). Where the sample is all edited, so are the rest."""
    only_edited = bool(clip.votes.get(Match.SAME)) and not (
        clip.votes.get(Match.OTHER) or clip.votes.get(Match.RESIZED)
    )
    if only_edited:
        return [Match.SAME] * len(clip.differing)
    with_faces = [(row, entry) for row, entry, _ in clip.differing if faces.get(row.id)]
    pairs = [
        Pair(request.input_dir / entry.name, tuple(faces[row.id]), sides[row.id]) for row, entry in with_faces
    ]
    verdicts = judge(pairs) if pairs else []
    by_id = {row.id: kind for (row, _), kind in zip(with_faces, verdicts, strict=True)}
    # A face whose frame cannot be looked at any more is kept; a frame that has none is simply looked at again.
    keep = {Match.UNDECIDED: Match.SAME, Match.RESIZED: Match.OTHER}
    found = [by_id.get(row.id, Match.OTHER) for row, *_ in clip.differing]
    return [keep.get(kind, kind) for kind in found]


def _told(edited: int, replaced: int, moved: int) -> list[str]:
    notices = []
    if edited:
        frames = "1 frame was" if edited == 1 else f"{edited:,} frames were"
        notices.append(
            f"{frames} edited since (the same picture with other pixels): the results are kept. "
            "(--redo changed extracts them again.)"
        )
    if replaced:
        frames = "1 frame was" if replaced == 1 else f"{replaced:,} frames were"
        aside = f"; {moved:,} faces of the earlier pictures are in set_aside" if moved else ""
        notices.append(f"{frames} replaced by another picture: extracted again{aside}")
    return notices
