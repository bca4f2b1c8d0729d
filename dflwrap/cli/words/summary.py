"""The short table at the end of a run."""

from __future__ import annotations

from pathlib import Path
from typing import IO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from dflwrap.cli.terminal.display import duration
from dflwrap.common.text import display
from dflwrap.common.trees import is_file
from dflwrap.report.summary import NOT_REACHED
from dflwrap.supervisor.manual import debug_folder
from dflwrap.supervisor.no_face_reasons import in_words
from dflwrap.supervisor.reconcile.hostile import sentence
from dflwrap.supervisor.request import RunRequest
from dflwrap.supervisor.run import RunResult
from dflwrap.supervisor.run_folder import RunFolder, run_folder_of

SHOWN = 10
"""Frames named per outcome; the report has them all."""


def print_summary(result: RunResult, request: RunRequest, stream: IO[str]) -> None:
    """The last page of a run, on `stream`: totals, what needs attention, where things lie."""
    console = Console(file=stream, highlight=False, soft_wrap=True)
    frames = result.report["frames"]
    if result.nothing_to_do:
        console.print(Text("This run has finished already; nothing was done."))
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_row("frames", str(frames["total"]))
    for key, words in (
        ("extracted", "  extracted"),
        ("no_face", "  no face"),
        ("quarantined", "  quarantined"),
        ("not_attempted", "  not attempted"),
    ):
        table.add_row(words, str(frames[key]))
    if frames["removed"]:
        table.add_row("removed (not counted)", str(frames["removed"]))
    table.add_row("faces", str(result.report["faces"]))
    console.print(table)
    reasons = result.report["no_face_reasons"]
    if frames["no_face"] and isinstance(reasons, dict):
        console.print(Text(in_words(reasons)))
    by_extractor = result.report["extracted_by"]
    if len(by_extractor) > 1:
        shares = (f"{len(names)} frames by {name}" for name, names in by_extractor.items())
        console.print(Text(f"Extracted: {display(', '.join(shares))} (report.json names them)"))
    for key, words in (("quarantined", "Quarantined"), ("not_attempted", "Not attempted")):
        # Frames that the run simply did not reach are a number, not a list.
        rows = [row for row in result.report[key] if row["cause"] != NOT_REACHED]
        if not rows:
            continue
        console.print(Text(f"{words}:"))
        for row in rows[:SHOWN]:
            console.print(
                Text(
                    display(
                        f"  {row['frame']}: {row['evidence'].splitlines()[0] if row['evidence'] else ''}"
                        f" [{row['cause']}]"
                    )
                )
            )
        if len(rows) > SHOWN:
            console.print(Text(f"  and {len(rows) - SHOWN} more: see the report"))
    hostile = result.report["hostile_faces"]
    if hostile:
        console.print(Text("HOSTILE faces (they run code when DeepFaceLab opens them):"))
        for row in hostile[:SHOWN]:
            console.print(Text(f"  {display(sentence(row))}"))
        if len(hostile) > SHOWN:
            console.print(Text(f"  and {len(hostile) - SHOWN} more: see the report"))
    _manual(console, result.report["manual"], request.output_dir)
    console.print(Text(f"Faceset:    {display(str(request.output_dir))}"))
    console.print(Text(f"Run folder: {display(str(run_folder_of(request.output_dir)))}"))
    console.print(Text(f"Elapsed:    {duration(result.seconds)}"))
    for number, look in enumerate(_worth_a_look(result)):
        console.print(Text(f"{'Look at:' if number == 0 else '':<12}{display(look)}"))
    page = RunFolder(request.output_dir).page
    if is_file(page):
        console.print(Text(f"Report:     {display(str(page))}"))


def in_one_line(result: RunResult) -> str:
    """Of an ended run, for a message to elsewhere: no path, and no name of a frame."""
    frames, faces = result.report["frames"], result.report["faces"]
    words = [f"{frames['extracted']} of {frames['total']} frames extracted", f"{faces} faces"]
    for key, text in (
        ("no_face", "without a face"),
        ("quarantined", "quarantined"),
        ("not_attempted", "not attempted"),
    ):
        if frames[key]:
            words.append(f"{frames[key]} {text}")
    said = f"{', '.join(words)}; {duration(result.seconds)}."
    if result.stop is not None:
        return f"It stopped: {result.stop.cause}. {said}"
    why = result.report["run"].get("reason")
    return f"It stopped: {why}. {said}" if why else said


def _manual(console: Console, names: list[str] | None, output: Path) -> None:
    """What is left for a person, and the way to do it in DeepFaceLab that keeps the faceset."""
    if names is None:
        return
    if not names:
        console.print(Text("By hand: no frame is left for you."))
        return
    console.print(Text(f"By hand: {len(names)} frame{'' if len(names) == 1 else 's'} for you:"))
    for name in names[:SHOWN]:
        console.print(Text(f"  {display(name)}"))
    if len(names) > SHOWN:
        console.print(Text(f"  and {len(names) - SHOWN} more: see the report"))
    debug = display(str(debug_folder(output)))
    console.print(
        Text(
            f"  Delete their pictures from {debug} (made with --output-debug) where you have not,\n"
            '  then start DeepFaceLab\'s "MANUAL RE-EXTRACT DELETED ALIGNED_DEBUG". Its extract with --manual-fix\n'
            "  would delete this faceset."
        )
    )


def _worth_a_look(result: RunResult) -> list[str]:
    """Where in the run folder the user finds what needs attention."""
    report, looks = result.report, []
    if result.stop is not None and report["attempts"]:
        number = report["attempts"][-1]["number"]
        looks.append(f"attempts/{number:04d}/: what the extractor said last")
    if report["quarantined"]:
        looks.append("quarantine/: these frames with their reasons; --redo quarantined retries them")
    if report["no_face"]:
        looks.append('report.json: the frames without a face, under "no_face"')
    return looks
