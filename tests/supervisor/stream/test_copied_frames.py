"""Without links (exFAT, a share) a frame whose name no extractor may get is copied ahead of it, not read in place."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from no_links import NO_LINKS
from support import DOUBLE, assert_conserved, dflwrap, small_frames

pytestmark = pytest.mark.posix

SLOW_COPY = (
    NO_LINKS
    + """
import os, shutil, time
copy = shutil.copyfile
def copyfile(source, target, **more):
    if os.path.basename(source) == "größe 2.png":
        time.sleep(5)
    return copy(source, target, **more)
shutil.copyfile = copyfile
"""
)


def test_a_frame_whose_copy_takes_longer_than_the_start_is_told_of_later(tmp_path: Path) -> None:
    """It is neither lost for the attempt, nor read by halves."""
    frames = small_frames(tmp_path / "frames", 8)
    for path in frames.iterdir():
        path.rename(frames / f"größe {int(path.stem)}.png")
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"options": {"frame_seconds": 0.05}}))
    done = dflwrap(
        *("extract", "--input-dir", frames, "--output-dir", tmp_path / "aligned", "--json"),
        *("--dfl-root", DOUBLE, "--dfl-python", sys.executable, "--extractor", "dfl", "--cpu-only"),
        *("--image-size", "256", "--workers", "1"),
        env={"DFLWRAP_DOUBLE_SCRIPT": str(script)},
        limits=SLOW_COPY,
        fresh=True,
    )
    assert done.code == 0, done.stderr
    assert_conserved(done.report)
    assert done.report["frames"]["extracted"] == 8
    assert len(done.report["attempts"]) == 1, done.report["decisions"]
