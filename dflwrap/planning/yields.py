"""Failures that say nothing: when does the yield of a run look wrong? Pure.

A GPU whose build does not fit finds no face at all without one line of error. What an empty stretch does not
prove: a film has scenes without people. So this only asks; an independent witness answers.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

EMPTY_START = 20
"""Frames from the start of a run, none with a face, before the question is asked."""
EMPTY_STRETCH = 60
"""Later: as many in a row without a face, in a run whose frames had faces before."""
USUAL_YIELD = 0.3
"""The share of frames with a face before the stretch, from which on a stretch is remarkable."""
MOST_QUESTIONS = 10
ASKED_FRAMES = 10
"""Frames per question."""
DISAGREE_SHARE = 0.5
DISAGREE_LEAST = 3
"""A disagreement: faces in at least this share, and number, of the frames that were called empty."""


@dataclass(slots=True)
class YieldWatch:
    """Fed with each frame's number of faces; tells which frames to ask a witness about."""

    total: int
    """Frames of the run: the questions cost at most 1 % of them, or 20."""
    seen: int = 0
    with_face: int = 0
    empty: deque[int] = field(default_factory=lambda: deque(maxlen=2000))
    """Ids of the frames of the present stretch without a face."""
    asked: int = 0
    _asked_at: int = -1

    def frame(self, frame: int, faces: int) -> None:
        self.seen += 1
        if faces:
            self.with_face += 1
            self.empty.clear()
            self._asked_at = -1
        else:
            self.empty.append(frame)

    def question(self) -> tuple[int, ...]:
        """Ids of frames to ask about; empty while nothing looks wrong, or this stretch was asked about."""
        needed = EMPTY_STRETCH if self.with_face else EMPTY_START
        before = self.seen - len(self.empty)
        remarkable = not self.with_face or self.with_face / max(1, before) >= USUAL_YIELD
        if len(self.empty) < needed or not remarkable or self._asked_at >= 0:
            return ()
        budget = min(MOST_QUESTIONS * ASKED_FRAMES, max(20, self.total // 100)) - self.asked
        count = min(ASKED_FRAMES, budget)
        if count < DISAGREE_LEAST:
            return ()
        self._asked_at = self.seen
        self.asked += count
        step = len(self.empty) / count
        return tuple(self.empty[int(index * step)] for index in range(count))


def disagrees(looked: int, found: int) -> bool:
    """True when a witness that looked at `looked` frames found faces in too many of them."""
    return found >= DISAGREE_LEAST and found >= DISAGREE_SHARE * looked
