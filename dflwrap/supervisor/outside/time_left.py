"""How long a run has still to go: unknown first, then a range, from how fast frames came back so far."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

LEAST_SECONDS, LEAST_FRAMES = 20.0, 12
"""Of extracting: before that, the first frames, the models' loading and one slow frame would decide everything."""
MOST_BLOCKS = 64
"""Stretches of a run that are remembered; when there are more, each two become one."""
SHORTEST_BLOCK = 2.0
"""Seconds of the first stretches."""
FLOOR = 0.08
"""Of the rate, either way: no rate is known better than that for what is still to come."""
SIGMAS = 2.0


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of a run."""

    seconds: float
    """Of extracting: pauses, waits and the computer's sleep are left out."""
    frames: int


@dataclass(frozen=True, slots=True)
class TimeLeft:
    """Seconds of extracting, at the least and at the most. Waits are not foreseen."""

    least: float
    most: float


class History:
    """The run so far, in few blocks whatever its length."""

    def __init__(self) -> None:
        self._blocks: list[Block] = []
        self._length = SHORTEST_BLOCK
        self._seconds, self._frames = 0.0, 0

    def add(self, seconds: float, frames: int) -> None:
        """So many more seconds of extracting, with so many frames."""
        self._seconds += seconds
        self._frames += frames
        if self._seconds < self._length:
            return
        self._blocks.append(Block(self._seconds, self._frames))
        self._seconds, self._frames = 0.0, 0
        if len(self._blocks) > MOST_BLOCKS:
            self._length *= 2
            self._blocks = [_joined(self._blocks[i : i + 2]) for i in range(0, len(self._blocks), 2)]

    @property
    def blocks(self) -> tuple[Block, ...]:
        """Oldest first; the last one may be short."""
        return (*self._blocks, Block(self._seconds, self._frames)) if self._seconds else tuple(self._blocks)


def time_left(blocks: Sequence[Block], open_frames: int) -> TimeLeft | None:
    """None while nobody can know. Pure.

    The range holds the rate of the last half and that of the last eighth, so that it follows what has changed, and
    is as wide as the blocks of the last half differ among themselves, with few frames as wide as chance makes it.
    """
    whole = _joined(blocks)
    if not open_frames or whole.seconds < LEAST_SECONDS or whole.frames < LEAST_FRAMES:
        return None
    half, recent = _last(blocks, whole.seconds / 2), _last(blocks, whole.seconds / 8)
    if not half or not _joined(half).frames:
        return None
    slow = fast = _rate(_joined(half))
    spread = max(FLOOR, _uncertainty(half, open_frames))
    newest = _joined(recent)
    if newest.frames >= LEAST_FRAMES:
        slow, fast = min(slow, _rate(newest)), max(fast, _rate(newest))
    elif newest.seconds * slow > 2 * LEAST_FRAMES:  # far fewer than were due: it has slowed down
        slow = _rate(newest) or slow / 4
    return TimeLeft(open_frames / (fast * (1 + spread)), open_frames / (slow / (1 + spread)))


def _uncertainty(blocks: Sequence[Block], open_frames: int) -> float:
    """Of the mean rate and of what is to come, as a share of it: chance, and how the blocks differ beyond that."""
    whole = _joined(blocks)
    mean = _rate(whole)
    chance = math.sqrt(1 / whole.frames + 1 / open_frames)
    if len(blocks) < 4:
        return SIGMAS * max(chance, 0.25)
    total = sum(block.seconds * (_rate(block) - mean) ** 2 for block in blocks if block.seconds)
    by_chance = mean * len(blocks) / whole.seconds
    differing = math.sqrt(max(0.0, total / whole.seconds - by_chance)) / mean
    # Neighbouring blocks are of the same scene: a quarter of them counts as independent.
    return SIGMAS * math.hypot(chance, differing / math.sqrt(max(1.0, len(blocks) / 4)))


def _last(blocks: Sequence[Block], seconds: float) -> list[Block]:
    """The newest blocks that make up so many seconds."""
    found: list[Block] = []
    length = 0.0
    for block in reversed(blocks):
        if length >= seconds:
            break
        found.append(block)
        length += block.seconds
    return found[::-1]


def _joined(blocks: Sequence[Block]) -> Block:
    return Block(sum(block.seconds for block in blocks), sum(block.frames for block in blocks))


def _rate(block: Block) -> float:
    return block.frames / block.seconds if block.seconds else 0.0
