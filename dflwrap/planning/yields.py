"""Failures that say nothing: when does the yield of a run look wrong? Pure.

A GPU whose build does not fit finds no face at all without one line of error. What an empty stretch or a fall of
the yield does not prove: a film has scenes without people. So this only asks; an independent second extractor answers.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

T = TypeVar("T")

EMPTY_START = 20
"""Frames from the start of a plan, none with a face, before the question is asked."""
EMPTY_STRETCH = 60
"""Later: as many in a row without a face, in a run whose frames had faces before."""
USUAL_YIELD = 0.3
"""The share of frames with a face before the stretch, from which on a stretch is remarkable."""
LONG_RUN = 2000
"""Open frames from which on a plan's first results are compared with the second extractor's, whatever they are."""
EARLY_RESULTS = 20
EARLY_FRAMES = 5
"""Frames that are compared, evenly spread over the first `EARLY_RESULTS`."""
ASKED_FRAMES = 10
"""Frames per other question."""
DISAGREE_SHARE = 0.5
DISAGREE_LEAST = 3
"""A disagreement: faces in at least this share, and number, of the frames reported without a face."""

WINDOW = 100
BEFORE = 200
"""Results before the window that are needed for a comparison."""
BEFORE_MOST = 400
"""More are not taken: a film's rate changes from reel to reel."""
LOOK_EVERY = 25
"""Results between two looks at the yield."""
BLOCK = 5
"""Neighbouring frames of a film are alike: so many count as one independent observation."""
FALL_SCORE = 16.7
FALL_SHARE = 0.5
"""A fall leaves at most this share of the rate before."""
MOST_KEPT = 2000
"""Empty frames that are remembered for being opened again."""

CROSS_CHECK = "cross-check"
"""The source of the evidence from a cross-check."""


class Sign(StrEnum):
    """What looks wrong."""

    EARLY = "early"
    """Nothing: a long run compares its first results with a second extractor."""
    START = "start"
    STRETCH = "stretch"
    FALL = "fall"


@dataclass(frozen=True, slots=True)
class Question:
    """A doubt about results, to be settled by a second extractor."""

    sign: Sign
    frames: tuple[int, ...]
    """Ids of frames to show to a second extractor."""
    since: int
    """Results from this number on are disputed (the first of the plan is 0)."""
    words: str


def fall_score(before: int, of_before: int, now: int, of_now: int) -> float:
    """How clearly a rate has fallen: the generalised likelihood ratio of two rates against one, in nats.

    With m = n / `BLOCK` independent observations in place of n frames, rates p0 = before / of_before and
    p1 = now / of_now, and the pooled rate q = (before + now) / (of_before + of_now):

        score = m0 KL(p0 || q) + m1 KL(p1 || q),    KL(p || q) = p ln(p / q) + (1 - p) ln((1 - p) / (1 - q))

    and 0 where p1 >= p0. If the rate has not changed, each summand at the true rate exceeds x with a chance
    of at most exp(-x) (Chernoff), and the pooled rate makes their sum smallest, so P(score >= x) is at most
    (1 + x) exp(-x), however small the samples: under 1e-6 for `FALL_SCORE`. One look in `LOOK_EVERY` frames
    makes 800 in a run of 20,000 frames: a false alarm in fewer than one such run in a thousand. It holds as far
    as blocks of `BLOCK` frames are independent; a new scene is a true fall. A fall from 95 % to 20 % of a whole
    window scores 18.7 after 200 frames, 24 after 400.
    """
    if not of_before or not of_now or now * of_before >= before * of_now:
        return 0.0
    pooled = (before + now) / (of_before + of_now)
    score = of_before * _divergence(before / of_before, pooled) + of_now * _divergence(now / of_now, pooled)
    return score / BLOCK


def _divergence(p: float, q: float) -> float:
    parts = ((p, q), (1 - p, 1 - q))
    return sum(mine * math.log(mine / other) for mine, other in parts if mine > 0)


@dataclass(slots=True)
class YieldWatch:
    """Fed with the number of faces of each frame of one plan; tells which frames to ask a second extractor about."""

    compare_first: bool = False
    """The run is long: compare its first results."""
    seen: int = 0
    with_face: int = 0
    _first: list[int] = field(default_factory=list)
    _empty: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=MOST_KEPT))
    """(number of the result, frame id) of the last empty frames."""
    _stretch: int = 0
    """Empty frames in a row, up to now."""
    _asked: bool = False
    """This stretch was asked about."""
    _window: deque[bool] = field(default_factory=deque)
    _before: deque[bool] = field(default_factory=lambda: deque(maxlen=BEFORE_MOST))
    """What left the window, since the last fall."""

    def frame(self, frame: int, faces: int) -> None:
        if len(self._first) < EARLY_RESULTS:
            self._first.append(frame)
        if faces:
            self.with_face += 1
            self._stretch, self._asked = 0, False
        else:
            self._empty.append((self.seen, frame))
            self._stretch += 1
        if len(self._window) == WINDOW:
            self._before.append(self._window.popleft())
        self._window.append(faces > 0)
        self.seen += 1

    def empties(self, since: int) -> tuple[int, ...]:
        """Ids of the frames reported without a face from result number `since` on."""
        return tuple(frame for number, frame in self._empty if number >= since)

    def question(self) -> Question | None:
        """To be asked after each frame; None while nothing looks wrong, or this stretch was asked about."""
        return self._about_stretch() or self._about_fall() or self._about_first()

    def _about_stretch(self) -> Question | None:
        before = self.seen - self._stretch
        if self.with_face:
            remarkable = self._stretch >= EMPTY_STRETCH and self.with_face >= USUAL_YIELD * before
        else:
            remarkable = self._stretch >= EMPTY_START
        if not remarkable or self._asked:
            return None
        self._asked = True
        if self.with_face:
            sign, words = Sign.STRETCH, f"{self._stretch} frames in a row are without a face"
        else:
            sign, words = Sign.START, f"the first {self._stretch} frames are without a face"
        return Question(sign, spread(self.empties(before), ASKED_FRAMES), before, words)

    def _about_fall(self) -> Question | None:
        if self.seen % LOOK_EVERY or len(self._before) < BEFORE:
            return None
        now, before, of_before = sum(self._window), sum(self._before), len(self._before)
        fallen = now / WINDOW <= FALL_SHARE * before / of_before
        if not fallen or fall_score(before, of_before, now, WINDOW) < FALL_SCORE:
            return None
        self._before.clear()  # a further fall is one from this rate
        if self._asked:
            return None  # the empty stretch at its end was asked about
        self._asked = self._stretch > 0
        words = (
            f"the yield has fallen: faces in {now} of the last {WINDOW} frames, "
            f"in {before} of the {of_before} before"
        )
        since = self.seen - WINDOW
        return Question(Sign.FALL, spread(self.empties(since), ASKED_FRAMES), since, words)

    def _about_first(self) -> Question | None:
        if not self.compare_first or self.seen < EARLY_RESULTS:
            return None
        self.compare_first = False
        words = f"a long run: its first {EARLY_RESULTS} results are compared"
        return Question(Sign.EARLY, spread(tuple(self._first), EARLY_FRAMES), 0, words)


def spread(items: Sequence[T], most: int) -> tuple[T, ...]:
    """At most `most` of the items, evenly spread."""
    if len(items) <= most:
        return tuple(items)
    return tuple(items[int(index * len(items) / most)] for index in range(most))


def disagrees(looked: int, found: int) -> bool:
    """True when a second extractor that looked at `looked` empty frames found faces in too many of them."""
    return found >= DISAGREE_LEAST and found >= DISAGREE_SHARE * looked
