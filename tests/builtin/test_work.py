"""Which frame comes next, and which gets a second chance."""

from __future__ import annotations

from dflwrap.extractors.builtin.work import Work


def frames(count: int) -> list[str]:
    return [f"{number}.png" for number in range(count)]


def drained(work: Work, fresh: bool = False) -> list[str]:
    taken = []
    while (frame := work.next_for(fresh)) is not None:
        taken.append(frame)
    return taken


def test_frames_come_in_their_order() -> None:
    work = Work(frames(4))
    assert drained(work) == frames(4)
    assert not work.left


def test_failures_in_a_row_come_again_and_the_first_of_them_last_to_a_fresh_worker() -> None:
    work = Work(frames(5))
    failed = [work.next_for(True) for _ in range(3)]
    assert work.failed_in_row([frame for frame in failed if frame]) == set()
    work.succeeded()
    assert drained(work) == ["1.png", "2.png", "3.png", "4.png"]
    assert work.left and work.wants_fresh_worker
    assert drained(work, fresh=True) == ["0.png"]
    assert not work.left


def test_what_failed_in_a_row_twice_stands() -> None:
    work = Work(frames(4))
    assert work.failed_in_row(["1.png", "2.png"]) == set()
    assert work.failed_in_row(["2.png", "3.png"]) == {"2.png"}


def test_in_doubt_frames_come_from_the_middle_until_one_succeeds() -> None:
    work = Work(frames(9))
    work.failed_in_row(["x.png", "y.png"])
    assert [work.next_for(False) for _ in range(3)] == ["y.png", "4.png", "5.png"]
    work.succeeded()
    assert work.next_for(False) == "0.png"


def test_a_frame_that_killed_its_worker_is_tried_once_more_and_alone() -> None:
    work = Work([])
    assert work.died_on("a.png")
    assert work.has_suspects and work.is_suspect("a.png") and not work.is_suspect(None)
    assert work.next_for(True) is None
    assert work.suspect() == "a.png"
    assert not work.died_on("a.png") and not work.left


def test_after_a_stop_nothing_is_handed_out() -> None:
    work = Work(frames(3))
    work.died_on("a.png")
    work.failed_in_row(["b.png", "c.png"])
    work.drop()
    assert not work.left
