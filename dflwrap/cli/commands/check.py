"""`dflwrap check INPUT`: what a folder of frames will give, before anything is extracted."""

from __future__ import annotations

import json
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dflwrap.check.thresholds import Thresholds
from dflwrap.common.text import counted, display, safe_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from dflwrap.check.checking import CheckResult
    from dflwrap.check.findings import Finding
    from dflwrap.check.forecast import Forecast

SCHEMA_VERSION = 1
FINDINGS = 1
"""Exit code when something above a note was found."""
WIDTH = 96
GIB = 1024**3
BAR_EVERY = 0.1
"""Seconds between two updates of the progress bar: each costs as much as the look at a frame's findings."""
_DEFAULTS = Thresholds()
_LIMITS = "Thresholds (docs/findings.md)"
_EXIT_CODES = """Exit codes:

0 nothing above a note; 1 findings; 2 bad usage, or the folder cannot be read. Findings never stop an extraction."""


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("check", epilog=_EXIT_CODES)(check)


def check(
    folder: Annotated[Path, typer.Argument(help="The folder of the frames.", metavar="INPUT")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON (docs/check.md).")] = False,
    sheet: Annotated[
        Path | None,
        typer.Option(
            "--sheet", help="Write a contact sheet of the questionable frames (JPEG or PNG).", metavar="FILE"
        ),
    ] = None,
    faces: Annotated[
        bool, typer.Option("--faces", help="Look for faces in a sample, with the built-in extractor.")
    ] = False,
    blurry_below: Annotated[
        float, typer.Option(min=0, help="Variance of the Laplacian.", rich_help_panel=_LIMITS)
    ] = _DEFAULTS.blurred_below,
    dark_below: Annotated[
        float,
        typer.Option(min=0, max=256, help="95 % of the frame are darker, of 255.", rich_help_panel=_LIMITS),
    ] = _DEFAULTS.dark_below,
    overexposed_above: Annotated[
        float, typer.Option(min=0, max=1, help="Share of white pixels, 0 to 1.", rich_help_panel=_LIMITS)
    ] = _DEFAULTS.overexposed_above,
    duplicate_bits: Annotated[
        int, typer.Option(min=0, max=64, help="Bits of the dhash (128).", rich_help_panel=_LIMITS)
    ] = _DEFAULTS.duplicate_bits,
    frozen_frames: Annotated[
        int, typer.Option(min=2, help="Identical frames in a row.", rich_help_panel=_LIMITS)
    ] = _DEFAULTS.frozen_frames,
    huge_pixels: Annotated[
        int, typer.Option(min=1, help="Pixels of a huge frame.", rich_help_panel=_LIMITS)
    ] = _DEFAULTS.huge_pixels,
) -> None:
    """Check a folder of frames: layout, names, files, quality, and what extract will need. Changes nothing."""
    from dflwrap.check.checking import check_frames
    from dflwrap.check.forecast import forecast
    from dflwrap.cli import arguments
    from dflwrap.telemetry.limits import usable_cores

    limits = Thresholds(
        blurred_below=arguments.finite("--blurry-below", blurry_below),
        dark_below=arguments.finite("--dark-below", dark_below),
        overexposed_above=arguments.finite("--overexposed-above", overexposed_above),
        duplicate_bits=duplicate_bits,
        frozen_frames=frozen_frames,
        huge_pixels=huge_pixels,
    )
    place = arguments.folder("INPUT", folder)
    if sheet is not None:
        from dflwrap.check.sheet import check_target

        check_target(sheet, place)
    if faces:
        from dflwrap.cli.face_sample import require_builtin, sample_faces

        require_builtin()
    with progress_bar("frames checked") as progress:
        result = check_frames(place, limits=limits, children=usable_cores(), progress=progress)
    sample = sample_faces(result.frames.items()) if faces else None
    if sample is not None and sample.frames and not sample.with_faces:
        result.findings.add("no-faces", f"0 of {counted(sample.frames, 'sampled frame')}", count=0)
    ahead = forecast(result, sample)
    if as_json:
        data = as_data(place, result, ahead)
        sys.stdout.write(safe_json(json.dumps(data, indent=1, ensure_ascii=False)) + "\n")
    else:
        for line in _page(place, result, ahead):
            typer.echo(display(line))
    if sheet is not None:  # last: a disk that is full by now costs the sheet, not the findings
        from dflwrap.check.sheet import write_sheet

        sys.stdout.flush()
        written = write_sheet(sheet, result.doubtful.items())
        said = f"Contact sheet: {sheet}" if written else "No contact sheet: no frame is questionable."
        typer.echo(display(said), err=as_json)
    raise typer.Exit(FINDINGS if result.findings.above_note else 0)


@contextmanager
def progress_bar(words: str) -> Iterator[Callable[[int, int], None] | None]:
    """On a terminal, on stderr; also used by `prepare`."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(words, total=None)
        shown = 0.0

        def update(done: int, total: int) -> None:
            nonlocal shown
            if done == total or time.monotonic() - shown > BAR_EVERY:
                shown = time.monotonic()
                bar.update(task, completed=done, total=total)

        yield update


def as_data(folder: Path, result: CheckResult, ahead: Forecast) -> dict[str, Any]:
    """The JSON of docs/check.md."""
    return {
        "schema_version": SCHEMA_VERSION,
        "input": display(str(folder)),
        "layout": result.layout.arrangement.value,
        "frames": {
            "found": result.found,
            "usable": result.usable,
            "unusable": result.found - result.usable,
        },
        "findings": [
            {
                "id": f.kind.id,
                "severity": f.severity.value,
                "count": f.count,
                "examples": f.examples,
                "explanation": f.kind.explanation,
                "fix": f.kind.fix,
                "extract": f.kind.extract,
                "cause": f.kind.cause or None,
            }
            for f in result.findings.sorted()
        ],
        "forecast": ahead.to_json(),
    }


def _page(folder: Path, result: CheckResult, ahead: Forecast) -> Iterator[str]:
    from dflwrap.check.findings import Severity

    yield f"Input:  {folder}"
    yield f"Layout: {_layout_words(result)}"
    unusable = result.found - result.usable
    yield f"Frames: {result.found:,} found, {result.usable:,} usable, {unusable:,} unusable"
    findings = result.findings.sorted()
    for severity, heading in (
        (Severity.ERROR, "Errors"),
        (Severity.WARNING, "Warnings"),
        (Severity.NOTE, "Notes"),
    ):
        some = [finding for finding in findings if finding.severity is severity]
        if some:
            yield ""
            yield f"{heading}:"
        for finding in some:
            yield from _finding(finding)
    if not findings:
        yield ""
        yield "Nothing to complain about."
    yield ""
    yield "Forecast:"
    yield from _forecast(ahead)


def _layout_words(result: CheckResult) -> str:
    layout = result.layout
    subs = f"{layout.below:,} in {counted(len(layout.sub_folders), 'sub-folder')}"
    if not layout.below:
        subs = "none in sub-folders"
    return f"{layout.arrangement.value} ({counted(layout.images, 'picture')} in the folder itself, {subs})"


def _finding(finding: Finding) -> Iterator[str]:
    count = f" ({finding.count:,})" if finding.count else ""
    yield f"  {finding.kind.title}{count}   [{finding.kind.id}]"
    for example in finding.examples:
        yield f"      {example}"
    if finding.more:
        yield "      ..."
    for head, text in (
        ("Why", finding.kind.explanation),
        ("Fix", finding.kind.fix),
        ("extract", finding.kind.extract),
    ):
        yield from textwrap.wrap(text, WIDTH, initial_indent=f"    {head}: ", subsequent_indent="      ")


def _forecast(ahead: Forecast) -> Iterator[str]:
    yield f"  frames: {ahead.frames:,} will be tried"
    faces = f"about {ahead.faces:,}; " if ahead.faces is not None else ""
    yield f"  faces:  {faces}{ahead.faces_from}"
    sample = ahead.sample
    if sample is not None and sample.frames:
        people = "1 person" if sample.most_in_a_frame == 1 else f"{sample.most_in_a_frame} people"
        at_least = f"; at least {people}" if sample.most_in_a_frame else ""
        yield f"          {sample.with_faces} of {sample.frames} sampled frames have a face{at_least}"
        if sample.sizes:
            low, middle, high = sample.sizes[0], sample.sizes[len(sample.sizes) // 2], sample.sizes[-1]
            yield f"          face sizes: {low} to {high} pixels, {middle} in the middle"
    yield f"  time:   {_time(ahead)}"
    disk, memory = ahead.disk, ahead.memory
    yield (
        f"  disk:   {_gib(disk['faceset'])} for the faceset, {_gib(disk['run'])} for the run folder; "
        f"{_gib(disk['free'])} free here"
    )
    yield f"  RAM:    {_gib(memory['ram_per_worker'])} per worker; {_gib(memory['ram_free'])} free"
    if memory["gpus"]:
        cards = ", ".join(f"{card['name']}: {_gib(card['free'])} free" for card in memory["gpus"])
        yield f"  VRAM:   {_gib(memory['vram_per_worker'])} per worker; {cards}"
    else:
        yield "  VRAM:   no NVIDIA card that answers; the CPU will do the work"


def _time(ahead: Forecast) -> str:
    if ahead.hours is None:
        return ahead.hours_from
    minutes = round(ahead.hours * 60)
    words = f"about {ahead.hours:.1f} hours" if minutes >= 60 else f"about {minutes} min"
    return f"{words if minutes else 'less than a minute'} ({ahead.hours_from})"


def _gib(size: int | None) -> str:
    if size is None:
        return "unknown"
    return f"{size / GIB:.1f} GiB" if size >= GIB / 10 else f"{size / 1024**2:.1f} MiB"
