"""A report for others: a zip without names, paths and faces, to attach to a question."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from dflwrap.common.text import safe_json
from dflwrap.ledger.read_only import copy_of
from dflwrap.report.night.gathering import gather
from dflwrap.report.page.hiding import Hider, Redact
from dflwrap.report.page.rendering import render
from dflwrap.report.page.writing import write_whole
from dflwrap.report.summary import build_report

NAME = "report-share.zip"
_README = """A report of dflwrap (report.html: open it in a browser; report.json: the same as data).
Frames are numbered in the order of the clip; names, paths and pictures were taken out. Read it before you attach it.
"""


def share(
    database: Path, target: Path, redact: Redact, finish: Callable[[str], str], *, alive: bool | None = None
) -> None:
    """Write the zip. finish: a last pass over a whole text, for names that become known late.

    Raises DflwrapError where the ledger cannot be read, and OSError.
    """
    facts = gather(database, alive=alive, seconds=30.0, pictures=False)
    facts.shared = True
    with copy_of(database) as ledger:
        rows = ledger.frames()
        frames = [name for row in rows for name in dict.fromkeys((row.file_name, row.name))]
        stop = facts.stop
        said = {"cause": stop.cause, "sentence": stop.sentence, "steps": stop.steps} if stop else None
        report = build_report(ledger, state=facts.state, stop=said, ignored=[])
    location = facts.extractor.get("location")
    folders = [facts.input_dir, facts.output_dir, *([Path(location)] if isinstance(location, str) else [])]
    hider = Hider(frames, folders, redact)
    for key in ("input_dir", "output_dir"):
        report["run"][key] = None
    plain = json.dumps(hider.all(report), indent=1, ensure_ascii=False)
    contents = {"README.txt": _README, "report.html": render(facts, hider), "report.json": safe_json(plain)}
    write_whole(target, lambda file: _zip(file, {name: finish(text) for name, text in contents.items()}))


def _zip(file: IO[bytes], contents: dict[str, str]) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in contents.items():
            archive.writestr(zipfile.ZipInfo(name), text.encode("utf-8", "backslashreplace"))
