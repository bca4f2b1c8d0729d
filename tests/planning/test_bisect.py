"""Bisection isolates every poison frame, gives all innocents, and keeps to its bound."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dflwrap.planning.bisect import Bisection

Attempt = Callable[[tuple[str, ...]], tuple[tuple[str, ...], bool, str | None]]


def play(frames: list[str], attempt: Attempt, limit: int = 10_000) -> tuple[Bisection, int]:
    gained, failed, suspect = attempt(tuple(frames))
    if not failed:
        return Bisection(frames=(), suspected=(), gained=frozenset(frames)), 0
    state = Bisection.start(frames, gained, suspect)
    while not state.finished:
        batch = state.next_batch()
        assert batch and not set(batch) & (state.gained | set(state.poison)), "nothing is run twice in vain"
        gained, failed, suspect = attempt(batch)
        state = state.report(gained, failed, suspect)
        assert state.attempts < limit
    return state, state.attempts


def bound(poison: int, frames: int) -> int:
    return poison * (math.ceil(math.log2(frames)) + 2) if frames > 1 else 1


@st.composite
def batches(draw: st.DrawFn) -> tuple[list[str], set[str]]:
    n = draw(st.integers(1, 150))
    frames = [f"{i:05d}.png" for i in range(n)]
    return frames, set(draw(st.lists(st.sampled_from(frames), max_size=6)))


@settings(max_examples=150, deadline=None)
@given(batches(), st.data())
def test_any_extractor_isolates_within_the_bound(
    case: tuple[list[str], set[str]], data: st.DataObject
) -> None:
    """Whatever a failed attempt gains, and whatever nonsense its hints are."""
    frames, poison = case

    def attempt(batch: tuple[str, ...]) -> tuple[tuple[str, ...], bool, str | None]:
        bad = poison & set(batch)
        if not bad:
            return batch, False, None
        innocent = [frame for frame in batch if frame not in bad]
        kept = data.draw(st.integers(0, len(innocent)))
        return tuple(innocent[:kept]), True, data.draw(st.none() | st.sampled_from(batch))

    state, attempts = play(frames, attempt)
    assert set(state.poison) == poison
    assert state.gained == set(frames) - poison
    assert attempts <= bound(len(poison), len(frames))


@settings(max_examples=100, deadline=None)
@given(batches())
def test_a_right_hint_isolates_in_two_attempts(case: tuple[list[str], set[str]]) -> None:
    """One worker of DFL: everything before the culprit is gained, the culprit is the n-th."""
    frames, poison = case

    def attempt(batch: tuple[str, ...]) -> tuple[tuple[str, ...], bool, str | None]:
        for i, frame in enumerate(batch):
            if frame in poison:
                return batch[:i], True, frame
        return batch, False, None

    state, attempts = play(frames, attempt)
    assert set(state.poison) == poison
    assert attempts <= 2 * len(poison)


def test_the_order_of_the_batch_is_kept() -> None:
    frames = ["b", "a", "d", "c"]
    state = Bisection.start(frames, suspect="d")
    state = state.report((), failed=True)
    assert state.poison == ("d",)
    assert state.next_batch() == ("b", "a", "c")


def test_a_failure_that_does_not_come_again_still_ends() -> None:
    frames = [f"{i}" for i in range(64)]
    state = Bisection.start(frames)
    while not state.finished:
        state = state.report((), failed=False)
    assert state.gained | set(state.poison) == set(frames)
    assert len(state.poison) <= 1
    assert state.attempts <= math.ceil(math.log2(64)) + 2


def test_a_finished_search_takes_no_report() -> None:
    state = Bisection.start(["one.png"])
    assert state.finished and state.poison == ("one.png",)
    with pytest.raises(ValueError, match="finished"):
        state.report((), failed=True)


def test_a_step_over_only_a_part_of_its_frames_clears_no_other() -> None:
    frames = [f"{number}" for number in range(8)]
    state = Bisection.start(frames)
    assert state.next_batch() == ("0", "1", "2", "3")
    state = state.report(("0", "1"), False, None, ("0", "1"))  # healthy, and 2 and 3 were never handed out
    assert state.gained == {"0", "1"} and state.suspected == ("2", "3", "4", "5", "6", "7")
    assert state.next_batch() == ("2", "3", "4")
    state = state.report(("2",), True, None, ("2", "3"))  # 3 is the poison, 4 was never handed out
    assert state.poison == ("3",)
    left = state.next_batch()
    assert set(left) == {"4", "5", "6", "7"}
    state = state.report(("4",), False, None, ("4",))
    assert state.next_batch() == ("5", "6", "7") and not state.finished
    assert state.report(("5", "6", "7"), False, None, ("5", "6", "7")).finished
