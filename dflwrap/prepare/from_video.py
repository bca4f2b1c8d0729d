"""A video as input: cut into a work folder of ours, whose frames then go the way of all frames."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from dflwrap.common.choices import LayoutChoice
from dflwrap.common.errors import DflwrapError
from dflwrap.common.text import counted, display
from dflwrap.common.trees import is_file, is_there, remove_file, remove_if_empty
from dflwrap.common.waits import never
from dflwrap.prepare.manifest import NAME, WORK, Manifest
from dflwrap.prepare.options import PrepareOptions
from dflwrap.prepare.placing import held, in_words, remove_work
from dflwrap.prepare.preparing import Prepared, Progress, is_kept, prepare_folder
from dflwrap.prepare.sources import Group
from dflwrap.prepare.video import NotAVideoError, cut, find_ffmpeg

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
    header = {"input": named, "options": options.to_json()}
    manifest = Manifest(output, header)
    if manifest.finished and all(is_kept(output, row) for row in manifest.rows()):
        done = Prepared(output)
        for row in manifest.rows():
            done.add(row)
        return done

    def told(done: int) -> None:
        if progress is not None:
            progress(done, 0)

    work = output / WORK
    frames = work / "frames"
    program = None if is_file(work / _WHOLE) else find_ffmpeg(ffmpeg, environ, Path.cwd())
    is_new = not is_there(output)
    try:
        with held(output):
            count, said = _cut_before(work / _WHOLE)
            if program is not None:
                with manifest:  # the mark that the folder is ours, before the first frame
                    pass
                try:
                    count, said = cut(program, video, frames, told, stopping)
                except NotAVideoError:  # the folder is free for another input
                    if not any(manifest.rows()):
                        remove_work(output)
                        remove_file(output / NAME)
                    raise
                _date(frames, info.st_mtime_ns)
                (work / _WHOLE).write_text(json.dumps({"frames": count, "said": said}), encoding="ascii")
            result = prepare_folder(
                frames,
                output,
                options,
                children=children,
                progress=progress,
                stopping=stopping,
                groups=(Group("", (frames,)),),
                named=named,
            )
            if said:
                result.notes.append(
                    f"ffmpeg made {counted(count, 'frame')} of {display(str(video))}, and complained: {said}. If the "
                    "video goes on after the last of them, or looks damaged, copy or export it again."
                )
            return result
    except NotAVideoError:
        if is_new:
            remove_if_empty((output,))
        raise
    except OSError as error:
        raise in_words(error, output) from error


def _cut_before(path: Path) -> tuple[int, str]:
    """What was written down of a cut that an earlier start brought to its end."""
    try:
        data = json.loads(path.read_bytes())
        return int(data["frames"]), display(str(data.get("said", "")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return 0, ""


def _date(frames: Path, mtime_ns: int) -> None:
    """The video's date for all: cut another time they are the same frames. Raises OSError."""
    with os.scandir(frames) as listing:
        for entry in listing:
            os.utime(entry, ns=(mtime_ns, mtime_ns))
