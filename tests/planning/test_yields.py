"""When the yield of a run is remarkable, and how rarely a steady one is taken for a fall."""

from __future__ import annotations

import math
import random

import pytest

from dflwrap.planning.yields import (
    ASKED_FRAMES,
    BEFORE,
    BLOCK,
    EARLY_FRAMES,
    EARLY_RESULTS,
    EMPTY_START,
    EMPTY_STRETCH,
    FALL_SCORE,
    WINDOW,
    Question,
    Sign,
    YieldWatch,
    disagrees,
    fall_score,
)


def fed(watch: YieldWatch, faces: list[int]) -> list[Question | None]:
    questions = []
    for count in faces:
        watch.frame(watch.seen, count)
        questions.append(watch.question())
    return questions


def asked(watch: YieldWatch, faces: list[int]) -> list[tuple[int, Question]]:
    """(number of frames seen, question)"""
    return [(number + 1, q) for number, q in enumerate(fed(watch, faces)) if q is not None]


def test_a_run_that_begins_without_a_face_is_asked_about_once() -> None:
    [(after, question)] = asked(YieldWatch(), [0] * 200)
    assert after == EMPTY_START and question.sign is Sign.START and question.since == 0
    assert len(set(question.frames)) == ASKED_FRAMES


def test_an_empty_stretch_is_asked_about_with_frames_of_the_stretch_only() -> None:
    [(after, question)] = asked(YieldWatch(), [1] * 100 + [0] * EMPTY_STRETCH)
    assert after == 100 + EMPTY_STRETCH and question.sign is Sign.STRETCH
    assert min(question.frames) >= 100 == question.since


def test_a_run_with_few_faces_anyway_is_left_in_peace() -> None:
    assert not any(fed(YieldWatch(), ([1] + [0] * 19) * 3 + [0] * 200)[60:])


def test_a_new_stretch_is_a_new_question() -> None:
    questions = asked(YieldWatch(), ([1] * 100 + [0] * 100) * 3)
    assert [q.sign for _, q in questions] == [Sign.STRETCH] * 3


def test_a_disagreement_needs_half_of_the_frames_and_three() -> None:
    assert disagrees(10, 5) and disagrees(3, 3)
    assert not disagrees(10, 4) and not disagrees(2, 2) and not disagrees(0, 0)


# -- the first results of a long run ------------------------------------------------------------


def test_the_first_results_of_a_long_run_are_compared_whether_empty_or_not() -> None:
    faces = [1, 0, 1, 1] * 20
    [(after, question)] = asked(YieldWatch(compare_first=True), faces)
    assert after == EARLY_RESULTS and question.sign is Sign.EARLY
    assert len(question.frames) == EARLY_FRAMES
    assert max(question.frames) < EARLY_RESULTS
    assert question.frames == (0, 4, 8, 12, 16)
    assert not asked(YieldWatch(), faces), "only where the run is long"


# -- a sudden fall --------------------------------------------------------------------------------


def bernoulli(seed: int, rate: float, count: int, alike: int = 1) -> list[int]:
    """Frames with a face at this rate; `alike` neighbours share their lot."""
    dice = random.Random(seed)
    return [face for _ in range(count // alike) for face in [int(dice.random() < rate)] * alike]


@pytest.mark.parametrize("seed", range(20))
def test_a_fall_from_95_to_20_percent_is_noticed_within_its_window(seed: int) -> None:
    faces = bernoulli(seed, 0.95, 400) + bernoulli(seed + 100, 0.2, 200)
    questions = asked(YieldWatch(), faces)
    assert questions and questions[0][1].sign is Sign.FALL, questions
    after, question = questions[0]
    assert 400 < after <= 400 + WINDOW + 25
    assert question.since == after - WINDOW
    assert all(faces[frame] == 0 and frame >= question.since for frame in question.frames)


def test_a_fall_is_told_once_and_a_second_one_again() -> None:
    level = [1] * 19 + [0]
    low = [1, 0, 0, 0, 0]
    questions = asked(YieldWatch(), level * 20 + low * 80 + level * 30 + low * 40)
    assert [q.sign for _, q in questions] == [Sign.FALL, Sign.FALL]


def test_one_event_is_one_question() -> None:
    """A stretch without any face is a fall of the yield too."""
    for before in (300, 600, 3000):
        assert len(asked(YieldWatch(), bernoulli(7, 0.95, before) + [0] * 200)) == 1


def test_a_gentle_fall_is_left_in_peace() -> None:
    assert not asked(YieldWatch(), bernoulli(1, 0.95, 1000) + bernoulli(2, 0.7, 1000))


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9, 0.99])
def test_a_steady_rate_raises_no_alarm(rate: float) -> None:
    """40,000 frames per rate, in blocks of like neighbours as the docstring of `fall_score` assumes."""
    for seed in range(2):
        questions = asked(YieldWatch(), bernoulli(seed, rate, 20_000, alike=BLOCK))
        assert not [q for _, q in questions if q.sign is Sign.FALL]


def test_the_stated_bound_on_false_alarms_holds_exactly() -> None:
    """Summed over all outcomes of two binomial samples of like rate, for scores that chance does reach."""
    m0, m1 = BEFORE // BLOCK, WINDOW // BLOCK
    for rate in (0.2, 0.5, 0.8, 0.95):
        for x in (1.0, 3.0, 6.0, 10.0):
            chance = sum(
                _binomial(k0, m0, rate) * _binomial(k1, m1, rate)
                for k0 in range(m0 + 1)
                for k1 in range(m1 + 1)
                if fall_score(k0 * BLOCK, m0 * BLOCK, k1 * BLOCK, m1 * BLOCK) >= x
            )
            assert 0 < chance <= (1 + x) * math.exp(-x) or (chance == 0 and x == 10.0), (rate, x, chance)


def _binomial(k: int, n: int, p: float) -> float:
    return math.comb(n, k) * p**k * (1 - p) ** (n - k)


def test_the_figures_of_the_docstring() -> None:
    assert (1 + FALL_SCORE) * math.exp(-FALL_SCORE) < 1e-6
    assert fall_score(190, 200, 20, 100) == pytest.approx(18.7, abs=0.05)
    assert fall_score(380, 400, 20, 100) == pytest.approx(24.15, abs=0.01)
    assert fall_score(20, 100, 95, 100) == 0.0 == fall_score(0, 0, 1, 100)
