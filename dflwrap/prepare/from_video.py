"""A video as input: cut into a work folder of ours, whose frames then go the way of all frames."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from dflwrap.common.choices import LayoutChoice
from dflwrap.common.errors import DflwrapError
from dflwrap.common.text import display
from dflwrap.common.trees import is_file
from dflwrap.common.waits import never
from dflwrap.prepare.manifest import Manifest
from dflwrap.prepare.options import PrepareOptions
from dflwrap.prepare.placing import WORK, in_words
from dflwrap.prepare.preparing import Prepared, Progress, prepare_folder
from dflwrap.prepare.sources import Group
from dflwrap.prepare.video import cut, find_ffmpeg

_WHOLE = "cut.json"
"""In the work folder once the video is cut to its end."""


def prepare_video(
    video: Path,
    output: Path,
    options: PrepareOptions,
    ffmpeg: Path | None,
    environ: Mapping[str, str],
    children: int,
    progress: Progress | None = None,
    stopping: Callable[[], bool] = never,
) -> Prepared:
    """Raises DflwrapError, StoppedError: the same call continues."""
    if options.layout not in (LayoutChoice.AUTO, LayoutChoice.FLAT):
        raise DflwrapError(
            f"--layout {options.layout.value} is for folders; {display(str(video))} is a video."
        )
    info = video.stat()
    named = f"{video} ({info.st_size} bytes, {info.st_mtime_ns})"
    manifest = Manifest(output, {"input": named, "options": options.to_json()})
    if manifest.finished:
        done = Prepared(output)
        for row in manifest.rows():
            done.add(row)
        return done

    def told(done: int) -> None:
        if progress is not None:
            progress(done, 0)

    work = output / WORK
    frames = work / "frames"
    try:
        if not is_file(work / _WHOLE):
            program = find_ffmpeg(ffmpeg, environ, Path.cwd())
            _begin(manifest)
            work.mkdir(exist_ok=True)
            count = cut(program, video, frames, told, stopping)
            (work / _WHOLE).write_text(json.dumps({"frames": count}), encoding="ascii")
    except OSError as error:
        raise in_words(error, output) from error
    return prepare_folder(
        frames,
        output,
        options,
        children=children,
        progress=progress,
        stopping=stopping,
        groups=(Group("", (frames,)),),
        named=named,
    )


def _begin(manifest: Manifest) -> None:
    """The mark that the folder is ours, before the first frame."""
    with manifest:
        pass
