"""RUN on the command line: a run folder, the faceset beside it, or a report in it."""

from __future__ import annotations

from pathlib import Path

from dflwrap.common.errors import DflwrapError
from dflwrap.common.text import display
from dflwrap.supervisor.run_folder import SUFFIX, RunFolder


def find_run(path: Path) -> tuple[RunFolder, Path]:
    """The run folder that `path` means, and its faceset. Raises DflwrapError where there is no run."""
    path = path.absolute()
    for faceset in _candidates(path):
        if not faceset.name:
            continue
        folder = RunFolder(faceset)
        if folder.database.is_file():
            return folder, faceset
    raise DflwrapError(
        f"No run of dflwrap is known there: {display(str(path))}. "
        f"Give a faceset that dflwrap made, the run folder beside it (<faceset>{SUFFIX}), or its report.json."
    )


def _candidates(path: Path) -> list[Path]:
    """Faceset folders that `path` may stand for, the likeliest first."""
    found = []
    for folder in (path, path.parent):
        if folder.name.endswith(SUFFIX):
            found.append(folder.with_name(folder.name.removesuffix(SUFFIX)))
        if folder is path:
            found.append(path)
    return found
