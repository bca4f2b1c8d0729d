"""What an audit found, as data and as the list of faces to look at."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from dflwrap.common.retrying import retry_held_open
from dflwrap.common.text import display
from dflwrap.faceset.audit import Audit, Finding, Gone, Kind

SCHEMA_VERSION = 1
REVIEW_NAME = "review.txt"
_MARK = "dflwrap review: "
"""How a review of ours begins: a file of that name that does not is the user's, and is left alone."""


def as_data(audit: Audit, faceset: Path, frames: Path | None) -> dict[str, Any]:
    """The JSON object of `dflwrap verify --json` (docs/verify.md)."""
    return {
        "schema_version": SCHEMA_VERSION,
        "faceset": str(faceset),
        "frames": str(frames) if frames is not None else None,
        "clean": not audit.faulty,
        "files": audit.files,
        "examined": audit.examined,
        "compared": audit.compared,
        "sound": sound(audit),
        **{kind.value: [_finding(finding) for finding in audit.of(kind)] for kind in Kind},
        "missing": [_gone(gone) for gone in audit.missing],
        "culled": [_gone(gone) for gone in audit.culled],
        "more_than_one_face": [
            {"frame": source, "files": files} for source, files in sorted(audit.crowded.items())
        ],
        "review": [
            {"file": odd.file, "frame": odd.source, "oddity": odd.oddity.value, "reason": odd.reason}
            for odd in audit.odd
        ],
        "packed": audit.pak,
    }


def sound(audit: Audit) -> int:
    """Files without a finding."""
    return audit.files - len({finding.file for finding in audit.findings})


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "file": finding.file,
        "frame": finding.source or None,
        "reason": finding.reason,
        "correlation": None if finding.correlation is None else round(finding.correlation, 3),
    }


def _gone(gone: Gone) -> dict[str, Any]:
    return {"file": gone.file, "frame": gone.source or None}


def review_lines(audit: Audit, faceset: Path) -> list[str]:
    """The lines of review.txt, in the clip's order."""
    head = f"look at these {len(audit.odd):,} of {audit.files:,} faces" if audit.odd else "nothing to look at"
    lines = [f"{_MARK}{head} ({display(str(faceset))})"]
    lines += [
        "\t".join(
            (
                display(odd.file),
                display(odd.source),
                f"{odd.oddity.value.replace('_', ' ')}: {display(odd.reason)}",
            )
        )
        for odd in audit.odd
    ]
    return lines


def write_review(path: Path, audit: Audit, faceset: Path) -> bool:
    """Write (or renew) the review at `path`, whole or not at all. False: a file of the user's has that name.

    Raises OSError.
    """
    if os.path.lexists(path):
        if path.is_symlink() or not path.is_file():
            return False
        with path.open("rb") as file:
            if not file.read(len(_MARK)).startswith(_MARK.encode()):
                return False
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.write_text("\n".join(review_lines(audit, faceset)) + "\n", encoding="utf-8")
        retry_held_open(lambda: part.replace(path))
    finally:
        part.unlink(missing_ok=True)
    return True
