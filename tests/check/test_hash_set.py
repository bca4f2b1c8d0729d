"""What `check` remembers of each frame is small: 100,000 frames must not need more memory than 1,000."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Callable
from pathlib import Path

from dflwrap.check.findings import Findings
from dflwrap.check.hash_set import HashSet
from dflwrap.check.names import find_in_names
from dflwrap.check.quality import Quality
from dflwrap.check.thresholds import Thresholds
from dflwrap.frames.decoding.measures import Measures, Pixels

FRAMES = 30_000


def test_a_hash_set_is_a_set() -> None:
    draw, ours, theirs = random.Random(16), HashSet(), set[int]()
    for turn in range(20_000):
        value = draw.getrandbits(128 if turn % 3 else 12)
        assert (value in ours) == (value in theirs)
        ours.add(value)
        theirs.add(value)
    assert len(ours) == len(theirs)
    assert all(value in ours for value in theirs)


def _growth(work: Callable[[], object]) -> tuple[float, float]:
    """Bytes a frame: kept afterwards, and at the most."""
    tracemalloc.start()
    try:
        kept = work()
        now, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    del kept
    return now / FRAMES, most / FRAMES


def test_pictures_that_all_differ_take_a_few_bytes_each() -> None:
    draw = random.Random(3)

    def look() -> Quality:
        quality = Quality(Findings(), Thresholds())
        for number in range(FRAMES):
            grid = bytes([number % 251] * 256)
            pixels = Pixels(90.0, 0.1, False, 0.0, 500.0, 0.9, draw.getrandbits(128), grid)
            quality.take(f"{number:06d}.png", Measures("png", 640, 360, decoded=True, pixels=pixels))
        return quality

    kept, most = _growth(look)
    assert kept < 40
    assert most < 60


def test_names_are_looked_at_without_a_second_copy_of_them() -> None:
    names = [f"{number:06d}.png" for number in range(1, FRAMES + 1)]
    findings = Findings()

    def look() -> None:
        find_in_names(Path("frames"), names, findings)

    assert _growth(look)[1] < 130
    assert not findings.sorted()
