"""Which folders an extract works on: named, dropped onto a script, or those of a clip in DeepFaceLab's workspace."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import typer

from dflwrap.cli import arguments
from dflwrap.common.choices import Clip
from dflwrap.common.errors import DflwrapError, ExitCode
from dflwrap.common.text import display
from dflwrap.common.trees import closed, is_folder, is_there

STARTED_AS = "DFLWRAP_STARTED_AS"
"""Set by the scripts for cmd."""
CUT_BOUND = 86_400.0
"""Seconds for cutting a video, which itself ends when no frame comes any more."""


def folders(
    input_dir: Path | None,
    output_dir: Path | None,
    dropped: Sequence[Path],
    clip: Clip | None,
    dfl_root: Path | None,
    dfl_python: Path | None,
) -> tuple[Path, Path]:
    """Input and output, full paths. What is named comes first, then what was dropped (one at most), then the clip.

    Raises DflwrapError where one is missing, or what was dropped is neither a folder nor a video.
    """
    if dropped and input_dir is None:
        input_dir = frames_in(dropped[0], dfl_root)
    elif dropped:
        raise DflwrapError(f"Give the folder with the frames once: --input-dir or {dropped[0]}.")
    if clip is not None and input_dir is None:
        input_dir = _workspace(dfl_root, dfl_python) / clip.value
    if input_dir is None:
        raise DflwrapError("Missing option '--input-dir': the folder with the frames.")
    if output_dir is None and (dropped or clip is not None):
        output_dir = input_dir / "aligned"
    if output_dir is None:
        raise DflwrapError("Missing option '--output-dir': the folder of the faceset.")
    return arguments.folder("--input-dir", input_dir), arguments.folder("--output-dir", output_dir)


def cut_by_cmd(line: str) -> Sequence[Path]:
    """The one path that was dropped onto a script, where cmd has cut it at a `&` (or taken a `^` out of it).

    Explorer puts quotes around a path only where it holds a space. line: how cmd was started, with `?` for `"`.
    """
    _, found, rest = line.partition("(dflwrap).bat? ")
    path = rest.strip().removesuffix("?").strip()
    if not found or "?" in path or " " in path or not any(sign in path for sign in "&^"):
        return ()
    return (Path(path),)


def frames_in(path: Path, dfl_root: Path | None) -> Path:
    """The folder itself, or that of a video's frames. Raises DflwrapError where it is neither; typer.Exit."""
    if is_folder(path):
        return path
    why = closed(path)
    if why:
        raise DflwrapError(f"{path} {why}")
    if not is_there(path):
        raise DflwrapError(f"There is no folder {path}.")
    from dflwrap.frames.inventory import VIDEO_SUFFIXES

    if path.suffix.lower() in VIDEO_SUFFIXES:
        return _frames_of(path.absolute(), dfl_root)
    if path.suffix.lower() in (".log", ".txt"):
        raise DflwrapError(f'{path.name} is a log. To have it explained: dflwrap diagnose "{path}"')
    raise DflwrapError(f"{path.name} is a file. Give the folder with the frames, or a video.")


def _frames_of(video: Path, dfl_root: Path | None) -> Path:
    """Beside the video, by `dflwrap prepare`, which has said what is wrong where it ends the command."""
    folder = video.with_name(f"{video.stem}_frames")
    print(f"Cutting {display(str(video))} into frames: {display(str(folder))}", file=sys.stderr, flush=True)
    named = {"DFL_SRC": str(dfl_root.absolute())} if dfl_root is not None else {}  # it may hold the ffmpeg
    done = subprocess.run(
        [sys.executable, "-P", "-m", "dflwrap", "prepare", str(video), str(folder)],
        env={**os.environ, **named},
        stdout=sys.stderr,  # stdout may be for the one object of --json
        timeout=CUT_BOUND,
        check=False,
    )
    if done.returncode not in (ExitCode.COMPLETE, ExitCode.QUARANTINED):
        raise typer.Exit(done.returncode)
    return folder


def _workspace(dfl_root: Path | None, dfl_python: Path | None) -> Path:
    from dflwrap.extractors.deepfacelab import find_install
    from dflwrap.launchers.workspace import workspace_of

    try:
        here: Path | None = Path.cwd()
    except OSError:
        here = None
    install = find_install(dfl_root, dfl_python, os.environ, here)
    if install is None:
        raise DflwrapError("--clip: no DeepFaceLab was found near here. Name its folder with --dfl-root.")
    return workspace_of(install, os.environ)
