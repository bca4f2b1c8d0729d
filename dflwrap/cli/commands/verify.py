"""`dflwrap verify FACESET`: is every face whole, safe, and really of its frame?"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dflwrap.common.errors import DflwrapError
from dflwrap.common.text import counted, display, safe_json
from dflwrap.common.trees import hidden_by, is_file, is_folder, is_there

if TYPE_CHECKING:
    from collections.abc import Callable

    from dflwrap.faceset.audit import Audit
    from dflwrap.faceset.record import Record

FAULTY = 1
"""Exit code when a face is torn, hostile, or not its frame's."""
_PIECES = 10_000
"""Of JSON that are written together."""
_MOST_SHOWN = 20
"""Lines of one kind on the screen; --json has all."""

_EXIT_CODES = """Exit codes:

0 clean (missing, removed and foreign faces are notes); 1 a face is torn, hostile or not its frame's (or a frame
has several faces, where --one-face-per-frame asks for one); 2 bad usage, or the faceset cannot be read."""


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("verify", epilog=_EXIT_CODES)(verify)


def verify(
    faceset: Annotated[
        Path,
        typer.Argument(
            help="The faceset, its run folder, a report in it; or a folder of facesets (a job).",
            metavar="FACESET",
        ),
    ],
    frames: Annotated[
        Path | None,
        typer.Option(
            "--frames", help="Folder of the frames. [the run's; else the folder above]", metavar="DIR"
        ),
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option("--sample", min=1, help="Examine only N faces as a whole, evenly spread.", metavar="N"),
    ] = None,
    one_face_per_frame: Annotated[
        bool,
        typer.Option("--one-face-per-frame", help="For data_dst: name the frames with more than one face."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON (docs/verify.md).")] = False,
) -> None:
    """Check every face of a faceset, and list those that deserve a look (review.txt). Changes nothing in it.

    Every face decodes, its metadata is complete and safe to load, and the frame that it names really shows it.
    """
    looks = [
        _look(place, frames, sample, one_face_per_frame=one_face_per_frame)
        for place in _places(Path(faceset))
    ]
    if as_json:
        from dflwrap.report.verification import SCHEMA_VERSION, as_data

        bodies = [as_data(look.result, look.place.faceset, look.frames) for look in looks]
        body = bodies[0] if len(bodies) == 1 else {"schema_version": SCHEMA_VERSION, "runs": bodies}
        _write_json(body)
    else:
        for number, look in enumerate(looks):
            if number:
                typer.echo()
            for line in _page(look.result, look.place.faceset, look.frames, look.reviewed):
                typer.echo(display(line))
    raise typer.Exit(FAULTY if any(look.result.faulty for look in looks) else 0)


def _write_json(body: dict[str, object]) -> None:
    """Piece by piece: a finding for each of a hundred thousand faces would stand in memory three times as one text."""
    pieces = json.JSONEncoder(indent=1, ensure_ascii=False).iterencode(body)
    while some := list(islice(pieces, _PIECES)):
        sys.stdout.write(safe_json("".join(some)))
    sys.stdout.write("\n")


@dataclass(frozen=True, slots=True)
class _Look:
    """At one faceset."""

    place: _Place
    result: Audit
    frames: Path | None
    reviewed: Path | None


def _look(place: _Place, frames: Path | None, sample: int | None, *, one_face_per_frame: bool) -> _Look:
    with _record_of(place) as record:
        folder = frames.absolute() if frames is not None else _frames_of(place)
        from dflwrap.faceset.audit import Kind, audit

        with _progress() as progress:
            result = audit(
                place.faceset,
                frames=folder,
                record=record,
                sample=sample,
                one_face_per_frame=one_face_per_frame,
                progress=progress,
            )
    if record is None and result.files == len(result.of(Kind.OTHER)):
        raise DflwrapError(
            f"There is no face of DeepFaceLab in this folder: {display(str(place.faceset))}. "
            "Give the folder that holds the faces."
        )
    return _Look(place, result, folder, _write_review(place, result))


@dataclass(slots=True)
class _Place:
    """Where things are; `input_dir` comes from the run's ledger."""

    faceset: Path
    run_folder: Path | None
    input_dir: Path | None = None


def _places(named: Path) -> list[_Place]:
    """From the faceset, its run folder or a report in that; or from the folder of a job's facesets.

    Raises DflwrapError.
    """
    from dflwrap.supervisor.run_folder import find_runs

    path = named.absolute()
    try:
        places = [_Place(faceset, folder.path) for folder, faceset in find_runs(path)]
    except DflwrapError:
        places = []
    if is_folder(path) and not any(place.faceset == path or place.run_folder == path for place in places):
        from dflwrap.faceset.listing import FACE_SUFFIXES

        if not places or any(Path(name).suffix.lower() in FACE_SUFFIXES for name in os.listdir(path)):  # noqa: PTH208
            places = [_Place(path, None)]  # a faceset that dflwrap has not made, whatever lies in it
    for place in places or [_Place(path, None)]:
        why = hidden_by(place.faceset)
        if why:
            raise DflwrapError(
                f"The faceset cannot be looked at: {display(str(place.faceset))} ({why}). "
                "Check the permissions of the folders above it."
            )
        if not is_folder(place.faceset):
            what = "is a file, not a folder" if is_file(place.faceset) else "does not exist"
            raise DflwrapError(
                f"The faceset {what}: {display(str(place.faceset))}. Give the folder that holds the faces."
            )
    return places


@contextmanager
def _record_of(place: _Place) -> Iterator[Record | None]:
    if place.run_folder is None:
        yield None
        return
    from dflwrap.faceset.record import record_of
    from dflwrap.ledger.read_only import copy_of

    with copy_of(place.run_folder / "run.db") as ledger:
        source = ledger.get("input_dir")
        place.input_dir = Path(source) if isinstance(source, str) and source else None
        yield record_of(ledger)


def _frames_of(place: _Place) -> Path | None:
    """The run's input folder; else the folder above, where DeepFaceLab keeps the frames of `aligned`."""
    if place.input_dir is not None and is_folder(place.input_dir):
        return place.input_dir
    from dflwrap.faceset.reading import scan_faceset

    above = place.faceset.parent
    try:
        found = (face.metadata for face in scan_faceset(place.faceset))
        first = next((metadata for metadata in found if metadata and metadata.source_filename), None)
    except OSError:
        return None
    name = (first.source_filename or "") if first is not None else ""
    return above if name and Path(name).name == name and is_file(above / name) else None


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None] | None]:
    """On a terminal, on stderr: faces compared."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("faces compared with their frames")
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _write_review(place: _Place, result: Audit) -> Path | None:
    """Into the run folder, or beside the faceset. Where it cannot be written, that is said and no more."""
    from dflwrap.report.verification import REVIEW_NAME, write_review

    if place.run_folder is not None:
        path = place.run_folder / REVIEW_NAME
    else:
        path = place.faceset.with_name(f"{place.faceset.name}_{REVIEW_NAME}")
        if not result.odd and not is_there(path):
            return None
    try:
        if write_review(path, result, place.faceset):
            return path
        why = "a file of yours has that name"
    except OSError as error:
        why = error.strerror or str(error)
    print(f"dflwrap: {display(str(path))} was not written: {display(why)}", file=sys.stderr)
    return None


_HEADINGS = (
    ("torn", "Torn or incomplete"),
    ("hostile", "HOSTILE: do not open this faceset with DeepFaceLab while these files are in it"),
    ("not_its_frame", "Not of the frame that they name"),
)
_NOTES = (
    ("foreign", "of pictures that are not of this clip"),
    ("unchecked", "could not be compared with their frames"),
    ("other", "are no faces of DeepFaceLab"),
)


def _page(result: Audit, faceset: Path, frames: Path | None, reviewed: Path | None) -> list[str]:
    """The lines for a person; the caller escapes them."""
    from dflwrap.faceset.audit import Kind
    from dflwrap.report.verification import sound

    lines = [
        f"Faceset: {faceset}",
        f"Frames:  {frames if frames is not None else 'not known (--frames DIR)'}",
    ]
    examined = "" if result.examined == result.files else f", {result.examined:,} of them examined as a whole"
    lines.append(
        f"{counted(result.files, 'face')}{examined}: {sound(result):,} sound, "
        f"{result.compared:,} compared with their frames"
    )
    for name, heading in _HEADINGS:
        found = result.of(Kind(name))
        if found:
            lines += ["", f"{heading} ({len(found):,}):"]
            lines += _some([_line(f.file, f.source, f.reason, f.correlation) for f in found])
    if result.crowded:
        lines += ["", f"More than one face in a frame ({len(result.crowded):,}):"]
        lines += _some(
            [f"  {source}: {', '.join(files)}" for source, files in sorted(result.crowded.items())]
        )
    notes = []
    for name, what in _NOTES:
        found = result.of(Kind(name))
        if found:
            notes += [f"{counted(len(found), 'file')} {what}: {_names([f.file for f in found])}"]
    if result.missing:
        notes += [
            f"{counted(len(result.missing), 'face')} missing: {_names([g.file for g in result.missing])}"
        ]
    if result.culled:
        notes += [
            f"{counted(len(result.culled), 'face')} removed by you: {_names([g.file for g in result.culled])}"
        ]
    if result.pak:
        notes += ["the packed faceset (faceset.pak) was not looked into"]
    if notes:
        lines += ["", "Notes:", *(f"  {note}" for note in notes)]
    if result.odd:
        where = f": {reviewed}" if reviewed is not None else ""
        lines += ["", f"Look at these {len(result.odd):,}{where}"]
        lines += _some([f"  {odd.file} ({odd.source}): {odd.reason}" for odd in result.odd])
    return lines


def _line(file: str, source: str, reason: str, correlation: float | None) -> str:
    of = f" ({source})" if source else ""
    like = f" (correlation {correlation:.2f})" if correlation is not None else ""
    return f"  {file}{of}: {reason}{like}"


def _some(lines: Sequence[str]) -> list[str]:
    more = len(lines) - _MOST_SHOWN
    return [*lines[:_MOST_SHOWN], *([f"  and {more:,} more (--json lists all)"] if more > 0 else [])]


def _names(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3:,} more" if len(names) > 3 else "")
