"""The end of an attempt while copies of its failed frames are still being made, or queue for it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from support import small_frames, until
from test_batch import row

from dflwrap.extractors.control_file import NO_COPY, ControlReader
from dflwrap.supervisor.attempt.reencoder import Reencoder
from dflwrap.supervisor.batch import Batch

FRAMES = 6


@pytest.mark.timeout(120)
@pytest.mark.parametrize("after", [0.0, 0.5])
def test_the_end_waits_for_no_copy_that_queues(tmp_path: Path, after: float) -> None:
    frames = small_frames(tmp_path / "frames", FRAMES, (6000, 4000))
    batch = Batch({path.name: row(path.name, n) for n, path in enumerate(sorted(frames.iterdir()))})
    with Reencoder(frames, tmp_path / "repaired", batch, 0) as reencoder:
        for name in batch.frames:
            assert reencoder.ask(name) is not None
        time.sleep(after)
    copies = list((tmp_path / "repaired").glob("*.png"))
    assert len(copies) < FRAMES
    assert reencoder.ask("00001.png") is None


@pytest.mark.timeout(120)
@pytest.mark.posix
def test_the_end_waits_for_no_frame_that_cannot_be_read(tmp_path: Path) -> None:
    """Opening a pipe that nobody writes to never returns, as reading from a share that is gone."""
    os.mkfifo(tmp_path / "00001.png")
    batch = Batch({"00001.png": row("00001.png")})
    with Reencoder(tmp_path, tmp_path / "repaired", batch, 0) as reencoder:
        assert reencoder.ask("00001.png") is not None
        time.sleep(1)
    assert not (tmp_path / "repaired" / "00001.png").exists()


def test_where_no_file_can_be_made_the_control_file_says_that_no_copy_comes(tmp_path: Path) -> None:
    """As on a disk without inodes: it takes a line in a file that is there, and no further file."""
    frames = small_frames(tmp_path / "frames", 1)
    (tmp_path / "repaired").write_text("in the way")
    control = tmp_path / "control.jsonl"
    reader = ControlReader(str(control))
    with Reencoder(frames, tmp_path / "repaired", Batch({"00001.png": row("00001.png")}), 0, control) as it:
        assert it.ask("00001.png") is not None
        heard: list[object] = []
        assert until(lambda: heard.extend(reader.poll()) or heard, 60)
    assert heard == [{"type": NO_COPY, "frame": "00001.png"}]
