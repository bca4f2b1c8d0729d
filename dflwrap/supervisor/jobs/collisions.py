"""Runs of one job that would get in each other's way."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from dflwrap.common.errors import DflwrapError
from dflwrap.common.text import display
from dflwrap.common.trees import resolved
from dflwrap.frames.names import case_key
from dflwrap.supervisor.request import RunRequest
from dflwrap.supervisor.run_folder import run_folder_of


def check_apart(runs: Sequence[RunRequest]) -> None:
    """Raises DflwrapError where two runs have one faceset, or one would write into another's frames or run folder."""
    faceset_of: dict[str, RunRequest] = {}
    for run in runs:
        other = faceset_of.setdefault(_key(run.output_dir), run)
        if other is not run:
            raise DflwrapError(
                f"Two inputs have the same output, {display(str(run.output_dir))}: {display(str(other.input_dir))} "
                f"and {display(str(run.input_dir))}. Give each an output of its own, or join them: --layout join."
            )
    beside = {_key(folder): run for run in runs for folder in _beside(run)}
    read_by: dict[str, RunRequest] = {}
    for run in runs:
        read_by.setdefault(_key(run.input_dir), run)
    _check_nested(runs)
    for run in runs:
        written = [run.output_dir, *_beside(run)]
        for folder in written:
            owner = read_by.get(_key(folder)) or (beside.get(_key(folder)) if folder is written[0] else None)
            if owner is not None and owner is not run:
                raise DflwrapError(
                    f"One run would write into what is another's: {display(str(folder))} is written for "
                    f"{display(str(run.input_dir))}, and belongs to the run of {display(str(owner.input_dir))}. "
                    "Give it another output."
                )


def _check_nested(runs: Sequence[RunRequest]) -> None:
    """Also where one faceset would lie in another's folders, or among the frames that another one joins."""
    owners: dict[str, RunRequest] = {}
    for run in runs:
        for folder in (run.output_dir, *_beside(run), *([run.input_dir] if run.joined else [])):
            owners.setdefault(_key(folder), run)
    for run in runs:
        for above in _resolved(run.output_dir).parents:
            owner = owners.get(case_key(str(above)))
            if owner is not None and owner is not run:
                raise DflwrapError(
                    f"One run would write into what is another's: {display(str(run.output_dir))} lies in "
                    f"{display(str(above))}, which belongs to the run of {display(str(owner.input_dir))}. Give it "
                    "another output."
                )


def _key(folder: Path) -> str:
    """Equal for paths that lead to one folder, whichever links and letters they are written with."""
    return case_key(str(_resolved(folder)))


def _resolved(folder: Path) -> Path:
    return Path(os.path.normcase(resolved(folder)))


def _beside(run: RunRequest) -> tuple[Path, Path]:
    return run_folder_of(run.output_dir), run.output_dir.with_name(run.output_dir.name + "_debug")
