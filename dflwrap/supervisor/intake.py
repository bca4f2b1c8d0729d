"""Bringing the input folder, the faceset and the ledger together before anything starts.

A folder of any size is taken in at once: only a sample of its frames is looked at here, by which the first plan knows
their size. The others are looked at, and filtered, on their way to the workers (`attempt.feed`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from dflwrap.common.errors import DflwrapError
from dflwrap.common.text import display
from dflwrap.common.waits import heeding, never
from dflwrap.frames.filters import FILTERED
from dflwrap.frames.inventory import UNREAD, FrameEntry, Inventory, take_inventory
from dflwrap.frames.joined import take_joined
from dflwrap.frames.judgement import Entry, Judgement, judge
from dflwrap.frames.names import case_key, face_stem, flat, is_plain, stem_and_suffix
from dflwrap.ledger.ledger import STEM_PREFIX, Ledger
from dflwrap.ledger.records import NewFrame
from dflwrap.planning.yields import spread
from dflwrap.supervisor.reconcile.adoption import adopt
from dflwrap.supervisor.reconcile.clip import ClipJudge
from dflwrap.supervisor.reconcile.faces import record_census
from dflwrap.supervisor.reconcile.frames import settle_differing
from dflwrap.supervisor.reconcile.hostile import open_replaced
from dflwrap.supervisor.reconcile.missing import account_for_missing
from dflwrap.supervisor.reconcile.redo import redo_asked
from dflwrap.supervisor.reconcile.start import Begun
from dflwrap.supervisor.request import RunRequest

SAMPLE = 64
"""Frames that are looked at before the start."""
_FILTERS = "filters"
"""Key of the run: the filters by which its frames were left out."""


@dataclass(slots=True)
class Intake:
    """What was found; `notices` are for the user."""

    inventory: Inventory
    notices: list[str] = field(default_factory=list)


def frames_of(request: RunRequest, stopping: Callable[[], bool] = never) -> Inventory:
    """The frames that a run is asked for. Raises DflwrapError, StoppedError."""
    if request.joined:
        return take_joined(request.input_dir, request.output_dir, stopping)
    return take_inventory(request.input_dir, stopping)


def take_in(
    request: RunRequest,
    begun: Begun,
    inventory: Inventory,
    run_folder: Path,
    judge_clip: ClipJudge,
    stopping: Callable[[], bool] = never,
) -> Intake:
    """Enter new frames, quarantine what cannot be extracted, adopt existing faces, open what is to be redone.

    Raises DflwrapError when there is no frame at all, or the user must choose what becomes of existing faces,
    StoppedError when `stopping` says so: the next start does what was not done.
    """
    ledger = begun.ledger
    if not inventory.frames and not ledger.counts().total:
        raise DflwrapError(_no_frames(request, inventory))
    intake = Intake(inventory, list(begun.notices))
    intake.notices += open_replaced(request.output_dir, ledger, run_folder, begun.census)
    intake.notices += record_census(ledger, begun.census)
    if begun.clip is not None:
        intake.notices += settle_differing(
            request,
            ledger,
            run_folder,
            begun.clip,
            judge_clip,
            lambda row, entry: _new_frame(entry, row.stem, judge(request.input_dir, entry)),
        )
        begun.clip = None  # it holds a row of each frame, which are read anew
    _enter(request, ledger, intake, stopping)
    present = [entry.name for entry in inventory.frames]
    intake.notices += account_for_missing(request.input_dir, ledger, present)
    _open_filtered(request, ledger)
    intake.notices += adopt(request, ledger, run_folder, begun.census, judge_clip)
    if request.redo:
        intake.notices += redo_asked(request, ledger, run_folder)
    return intake


def _no_frames(request: RunRequest, inventory: Inventory) -> str:
    text = f"There is no image in the input folder: {display(str(request.input_dir))}."
    if inventory.ignored:
        shown = "; ".join(f"{display(i.name)} ({i.reason})" for i in inventory.ignored[:3])
        text += f" It holds: {shown}."
    return text + " Give the folder that holds the frames themselves with --input-dir."


def _enter(request: RunRequest, ledger: Ledger, intake: Intake, stopping: Callable[[], bool]) -> None:
    """New frames into the ledger; refused ones that were away are checked again."""
    known = set(ledger.file_names())
    prefix = ledger.get_name(STEM_PREFIX) or ""
    frames = intake.inventory.frames
    unknown = [number for number, entry in enumerate(frames) if entry.name not in known]
    away = {row.file_name: row for row in ledger.frames("entry = 'refuse' AND outcome = 'not_attempted'")}
    anew = [
        (away[entry.name].id, _new_frame(entry, away[entry.name].stem, judge(request.input_dir, entry)))
        for entry in (frames if away else ())
        if entry.name in away and entry.size != UNREAD
    ]
    del known, away
    sample = set(spread(unknown, SAMPLE))
    # Before the transaction, for it reads files; of the others the row is made when it is entered.
    looked = {
        number: judge(request.input_dir, frames[number])
        for number in heeding(stopping, unknown)
        if number in sample or frames[number].problem is not None or frames[number].size <= 0
    }
    stems = {case_key(stem) for stem in ledger.stems()} if unknown else set()
    new = (
        _entered(frames[number], looked.get(number), stems, prefix, intake.notices)
        for number in heeding(stopping, unknown)
    )
    with ledger.transaction():
        ledger.enter_anew(anew)
        ledger.add_frames(new)


def _entered(
    entry: FrameEntry, looked: Judgement | None, stems: set[str], prefix: str, notices: list[str]
) -> NewFrame:
    """A new frame with a stem of its own, which is added to `stems`."""
    judgement = looked or _UNSEEN[is_plain(entry.name)]
    stem = _unique_stem(entry.name, stems, prefix)
    stems.add(case_key(stem))
    if stem != prefix + stem_and_suffix(flat(entry.name))[0]:
        notices.append(
            f"{display(entry.name)}: another frame has the same stem, or no file can be named after it; "
            f"its faces are named {display(stem)}_N.jpg"
        )
    return _new_frame(entry, stem, judgement)


_UNSEEN = {plain: Judgement(Entry.UNSEEN, plain_name=plain) for plain in (True, False)}


def _new_frame(entry: FrameEntry, stem: str, judgement: Judgement) -> NewFrame:
    return NewFrame(
        entry.name,
        stem,
        entry.size,
        entry.mtime_ns,
        Entry.CONVERT if judgement.unread else judgement.entry,
        # An extractor skips the second frame of a stem: one with a stem of our own needs a name of ours.
        judgement.plain_name and stem == stem_and_suffix(entry.name)[0],
        judgement.max_side,
        judgement.reason,
        judgement.longest_side,
        judgement.cause,
    )


def _unique_stem(name: str, taken: set[str], prefix: str) -> str:
    stem, suffix = stem_and_suffix(flat(name))
    stem = face_stem(prefix + stem)
    candidate, number = stem, 1
    while case_key(candidate) in taken:
        candidate = f"{stem}_{suffix.lstrip('.')}" + (f"-{number}" if number > 1 else "")
        number += 1
    return candidate


def _open_filtered(request: RunRequest, ledger: Ledger) -> None:
    """Frames that were left out before are open again, unless it is by the same filters."""
    wanted = asdict(request.filters)
    if ledger.get(_FILTERS) == wanted:
        return
    with ledger.transaction():
        ledger.reopen("outcome = 'not_attempted' AND cause = ?", (FILTERED,))
        ledger.put(_FILTERS, wanted)
