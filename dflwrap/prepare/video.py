"""Cutting a video into frames with ffmpeg, as DeepFaceLab does: every frame, 00001.png onwards."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from dflwrap.common.errors import DflwrapError, StoppedError
from dflwrap.common.text import display
from dflwrap.common.trees import is_file, is_link, remove_tree
from dflwrap.common.waits import SLICE, never, wait_until
from dflwrap.extractors.deepfacelab import find_install

STANDSTILL = 300.0
"""Seconds without another frame, after which ffmpeg counts as hung."""
END_BOUND = 10.0
"""Seconds for a killed ffmpeg to be gone."""
HOW_TO_GET_IT = (
    "install it, or python -m pip install 'dflwrap[video]', or name the program with --ffmpeg; the Windows builds of "
    "DeepFaceLab have one (_internal/ffmpeg)"
)


class NotAVideoError(DflwrapError):
    """ffmpeg makes no frame of it."""


def find_ffmpeg(named: Path | None, environ: Mapping[str, str], cwd: Path | None) -> Path:
    """The program: named, of the DeepFaceLab build near here, on the PATH, or of imageio-ffmpeg.

    Raises DflwrapError.
    """
    if named is not None:
        if not is_file(named):
            raise DflwrapError(f"--ffmpeg {display(str(named))} is not a file. Give the program itself.")
        return named.absolute()
    for found in (_of_deepfacelab(environ, cwd), shutil.which("ffmpeg"), _of_package()):
        if found is not None:
            return Path(found)
    raise DflwrapError(f"Cutting a video needs ffmpeg, which is not here: {HOW_TO_GET_IT}.")


def _of_deepfacelab(environ: Mapping[str, str], cwd: Path | None) -> Path | None:
    try:
        install = find_install(None, None, environ, cwd)
    except DflwrapError:
        return None
    if install is None:
        return None
    for folder in list(install.main.parents)[:3]:
        for name in ("ffmpeg/ffmpeg.exe", "ffmpeg/ffmpeg", "_internal/ffmpeg/ffmpeg.exe"):
            if is_file(folder / name):
                return folder / name
    return None


def _of_package() -> str | None:
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError, OSError):
        return None


def cut(
    ffmpeg: Path,
    video: Path,
    folder: Path,
    progress: Callable[[int], None] = lambda done: None,
    stopping: Callable[[], bool] = never,
) -> tuple[int, str]:
    """The frames of `video` into `folder`, which is recreated: what a start before left there is ours, and half.

    Returns their number, and what ffmpeg complained of though it came to the end: a video that is cut short or damaged
    ends with code 0. Raises DflwrapError, StoppedError, OSError.
    """
    if is_link(folder):
        raise DflwrapError(f"A link is in the way: {display(str(folder))}. Remove it.")
    remove_tree(folder)
    folder.mkdir(parents=True)
    # A relative pattern: a per cent sign in the folder's path would be a part of it.
    argv = [str(ffmpeg), "-nostdin", "-hide_banner", "-loglevel", "error", "-i", str(video.absolute())]
    argv += ["-map", "0:v:0", "-pix_fmt", "rgb24", "%05d.png"]
    with tempfile.TemporaryFile() as said:
        try:
            process = subprocess.Popen(
                argv, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said
            )
        except OSError as error:
            raise DflwrapError(
                f"{display(str(ffmpeg))} cannot be started ({error.strerror}): {HOW_TO_GET_IT}."
            ) from None
        try:
            done = _watch(process, folder, progress, stopping)
        finally:
            if process.poll() is None:
                process.kill()
                wait_until(lambda: process.poll() is not None, END_BOUND)
        said.seek(0)
        words = said.read(64 * 1024).decode("utf-8", "replace").strip().splitlines()
    if process.returncode or not done:
        why = display(words[-1])[:200] if words else f"exit code {process.returncode}, {done} frames"
        kind = DflwrapError if done else NotAVideoError
        raise kind(
            f"ffmpeg could not cut {display(str(video))} into frames: {why}. Is it a video, and whole?"
        )
    return done, display(re.sub(r" @ 0x[0-9a-f]+", "", words[0]))[:200] if words else ""


def _watch(
    process: subprocess.Popen[bytes],
    folder: Path,
    progress: Callable[[int], None],
    stopping: Callable[[], bool],
) -> int:
    done, since = 0, time.monotonic()
    while True:
        ended = wait_until(lambda: process.poll() is not None, SLICE, stopping)
        while os.path.lexists(folder / f"{done + 1:05d}.png"):
            done, since = done + 1, time.monotonic()
        progress(done)
        if stopping():
            raise StoppedError
        if ended:
            return done
        if time.monotonic() - since > STANDSTILL:
            raise DflwrapError(
                f"ffmpeg made no frame for {STANDSTILL:.0f} seconds after frame {done}; it was ended."
            )
