"""The built-in extractor behind the contract."""

from __future__ import annotations

import os
import re
import sys

from dflwrap import __version__
from dflwrap.common.events import EVENTS_ENV
from dflwrap.common.plan import AttemptSpec
from dflwrap.extractors.base import ConsoleReader, Extractor, ExtractorInfo, Launch
from dflwrap.extractors.builtin.engine import engine_version
from dflwrap.extractors.control_file import CONTROL_ENV, STREAM_ENV
from dflwrap.extractors.deepfacelab.console import DflConsole

_RELEASE = re.compile(r"(\d+\.\d+)\.\S+")


class BuiltinExtractor(Extractor):
    """Runs `python -m dflwrap.extractors.builtin` in this interpreter's environment."""

    supported_fields = frozenset(
        {"workers", "threads", "batch_size", "max_side", "startup_timeout", "frame_timeout"}
    )
    reports_frames = True

    def __init__(self, why: str) -> None:
        self._why = why

    def info(self) -> ExtractorInfo:
        engine = engine_version()
        return ExtractorInfo(
            "builtin",
            f"{__version__}, {engine}",
            sys.executable,
            __file__,
            self._why,
            f"built-in ({self._why}), " + _RELEASE.sub(r"\1", engine),
        )

    def launch(self, spec: AttemptSpec, *, black_box: bool = False) -> Launch:
        options, plan = spec.options, spec.plan
        debug = options.output_debug or black_box
        argv = (
            sys.executable,
            "-P",
            "-m",
            "dflwrap.extractors.builtin",
            "extract",
            *("--input-dir", spec.input_dir, "--output-dir", spec.output_dir),
            # Not `options.detector`, which may be one that only the install has: this one has a single detector.
            *("--detector", "s3fd", "--face-type", options.face_type),
            *("--max-faces-from-image", str(options.max_faces_from_image)),
            *("--image-size", str(options.image_size), "--jpeg-quality", str(options.jpeg_quality)),
            *("--warp", options.warp),
            "--output-debug" if debug else "--no-output-debug",
            "--cpu-only",
            *("--workers", str(plan.workers)),
            *(("--threads", str(plan.threads)) if plan.threads else ()),
        )
        env = {
            "OPENBLAS_NUM_THREADS": "1",  # matrices of a face are small; threads for them only cost the start
            **os.environ,
            "PYTHONUNBUFFERED": "1",
            "PYTHONIOENCODING": "utf-8:backslashreplace",
            "TF_CPP_MIN_LOG_LEVEL": "2",
            **plan.env,
        }
        for name in (EVENTS_ENV, CONTROL_ENV):
            env.pop(name, None)
        if not black_box:
            env.update({EVENTS_ENV: spec.events_path, CONTROL_ENV: spec.control_path})
            env[STREAM_ENV] = "1" if spec.stream else "0"
        return Launch(argv, env)

    def console(self) -> ConsoleReader:
        return DflConsole()
