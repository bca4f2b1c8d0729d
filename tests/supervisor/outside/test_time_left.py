"""The time left is unknown first, then a range that holds what really comes: on played runs."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest

from dflwrap.supervisor.outside.time_left import MOST_BLOCKS, Block, History, TimeLeft, time_left

Pace = Callable[[float], float]
"""Frames per second at this second of the run."""
TICK = 0.5


def played(pace: Pace, total: int, seed: int) -> list[tuple[float, int, TimeLeft | None]]:
    """(second, open frames, what was said) of a run in which frames come at random at the given pace."""
    chance = random.Random(seed)
    history, said = History(), []
    done, now = 0, 0.0
    while done < total:
        now += TICK
        frames = 0
        left = math.exp(-pace(now) * TICK)
        product = chance.random()
        while product > left:  # Poisson
            frames += 1
            product *= chance.random()
        frames = min(frames, total - done)
        done += frames
        history.add(TICK, frames)
        said.append((now, total - done, time_left(history.blocks, total - done)))
    return said


def hits(said: list[tuple[float, int, TimeLeft | None]], since: float = 0.0) -> tuple[float, float]:
    """(share of looks in which the truth lay in the range, the middle width of it as most / least)."""
    end = said[-1][0]
    looks = [(end - now, told) for now, left, told in said if left and told is not None and now >= since]
    good = sum(told.least <= truth <= told.most for truth, told in looks)
    widths = sorted(told.most / told.least for _, told in looks)
    return good / len(looks), widths[len(widths) // 2]


def scenes(now: float) -> float:
    """Shots with a face are done faster than shots without, in turns of two and a half minutes."""
    return 6.0 if now % 300 < 150 else 2.0


def warming_up(now: float) -> float:
    """More workers come by and by, within the first five minutes."""
    return 2.0 + min(now, 300) / 300 * 6.0


STEADY: dict[str, tuple[Pace, float]] = {
    "steady": (lambda now: 4.0, 1.4),
    "slow": (lambda now: 0.1, 2.8),
    "fast": (lambda now: 60.0, 1.3),
}
"""With the width of the range at half time; of 150 slow frames chance itself allows no better one."""


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", STEADY)
def test_a_steady_run_ends_within_what_was_said(name: str, seed: int) -> None:
    pace, widest = STEADY[name]
    said = played(pace, int(pace(0) * 1500), seed)
    share, width = hits(said)
    assert share > 0.85
    assert width < widest, "and it says something"


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("pace", [scenes, warming_up])
def test_a_changing_run_ends_mostly_within_what_was_said(pace: Pace, seed: int) -> None:
    said = played(pace, 12_000, seed)
    share, width = hits(said, since=600)
    assert share > 0.8
    assert width < 3


@pytest.mark.parametrize(("before", "after"), [(8.0, 2.0), (2.0, 8.0)])
def test_it_follows_a_lasting_change(before: float, after: float) -> None:
    said = played(lambda now: before if now < 1200 else after, int(before * 1200 + after * 2400), 1)
    share, _ = hits(said, since=1200 + 300)
    assert share > 0.9


def test_it_is_unknown_until_it_means_something() -> None:
    said = played(lambda now: 4.0, 2000, 1)
    assert all(told is None for now, _, told in said if now < 15)
    assert all(told is not None for now, left, told in said if now > 60 and left)
    assert time_left((), 100) is None
    assert time_left([Block(3600.0, 0)], 100) is None, "no frame came back"
    assert time_left([Block(3600.0, 3000)], 0) is None, "nothing is left"
    assert time_left([Block(1.0, 300)], 100) is None, "the first frames are reported together"


def test_the_first_ranges_are_wider_than_the_later_ones() -> None:
    ranges = [told for _, left, told in played(lambda now: 4.0, 12_000, 3) if left and told is not None]
    width = [told.most / told.least for told in ranges]
    assert width[0] > 1.5 * width[len(width) // 2] > 1


def test_a_run_that_came_to_a_stand_is_not_nearly_done() -> None:
    history = History()
    for _ in range(600):
        history.add(1.0, 4)
    for _ in range(200):
        history.add(1.0, 0)
    told = time_left(history.blocks, 400)
    assert told is not None and told.most > 300


def test_a_long_night_is_remembered_in_few_blocks() -> None:
    history = History()
    for _ in range(200_000):
        history.add(0.5, 1)
    assert len(history.blocks) <= MOST_BLOCKS + 1
    assert sum(block.frames for block in history.blocks) == 200_000
    assert sum(block.seconds for block in history.blocks) == pytest.approx(100_000)
