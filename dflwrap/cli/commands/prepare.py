"""`dflwrap prepare INPUT OUTPUT`: a clean copy of a folder of frames, or the frames of a video."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dflwrap.cli import arguments
from dflwrap.common.choices import LayoutChoice
from dflwrap.common.errors import DflwrapError
from dflwrap.common.text import counted, display, safe_json
from dflwrap.common.trees import is_file
from dflwrap.prepare.options import Flaw, PrepareOptions

if TYPE_CHECKING:
    from dflwrap.prepare.manifest import Row
    from dflwrap.prepare.preparing import Prepared
    from dflwrap.supervisor.stop_request import Control

SCHEMA_VERSION = 1
LOST = 1
"""Exit code when frames were left out because they cannot be used."""
_EXIT_CODES = """Exit codes:

0 done; 1 done, and some frames could not be used (the manifest says why); 2 bad usage or input; 3 stopped, needs you
(a full disk); 4 interrupted: the same command resumes."""


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("prepare", epilog=_EXIT_CODES)(prepare)


def prepare(
    source: Annotated[Path, typer.Argument(help="Folder of frames, or a video.", metavar="INPUT")],
    output: Annotated[Path, typer.Argument(help="A new folder.", metavar="OUTPUT")],
    layout: Annotated[
        LayoutChoice,
        typer.Option(
            help="auto, flat (the folder itself), per-person (each sub-folder by itself) or join (all are one).",
            show_choices=False,
        ),
    ] = LayoutChoice.AUTO,
    max_side: Annotated[
        int, typer.Option(help="Downscale longer frames (area averaging, aspect kept). 0 = off.", metavar="N")
    ] = 0,
    every: Annotated[int, typer.Option(min=1, help="Take one frame of N.", metavar="N")] = 1,
    dedupe: Annotated[
        bool, typer.Option("--dedupe", help="Leave near duplicates out (not for data_dst).")
    ] = False,
    without: Annotated[
        list[Flaw] | None,
        typer.Option(help="Leave these frames out. May be given several times.", metavar="FLAW"),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and change nothing.")] = False,
    ffmpeg: Annotated[
        Path | None,
        typer.Option(
            help="ffmpeg, for a video. [DeepFaceLab's, the PATH's, imageio-ffmpeg's]", metavar="FILE"
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON (docs/prepare.md).")] = False,
) -> None:
    """Make a clean copy: numbered, upright, readable; broken frames left out with their reason.

    Frames that are fine are linked, not copied. The originals are never touched. The same command again resumes.
    """
    options = PrepareOptions(
        layout=layout,
        max_side=arguments.longest_side(max_side),
        every=every,
        dedupe=dedupe,
        without=tuple(sorted({flaw.value for flaw in without or ()})),
    )
    from dflwrap.cli.terminal.signals import heard
    from dflwrap.supervisor.stop_request import Control

    place, target = arguments.folder("INPUT", source), arguments.folder("OUTPUT", output)
    control = Control()
    rows: list[dict[str, Any]] = []
    with heard(control):
        result = _run(place, target, options, ffmpeg, control, dry_run=dry_run, as_json=as_json, rows=rows)
    if as_json:
        data = _as_data(place, result, dry_run=dry_run)
        if dry_run:
            data["plan"] = rows
        sys.stdout.write(safe_json(json.dumps(data, indent=1, ensure_ascii=False)) + "\n")
    else:
        for line in _page(result, dry_run=dry_run):
            typer.echo(display(line))
    raise typer.Exit(LOST if result.lost else 0)


def _run(
    source: Path,
    output: Path,
    options: PrepareOptions,
    ffmpeg: Path | None,
    control: Control,
    *,
    dry_run: bool,
    as_json: bool,
    rows: list[dict[str, Any]],
) -> Prepared:
    from dflwrap.cli.commands.check import progress_bar
    from dflwrap.prepare.preparing import check_places, prepare_folder
    from dflwrap.telemetry.limits import usable_cores

    def tell(row: Row) -> None:
        if dry_run and as_json:
            rows.append(
                {
                    "original": display(row.original),
                    "became": row.became,
                    "target": row.target,
                    "why": row.why,
                }
            )
        elif dry_run:
            typer.echo(display(_line(row)))

    check_places(source, output)
    if is_file(source):
        from dflwrap.prepare.from_video import prepare_video

        if dry_run:
            raise DflwrapError(
                "--dry-run needs frames: cut the video first, then look at the plan of its folder."
            )
        with progress_bar("frames cut and prepared") as progress:
            return prepare_video(
                source,
                output,
                options,
                ffmpeg,
                os.environ,
                usable_cores(),
                progress,
                lambda: control.stopping,
            )
    with progress_bar("frames prepared") as progress:
        return prepare_folder(
            source,
            output,
            options,
            children=usable_cores(),
            dry_run=dry_run,
            tell=tell,
            progress=progress,
            stopping=lambda: control.stopping,
        )


def _line(row: Row) -> str:
    why = f" ({row.reason})" if row.reason else ""
    return f"{row.original} -> {row.target or 'left out'}{why}"


def _as_data(source: Path, result: Prepared, *, dry_run: bool) -> dict[str, Any]:
    """The JSON of docs/prepare.md."""
    from dflwrap.prepare.manifest import NAME

    return {
        "schema_version": SCHEMA_VERSION,
        "input": display(str(source)),
        "output": display(str(result.output)),
        "dry_run": dry_run,
        "frames": {
            "found": result.found,
            "linked": result.counts["linked"],
            "converted": result.counts["converted"],
            "left_out": result.counts["left out"],
            "unusable": result.lost,
        },
        "reasons": dict(result.reasons),
        "notes": result.notes,
        "manifest": None if dry_run else display(str(result.output / NAME)),
    }


def _page(result: Prepared, *, dry_run: bool) -> Iterator[str]:
    from dflwrap.prepare.manifest import NAME

    counts = result.counts
    would = "Would become: " if dry_run else ""
    yield (
        f"{would}{counted(result.found, 'frame')}: {counts['linked']:,} linked as they are, "
        f"{counts['converted']:,} converted, {counts['left out']:,} left out"
    )
    for reason, count in result.reasons.most_common():
        yield f"  {count:,} {reason}"
    for note in result.notes:
        yield f"Note:     {note}"
    if dry_run:
        return
    if not result.new:
        yield "All of it was done already."
    yield f"Output:   {result.output}"
    yield f"Manifest: {result.output / NAME} (what became of every original)"
