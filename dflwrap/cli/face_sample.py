"""`check --faces`: the built-in extractor over a sample of the frames, in folders that are gone afterwards."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from dflwrap.check.forecast import FaceSample
from dflwrap.common.choices import SecondLook
from dflwrap.common.errors import DflwrapError
from dflwrap.common.plan import ExtractOptions
from dflwrap.extractors.builtin.extractor import BuiltinExtractor
from dflwrap.extractors.builtin.parts import HOW_TO_INSTALL, is_complete
from dflwrap.faceset.reading import scan_faceset
from dflwrap.frames.batch import link_frame
from dflwrap.planning.yields import spread
from dflwrap.supervisor.progress import RunState
from dflwrap.supervisor.request import RunRequest
from dflwrap.supervisor.run import run_extraction
from dflwrap.supervisor.stop_request import Control

MOST = 20
"""Frames: a few seconds on a CPU, and their start-up."""


class _Silent:
    def notice(self, text: str) -> None: ...

    def changed(self, state: RunState) -> None: ...


def require_builtin() -> None:
    """Raises DflwrapError where the built-in extractor is not installed."""
    if not is_complete():
        raise DflwrapError(f"--faces needs the built-in extractor: {HOW_TO_INSTALL}")


def sample_faces(frames: Sequence[Path]) -> FaceSample:
    """What is in the sample. Raises DflwrapError as an extraction does."""
    chosen = spread(frames, MOST)
    if not chosen:
        return FaceSample(0, 0, 0, 0, ())
    per_frame: Counter[str] = Counter()
    sizes = []
    with tempfile.TemporaryDirectory(prefix="dflwrap-check-") as scratch:
        source, output = Path(scratch, "frames"), Path(scratch, "faces")
        source.mkdir()
        for number, path in enumerate(chosen):
            link_frame(path, source / f"{number:05d}{path.suffix}")
        request = RunRequest(
            source, output, ExtractOptions(image_size=128), cpu_only=True, second_look=SecondLook.OFF
        )
        extractor = BuiltinExtractor("to look at a sample")
        run_extraction(request, (extractor,), _Silent(), Control(), RunState())
        for face in scan_faceset(output):
            metadata = face.metadata
            if metadata is None or metadata.source_rect is None:
                continue
            left, top, right, bottom = metadata.source_rect
            per_frame[metadata.source_filename or ""] += 1
            sizes.append(round(max(right - left, bottom - top)))
    most = max(per_frame.values(), default=0)
    return FaceSample(len(chosen), len(per_frame), len(sizes), most, tuple(sorted(sizes)))
