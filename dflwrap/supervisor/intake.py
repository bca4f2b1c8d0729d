"""Bringing the input folder, the faceset and the ledger together before anything starts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from dflwrap.common.errors import DflwrapError
from dflwrap.common.retrying import retry_held_open
from dflwrap.common.text import display
from dflwrap.faceset.errors import FaceFileError, TornFaceError
from dflwrap.faceset.facts import face_facts
from dflwrap.faceset.jpeg import check_image_data, header_segments, image_size
from dflwrap.faceset.metadata import FaceMetadata, metadata_in
from dflwrap.faceset.promotion import set_aside
from dflwrap.faceset.verify import verify_bytes
from dflwrap.frames.conversion import Converter
from dflwrap.frames.filters import FILTERED, why_left_out
from dflwrap.frames.inventory import UNREAD, FrameEntry, Inventory, take_inventory
from dflwrap.frames.judgement import Entry, Judgement, judge
from dflwrap.frames.names import case_key, face_stem, stem_and_suffix
from dflwrap.ledger.ledger import Ledger
from dflwrap.ledger.records import FaceFacts, FrameRow, NewFrame, Outcome
from dflwrap.supervisor.missing import account_for_missing
from dflwrap.supervisor.request import OnConflict, RunRequest
from dflwrap.supervisor.runfolder import RunFolder

_FACE_NAME = re.compile(r"(.+)_(\d+)\.jpe?g", re.IGNORECASE | re.DOTALL)


@dataclass(slots=True)
class Intake:
    """What was found; `notices` are for the user."""

    inventory: Inventory
    notices: list[str] = field(default_factory=list)


def take_in(request: RunRequest, ledger: Ledger, folder: RunFolder) -> Intake:
    """Enter new frames, quarantine what cannot be extracted, adopt existing faces, refuse conflicts.

    Raises DflwrapError when a needed name is taken.
    """
    intake = Intake(take_inventory(request.input_dir))
    if not intake.inventory.frames and not ledger.counts().total:
        raise DflwrapError(_no_frames(request, intake.inventory))
    _enter(request, ledger, intake)
    present = [entry.name for entry in intake.inventory.frames]
    intake.notices += account_for_missing(request.input_dir, ledger, present)
    _filter(request, ledger, intake)
    _look_at_faceset(request, ledger, folder, intake)
    return intake


def _no_frames(request: RunRequest, inventory: Inventory) -> str:
    text = f"There is no image in the input folder: {display(str(request.input_dir))}."
    if inventory.ignored:
        shown = "; ".join(f"{display(i.name)} ({i.reason})" for i in inventory.ignored[:3])
        text += f" It holds: {shown}."
    return text + " Give the folder that holds the frames themselves with --input-dir."


def check_same_run(request: RunRequest, ledger: Ledger) -> None:
    """Raises DflwrapError when the request contradicts the run that it goes on with."""
    asked = request.options.to_dict()
    begun = ledger.get_table("options")
    if begun is None:
        ledger.put("options", asked)
        ledger.put("input_dir", str(request.input_dir))
        ledger.put("output_dir", str(request.output_dir))
        return
    # The look of the faces must be one; debug pictures may come and go.
    differing = [
        f"{key.replace('_', ' ')} {begun.get(key)} (asked now: {asked[key]})"
        for key in ("detector", "face_type", "max_faces_from_image", "image_size", "jpeg_quality")
        if begun.get(key) != asked[key]
    ]
    if differing:
        raise DflwrapError(
            f"This faceset was begun with {', '.join(differing)}. Give the same options to go on, "
            "or another --output-dir for a new faceset."
        )


def _enter(request: RunRequest, ledger: Ledger, intake: Intake) -> None:
    """New frames into the ledger; files that changed since they failed are open again."""
    known = {row.file_name: row for row in ledger.frames()}
    sizes = ledger.sizes()
    stems = {case_key(row.stem) for row in known.values()}
    new: list[NewFrame] = []
    for entry in intake.inventory.frames:
        row = known.get(entry.name)
        if row is not None:
            refused_and_removed = row.entry is Entry.REFUSE and row.outcome is Outcome.NOT_ATTEMPTED
            if entry.size == UNREAD:
                continue
            if refused_and_removed or sizes[row.id] != (entry.size, entry.mtime_ns):
                _changed(request, ledger, intake, row, entry)
            continue
        judgement = judge(request.input_dir, entry)
        stem = _unique_stem(entry.name, stems)
        stems.add(case_key(stem))
        if stem != stem_and_suffix(entry.name)[0]:
            intake.notices.append(
                f"{display(entry.name)}: another frame has the same stem, or no file can be named after it; "
                f"its faces are named {display(stem)}_N.jpg"
            )
        new.append(_new_frame(entry, stem, judgement))
    if new:
        ledger.add_frames(new)
    if request.retry_quarantined:
        ledger.reopen("outcome = 'quarantined' AND entry != 'refuse'")


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


def _unique_stem(name: str, taken: set[str]) -> str:
    stem, suffix = stem_and_suffix(name)
    stem = face_stem(stem)
    candidate, number = stem, 1
    while case_key(candidate) in taken:
        candidate = f"{stem}_{suffix.lstrip('.')}" + (f"-{number}" if number > 1 else "")
        number += 1
    return candidate


def _changed(request: RunRequest, ledger: Ledger, intake: Intake, row: FrameRow, entry: FrameEntry) -> None:
    if row.outcome in (Outcome.EXTRACTED, Outcome.NO_FACE):
        intake.notices.append(f"{row.name}: the file has changed since it was looked at; its result is kept")
        return
    ledger.enter_anew(row.id, _new_frame(entry, row.stem, judge(request.input_dir, entry)))


def _filter(request: RunRequest, ledger: Ledger, intake: Intake) -> None:
    """Leave out what the user asked to leave out; frames left out before under other filters are open again."""
    ledger.reopen("outcome = 'not_attempted' AND cause = ?", (FILTERED,))
    if not request.filters.any:
        return
    left_out = 0
    with Converter() as converter:
        for row in ledger.open_frames():
            reason = why_left_out(request.input_dir / row.file_name, request.filters, converter)
            if reason is not None:
                ledger.settle(row.id, Outcome.NOT_ATTEMPTED, cause=FILTERED, evidence=reason)
                left_out += 1
    intake.notices.append(f"{left_out} frame(s) left out, as asked")


# -- the faceset as it is -----------------------------------------------------------------------


@dataclass(slots=True)
class _Unknown:
    """Files of the faceset folder that this run did not put there."""

    whole: list[tuple[str, FaceMetadata]] = field(default_factory=list)
    torn: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)


def _look_at_faceset(request: RunRequest, ledger: Ledger, folder: RunFolder, intake: Intake) -> None:
    output = request.output_dir
    try:
        names = sorted(p.name for p in output.iterdir())
    except OSError as error:
        raise DflwrapError(
            f"The output folder cannot be used: {display(str(output))} ({error.strerror}). "
            "Check its permissions, or give another --output-dir."
        ) from None
    ours = ledger.face_names()
    unknown = _sort_out(output, [name for name in names if name not in ours], request.options.image_size)
    frames = ledger.frames()
    by_name = {row.file_name: row for row in frames}
    by_stem = {case_key(row.stem): row for row in frames}
    half = {case_key(stem) for stem in map(_stem_of_face, unknown.torn) if stem is not None}
    aside = [name for name in unknown.torn if case_key(_stem_of_face(name) or "") in by_stem]
    adopted: list[tuple[int, str, FaceFacts]] = []
    for name, metadata in unknown.whole:
        row = by_name.get(metadata.source_filename or "")
        if row is None or row.outcome in (Outcome.NOT_ATTEMPTED,):
            unknown.other.append(name)
        elif case_key(row.stem) in half:
            aside.append(name)  # a frame that stock DFL was writing when it died: extracted anew
        else:
            adopted.append((row.id, name, face_facts(output / name, metadata)))
    if adopted:
        ledger.adopt(adopted)
        count = len({frame for frame, *_ in adopted})
        intake.notices.append(f"{len(adopted)} faces of {count} frames were in the faceset already: kept")
    open_stems = {case_key(row.stem) for row in ledger.open_frames()}
    conflicts = [n for n in unknown.other if case_key(_stem_of_face(n) or "") in open_stems]
    if conflicts and request.on_conflict is OnConflict.STOP:
        raise DflwrapError(_conflict_text(output, conflicts))
    for name in aside + conflicts:
        kept = set_aside(output / name, folder.path)
        why = "half-written" if name in aside else "its name is needed"
        intake.notices.append(f"{display(name)}: {why}; moved to {display(str(kept))}")


def _stem_of_face(name: str) -> str | None:
    match = _FACE_NAME.fullmatch(name)
    return match[1] if match else None


def _sort_out(output: Path, names: Iterable[str], size: int) -> _Unknown:
    result = _Unknown()
    for name in names:
        path = output / name
        if _stem_of_face(name) is None or not path.is_file():
            if _stem_of_face(name) is not None:
                result.other.append(name)
            continue
        try:
            data = retry_held_open(path.read_bytes)
        except OSError:
            result.other.append(name)
            continue
        try:
            result.whole.append((name, verify_bytes(data)))
        except FaceFileError:
            (result.torn if _is_torn(data, size) else result.other).append(name)
    return result


def _is_torn(data: bytes, size: int) -> bool:
    """What a killed extractor leaves: cut short, empty, or the bare JPEG before its metadata came."""
    try:
        segments = header_segments(data)
        check_image_data(data, segments)
        return metadata_in(data, segments) is None and image_size(data, segments) == (size, size)
    except TornFaceError:
        return True
    except FaceFileError:
        return False


def _conflict_text(output: Path, conflicts: list[str]) -> str:
    shown = ", ".join(display(name) for name in conflicts[:3])
    more = f" and {len(conflicts) - 3} more" if len(conflicts) > 3 else ""
    return (
        f"Names that the new faces need are taken in {display(str(output))}: {shown}{more}. "
        "Nothing was started. Move these files away, choose another --output-dir, "
        "or start with --on-conflict set-aside (they are moved into the run folder)."
    )
