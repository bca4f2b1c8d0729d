"""`dflwrap scripts`: start dflwrap with a double-click, beside DeepFaceLab's own scripts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dflwrap.common.errors import DflwrapError
from dflwrap.common.text import display
from dflwrap.common.trees import is_folder

if TYPE_CHECKING:
    from dflwrap.extractors.deepfacelab.install import DflInstall
    from dflwrap.supervisor.run_folder import RunFolder

_Root = Annotated[
    Path | None,
    typer.Argument(
        help="Folder of the DeepFaceLab install (default: the one near here).", metavar="[DFL_ROOT]"
    ),
]
_Python = Annotated[Path | None, typer.Option(help="The Python that runs DeepFaceLab.")]


def register(app: typer.Typer) -> None:
    """Add the group of commands to `app`."""
    group = typer.Typer(no_args_is_help=True, help="Scripts beside DeepFaceLab's own that start dflwrap.")
    group.callback()(_scripts)
    group.command("install")(install)
    group.command("remove")(remove)
    group.command("last-run", hidden=True)(last_run)
    app.add_typer(group, name="scripts")


def _scripts() -> None: ...


def install(dfl_root: _Root = None, dfl_python: _Python = None) -> None:
    """Write them: extract data_src, extract data_dst, diagnose the last run. Your own scripts are not touched.

    They start this dflwrap, ask nothing, and may be double-clicked; a folder of frames (or a log) may be dropped
    onto them. Exit codes: 0 written, 2 not (no DeepFaceLab, or a file of that name is somebody else's).
    """
    from dflwrap.launchers.folder import place_of, write_scripts

    found = _install(dfl_root, dfl_python)
    for path in write_scripts(place_of(found), str(found.python) if dfl_python is not None else ""):
        print(f"Written: {display(str(path))}")


def remove(
    dfl_root: _Root = None,
    everywhere: Annotated[
        bool, typer.Option("--all", help="From every folder they were written into.")
    ] = False,
) -> None:
    """Remove the scripts that `dflwrap scripts install` has written, and nothing else.

    Exit codes: 0 none is left, 2 one cannot be removed.
    """
    from dflwrap.launchers.folder import place_of, remembered_folders, remove_scripts

    if everywhere:
        folders = remembered_folders()
    elif dfl_root is not None and dfl_root.absolute() in remembered_folders():
        folders = [dfl_root.absolute()]  # also where DeepFaceLab itself is gone
    else:
        folders = [place_of(_install(dfl_root, None)).folder]
    removed = [path for folder in folders for path in remove_scripts(folder)]
    for path in removed:
        print(f"Removed: {display(str(path))}")
    if not removed:
        print("There is no script of dflwrap's there.")


def last_run(
    logs: Annotated[list[str] | None, typer.Argument(help="Logs; default: those of the last run.")] = None,
    dfl_root: Annotated[Path | None, typer.Option(help="Folder of the DeepFaceLab install.")] = None,
) -> None:
    """`dflwrap diagnose` of the run in this workspace that was touched last; its exit codes."""
    from dflwrap.cli.clips import STARTED_AS, cut_by_cmd
    from dflwrap.cli.diagnosing import diagnose_logs
    from dflwrap.launchers.workspace import CLIPS, workspace_of

    if logs:
        logs = [str(path) for path in cut_by_cmd(os.environ.get(STARTED_AS, ""))] or logs
    else:
        workspace = workspace_of(_install(dfl_root, None), os.environ)
        runs = [run.attempts for clip in CLIPS for run in _runs_of(workspace / clip / "aligned")]
        tried = [path for run in runs if is_folder(run) for path in run.iterdir() if is_folder(path)]
        if not tried:
            raise DflwrapError(
                f"No run of dflwrap is known in {workspace}. Drop the log of an extraction onto the script instead."
            )
        logs = [str(max(tried, key=lambda path: path.stat().st_mtime))]
        print(f"The last attempt: {display(logs[0])}\n")
    raise typer.Exit(diagnose_logs(logs, as_json=False, share=False, rules=None))


def _runs_of(faceset: Path) -> list[RunFolder]:
    """That of a clip, and those of its people where it was extracted per person."""
    from dflwrap.supervisor.run_folder import find_runs

    try:
        return [run for run, _ in find_runs(faceset)]
    except DflwrapError:
        return []


def _install(dfl_root: Path | None, dfl_python: Path | None) -> DflInstall:
    from dflwrap.extractors.deepfacelab import find_install

    try:
        here: Path | None = Path.cwd()
    except OSError:
        here = None
    found = find_install(dfl_root, dfl_python, os.environ, here)
    if found is None:
        raise DflwrapError(
            "No DeepFaceLab was found near here. Name its folder (the one that holds _internal, env.sh or main.py)."
        )
    return found
