"""The command line, with DeepFaceLab's flags. Light: numpy, OpenCV and TensorFlow load in the workers."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from dflwrap.common.errors import DflwrapError
from dflwrap.common.events import EventKind
from dflwrap.common.text import display
from dflwrap.extractors.builtin.engine import engine_version
from dflwrap.extractors.builtin.folders import listed_frames, prepared_folders
from dflwrap.extractors.builtin.pool import ExtractionFailedError, Host
from dflwrap.extractors.builtin.reporting import Console, EventWriter
from dflwrap.extractors.builtin.settings import WARPS, WorkerSettings
from dflwrap.extractors.control_file import CONTROL_ENV, FRAMES, FRAMES_END, STREAM_ENV, WORKERS

_FACE_TYPES = ("half_face", "midfull_face", "full_face", "whole_face", "head", "mark_only")
_DEFAULT_SIZE = {"head": 768}
_RULE = "-" * 25


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dflwrap.extractors.builtin",
        description="Extract aligned faces with TensorFlow, into DeepFaceLab's format.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    extract = commands.add_parser("extract", help="extract the faces from a folder of frames")
    extract.add_argument("--input-dir", type=Path, required=True, help="folder of frames")
    extract.add_argument("--output-dir", type=Path, required=True, help="folder for the faces; new or empty")
    extract.add_argument(
        "--detector", choices=("s3fd", "manual"), default="s3fd", help="accepted; the detector is BlazeFace"
    )
    extract.add_argument("--face-type", choices=_FACE_TYPES, default="whole_face")
    extract.add_argument(
        "--max-faces-from-image",
        type=_number(0, 10_000),
        default=0,
        metavar="N",
        help="the largest N; 0 = all",
    )
    extract.add_argument(
        "--image-size", type=_number(16, 4096), metavar="PIXELS", help="side of a face (512; head: 768)"
    )
    extract.add_argument("--jpeg-quality", type=_number(1, 100), default=90, metavar="1..100")
    extract.add_argument(
        "--warp",
        choices=WARPS,
        default=WARPS[0],
        help="how faces are sampled: as DeepFaceLab does, or several times faster (default: %(default)s)",
    )
    extract.add_argument(
        "--output-debug",
        action=argparse.BooleanOptionalAction,
        default=False,
        help="write each frame with its landmarks into <output-dir>_debug",
    )
    extract.add_argument("--cpu-only", action="store_true", help="accepted; it runs on the CPU anyway")
    extract.add_argument("--force-gpu-idxs", metavar="0,1", help="accepted; it runs on the CPU all the same")
    extract.add_argument(
        "--workers", type=_number(1, 256), default=1, metavar="N", help="processes (default: %(default)s)"
    )
    extract.add_argument(
        "--threads", type=_number(0, 256), default=0, metavar="N", help="threads per worker; 0 = their choice"
    )
    return parser


def _number(low: int, high: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"must be between {low} and {high}")
        return value

    return number


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit code (0 also after a stop signal, once frames in work are done)."""
    options = _parser().parse_args(arguments)
    try:
        return _extract(options)
    except DflwrapError as error:
        print(f"error: {display(str(error))}", file=sys.stderr)
        return int(error.exit_code)


def _extract(options: argparse.Namespace) -> int:
    if options.detector == "manual":
        raise DflwrapError("the built-in extractor has no manual mode; leave --detector out or give s3fd")
    stop = _StopFlag()
    console = Console()
    frames, duplicates = listed_frames(options.input_dir)
    settings = _settings(options)
    events = _events()
    for name in duplicates:
        console.line(f"Duplicate filenames are not allowed, skipping: {name}")
    if options.force_gpu_idxs is not None and not options.cpu_only:
        console.line(
            f"GPU {options.force_gpu_idxs} was asked for; the built-in extractor's networks run on the CPU."
        )
    console.line("Extracting faces...")
    control = os.environ.get(CONTROL_ENV, "")
    stream = bool(control) and os.environ.get(STREAM_ENV) == "1"
    events.write(
        EventKind.EXTRACTOR_STARTED,
        version=engine_version(),
        python=sys.version.split()[0],
        workers=options.workers if stream else min(options.workers, max(1, len(frames))),
        mode="builtin",
        pid=os.getpid(),
        supported=[WORKERS, FRAMES, FRAMES_END] if control else [],
    )
    host = Host(frames, settings, options.workers, events, console, stop, control, stream)
    totals, code = host.totals, 0
    try:
        if frames or stream:
            host.run()
        events.write(EventKind.FINISHED, done=totals.done, failed=totals.failed, total=totals.total)
    except ExtractionFailedError as error:
        console.error(f"Unable to start subprocesses. {error}")
        code = 1
    finally:
        events.close()
    console.line(_RULE)
    console.line(f"Images found:        {totals.total}")
    console.line(f"Faces detected:      {totals.faces}")
    console.line(_RULE)
    console.line("Failed." if code else "Stopped." if totals.stopped else "Done.")
    return code


def _settings(options: argparse.Namespace) -> WorkerSettings:
    debug_dir = prepared_folders(options.input_dir, options.output_dir, options.output_debug)
    return WorkerSettings(
        input_dir=str(options.input_dir),
        output_dir=str(options.output_dir),
        debug_dir=None if debug_dir is None else str(debug_dir),
        face_type=options.face_type,
        image_size=options.image_size or _DEFAULT_SIZE.get(options.face_type, 512),
        jpeg_quality=options.jpeg_quality,
        max_faces=options.max_faces_from_image,
        threads=options.threads,
        warp=options.warp,
    )


def _events() -> EventWriter:
    try:
        return EventWriter.from_environment()
    except OSError as error:
        raise DflwrapError(f"the events file cannot be written ({error.strerror or error})") from error


class _StopFlag:
    """True once a stop signal came. The host looks at it between frames."""

    def __init__(self) -> None:
        self._set = False
        for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
            number = getattr(signal, name, None)
            if number is not None:
                signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, stack: object) -> None:
        self._set = True

    def __call__(self) -> bool:
        return self._set
