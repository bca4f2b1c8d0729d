"""Frames on their way into an attempt: a bound on their size costs none of them."""

from __future__ import annotations

import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from dflwrap.frames.judgement import Entry
from dflwrap.ledger.records import FrameRow
from dflwrap.supervisor.attempt.reencoder import Reencoder
from dflwrap.supervisor.batch import Batch, make_batch


def row(name: str, number: int = 1, entry: Entry = Entry.LINK, max_side: int = 0) -> FrameRow:
    return FrameRow(number, name, name, name[:-4], entry, True, max_side, None, 0, None, None, None, 0)


def sides(path: Path) -> tuple[int, int]:
    height, width = cv2.imread(str(path)).shape[:2]
    return width, height


@pytest.mark.parametrize(
    ("width", "height", "handed_in"),
    [(4000, 500, (1024, 128)), (500, 4000, (128, 1024)), (1920, 1080, (960, 540))],
)
def test_a_downscaled_frame_is_never_too_small_to_be_looked_at(
    tmp_path: Path, width: int, height: int, handed_in: tuple[int, int]
) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.full((height, width, 3), 90, np.uint8))
    batch = make_batch(tmp_path, tmp_path / "in", [row("a.png")], max_side=960)
    (name,) = batch.frames
    assert not batch.refused
    assert sides(tmp_path / "in" / name) == handed_in
    scale = (width / handed_in[0], height / handed_in[1])
    assert batch.scales[name] == pytest.approx(scale)

    again = Batch({name: row("a.png")})
    with Reencoder(tmp_path, tmp_path / "repaired", again, 960) as reencoder:
        assert reencoder.ask(name) is not None
        copy, deadline = tmp_path / "repaired" / name, time.monotonic() + 120
        while not copy.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert sides(copy) == handed_in
        assert reencoder.scales[name] == pytest.approx(scale)
