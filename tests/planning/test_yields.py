"""When an empty stretch is remarkable, and what it may cost to ask."""

from __future__ import annotations

from dflwrap.planning.yields import EMPTY_START, EMPTY_STRETCH, YieldWatch, disagrees


def fed(watch: YieldWatch, faces: list[int]) -> list[tuple[int, ...]]:
    questions = []
    for count in faces:
        watch.frame(watch.seen, count)
        questions.append(watch.question())
    return questions


def test_a_run_that_begins_without_a_face_is_asked_about_once() -> None:
    questions = fed(YieldWatch(10_000), [0] * 200)
    assert [bool(question) for question in questions].count(True) == 1
    assert questions[EMPTY_START - 1] and len(set(questions[EMPTY_START - 1])) == len(
        questions[EMPTY_START - 1]
    )


def test_a_sudden_fall_is_asked_about_with_frames_of_the_stretch_only() -> None:
    questions = fed(YieldWatch(10_000), [1] * 100 + [0] * EMPTY_STRETCH)
    assert not any(questions[:-1])
    assert questions[-1] and min(questions[-1]) >= 100


def test_a_run_with_few_faces_anyway_is_left_in_peace() -> None:
    assert not any(fed(YieldWatch(10_000), ([1] + [0] * 19) * 3 + [0] * 200)[60:])


def test_the_questions_cost_at_most_one_percent_or_twenty_frames() -> None:
    for total in (100, 5_000, 50_000):
        watch = YieldWatch(total)
        asked = sum(len(q) for q in fed(watch, ([1] * 100 + [0] * 100) * 60))
        assert 0 < asked <= max(20, total // 100)


def test_a_new_stretch_is_a_new_question() -> None:
    questions = fed(YieldWatch(50_000), ([1] * 100 + [0] * 100) * 3)
    assert [bool(question) for question in questions].count(True) == 3


def test_a_disagreement_needs_half_of_the_frames_and_three() -> None:
    assert disagrees(10, 5) and disagrees(3, 3)
    assert not disagrees(10, 4) and not disagrees(2, 2) and not disagrees(0, 0)
