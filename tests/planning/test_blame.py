"""Who is to blame for a failed attempt, frames or the machine: the table, row by row."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ladder_walk import WIDE, Walk, failure, start

from dflwrap.common.memory import GIB
from dflwrap.common.rungs import Rung
from dflwrap.common.telemetry import TelemetrySummary
from dflwrap.planning.blame import (
    KILLED,
    MOST_SUSPECTS,
    MOST_WITHOUT_PROGRESS,
    Accused,
    by_trial,
    frames_own_doing,
    instead_of_stopping,
    is_named,
    ladder_of,
    name_suspects,
    unhealthy,
    why_no_search,
)
from dflwrap.planning.decision import NextPlan, Quarantine, RepairFrame, Stop, Wait
from dflwrap.planning.inputs import AttemptRecord, FrameTrials
from dflwrap.planning.ladder import POISON, UNHEALTHY_EXTRACTOR, UNKNOWN, WORKED_BEFORE, ladder_for


def record(number: int = 1, cause: str = "made-up", **more: object) -> AttemptRecord:
    return replace(AttemptRecord(number, WIDE, cause, frames_given=20), **more)  # type: ignore[arg-type]


ELSEWHERE = record(1, "other", frames_gained=9)
"""An earlier attempt that shows that the extractor works."""


@pytest.mark.parametrize(
    ("failed", "in_work", "first_open", "missing", "suspects"),
    [
        (["a"], ["b"], "c", ["a", "b", "c"], ("a",)),  # what failed by itself counts alone
        (["b", "a"], [], None, ["a", "b"], ("b", "a")),
        ([], ["b", "c"], "a", ["a", "b", "c"], ("b", "c")),
        ([], [], "a", ["a", "b"], ("a",)),
        ([], [], None, ["a"], ("a",)),  # only one is left: it must be that
        ([], [], None, ["a", "b"], ()),
    ],
)
def test_the_likeliest_frames_are_suspected(
    failed: list[str], in_work: list[str], first_open: str | None, missing: list[str], suspects: tuple[str]
) -> None:
    assert name_suspects(failed, in_work, first_open, missing) == suspects


# cause, category, suspects, gained before?, the ladder: a frame's (POISON), or the machine's.
LADDERS = [
    ("imread-failed", "input-image", ("a",), False, POISON),
    ("imread-failed", "input-image", (), False, UNKNOWN),
    ("poison-frame", "worker-crash", ("a",), False, POISON),
    ("disk-full", "disk", ("a",), True, ladder_for("disk-full", "disk")),
    ("gpu-oom-tensor", "gpu-memory", ("a",), True, ladder_for("gpu-oom-tensor", "gpu-memory")),
    ("dll-load-failed", "python-env", ("a",), False, ladder_for("dll-load-failed", "python-env")),
    ("dll-load-failed", "python-env", ("a",), True, WORKED_BEFORE),
]


@pytest.mark.parametrize(("cause", "category", "suspects", "worked", "ladder"), LADDERS)
def test_the_ladder_is_of_who_is_to_blame(
    cause: str, category: str, suspects: tuple[str, ...], worked: bool, ladder: object
) -> None:
    before = (ELSEWHERE,) if worked else ()
    history = (*before, record(2, cause, suspects=suspects))
    assert ladder_of(failure(cause, category).primary, history) == ladder


def test_an_unknown_failure_has_its_own_ladder() -> None:
    assert ladder_of(None, (record(suspects=("a",)),)) == UNKNOWN


def test_frame_after_frame_that_fails_alike_clears_the_frames() -> None:
    cause = failure("poison-frame", "worker-crash").primary
    alike = [record(n, "poison-frame", suspects=(f"{n}.png",)) for n in (1, 2, 3)]
    assert not unhealthy(tuple(alike[:2]), "poison-frame")
    assert unhealthy(tuple(alike), "poison-frame")
    assert ladder_of(cause, tuple(alike)) == UNHEALTHY_EXTRACTOR
    works = (*alike[:2], replace(alike[2], frames_gained=1))
    assert ladder_of(cause, works) == POISON
    # An unreadable file is unreadable, however many there are of them.
    images = tuple(replace(one, cause="imread-failed") for one in alike)
    assert ladder_of(failure("imread-failed", "input-image").primary, images) == POISON


ROOMY = TelemetrySummary(ram_total=64 * GIB, ram_available_min=40 * GIB, oom_kills=0)
FULL = TelemetrySummary(ram_total=64 * GIB, ram_available_min=GIB // 8, oom_kills=1)


@pytest.mark.parametrize(
    ("cause", "category", "telemetry", "gained", "repaired", "own"),
    [
        (KILLED, "host-memory", ROOMY, 5, ("a",), True),
        (KILLED, "host-memory", None, 5, ("a",), True),
        ("host-memoryerror", "host-memory", ROOMY, 5, ("a",), True),
        ("host-memoryerror", "host-memory", FULL, 5, ("a",), False),
        ("host-memoryerror", "host-memory", None, 5, ("a",), False),  # not measured: not known
        ("host-memoryerror", "host-memory", ROOMY, 0, ("a",), False),  # beside no good ones
        ("host-memoryerror", "host-memory", ROOMY, 5, (), False),  # failed once only
        ("gpu-oom-tensor", "gpu-memory", ROOMY, 5, ("a",), False),
        ("eof-on-input", "prompt/interaction", None, 5, ("a",), True),
        ("prompt-waiting", "prompt/interaction", None, 0, ("a",), False),
        ("eof-on-input", "prompt/interaction", None, 5, (), False),
        ("bad-gpu-index", "prompt/interaction", None, 5, ("a",), False),  # no question
    ],
)
def test_memory_is_not_blamed_where_it_was_free(
    cause: str, category: str, telemetry: TelemetrySummary, gained: int, repaired: tuple[str, ...], own: bool
) -> None:
    one = record(1, cause, suspects=("a",), frames_gained=gained, repaired=repaired)
    blamed = frames_own_doing(failure(cause, category).primary, one, telemetry)
    assert (blamed is not None and blamed.id == "poison-frame") == own


@pytest.mark.parametrize("cause", [KILLED, "host-memoryerror", "eof-on-input"])
def test_frames_that_failed_twice_are_through_though_another_is_not(cause: str) -> None:
    """Or each attempt would do them all again."""
    category = "prompt/interaction" if cause == "eof-on-input" else "host-memory"
    verdict = failure(cause, category)
    walk = start()
    walk.telemetry = ROOMY
    decision = walk.fail(verdict, gained=5, suspects=("a", "b"), repaired=("a",))
    assert isinstance(decision, Quarantine) and decision.frames == ("a",)
    assert isinstance(decision.then, RepairFrame) and decision.then.frames == ("b",)


def test_a_frame_has_two_tries() -> None:
    first = record(1, "poison-frame", suspects=("a", "b"))
    assert by_trial((first,)) == (("a", "b"), ())
    again = record(2, "poison-frame", suspects=("b", "c"))
    answered = replace(first, answer=tuple(POISON[:1]))
    assert by_trial((answered, again)) == (("c",), ("b",))
    within = replace(again, frames_gained=3, repaired=("c",))
    assert by_trial((answered, within)) == ((), ("b", "c")), "the agent tried it within the attempt"
    assert by_trial((answered, replace(within, frames_gained=0))) == (("c",), ("b",))


def test_no_search_blames_frames_for_nothing() -> None:
    assert why_no_search(record()) == ""
    assert "no worker came" in why_no_search(record(began=False))
    assert "frame after frame" in why_no_search(record(lost_on=3))
    assert why_no_search(record(lost_on=3, frames_gained=1)) == ""


@pytest.mark.parametrize(
    ("suspects", "given", "black_box", "named"),
    [(("a",), 20, False, True), (("a",), 20, True, False), (("a",), 1, True, True), ((), 1, False, False)],
)
def test_a_black_box_names_a_frame_only_where_one_is_left(
    suspects: tuple[str, ...], given: int, black_box: bool, named: bool
) -> None:
    history = (record(suspects=suspects, frames_given=given),)
    assert is_named(history, "made-up", black_box=black_box) == named


def trials(held: str = "", tried: str = "", own: str = "", no_progress: int = 0) -> FrameTrials:
    return FrameTrials(frozenset(held), frozenset(tried), frozenset(own), no_progress)


TRY, OUT = False, True
# category, suspects, works elsewhere?, trials, lost_on -> the frames that are accused, and whether they are out.
AT_THE_END = [
    # What one frame can cause, where the extractor works on others: it is tried alone, then put aside.
    ("gpu-memory", "a", True, trials(), 0, ("a", TRY)),
    ("gpu-memory", "a", True, trials(tried="a"), 0, ("a", OUT)),
    ("gpu-memory", "ab", True, trials(tried="a"), 0, ("b", TRY)),
    ("hang", "abcdef", True, trials(held="xyz", tried="uvw"), 9, ("abcdef", TRY)),
    ("unknown", "a", True, trials(), 0, ("a", TRY)),
    # What no frame can cause.
    ("disk", "a", True, trials(), 0, None),
    ("cuda-library", "a", True, trials(tried="a"), 0, None),
    # Nothing names one.
    ("hang", "", True, trials(), 0, None),
    # The extractor has not worked yet: a few frames may be suspected, not one after another.
    ("hang", "a", False, trials(), 0, ("a", TRY)),
    ("hang", "c", False, trials(held="ab"), 0, ("c", TRY)),
    ("hang", "d", False, trials(held="abc"), 0, None),
    ("hang", "abcd", False, trials(), 0, None),
    ("hang", "a", False, trials(tried="a"), 0, None),
    ("hang", "a", False, trials(), MOST_SUSPECTS + 1, None),
    # A driver: only frames that failed so while others went on, and only a few of them.
    ("gpu-driver", "a", True, trials(tried="a", own="a"), 0, ("a", OUT)),
    ("gpu-driver", "a", True, trials(tried="a"), 0, None),
    ("gpu-driver", "ab", True, trials(tried="a", own="a"), 0, None),
    ("gpu-driver", "abcd", True, trials(tried="abcd", own="abcd"), 0, None),
    # Enough is enough.
    ("hang", "a", True, trials(no_progress=MOST_WITHOUT_PROGRESS - 1), 0, ("a", TRY)),
    ("hang", "a", True, trials(no_progress=MOST_WITHOUT_PROGRESS), 0, None),
]


@pytest.mark.parametrize(("category", "suspects", "works", "tried", "lost_on", "expected"), AT_THE_END)
def test_frames_or_the_end_of_the_run(
    category: str,
    suspects: str,
    works: bool,
    tried: FrameTrials,
    lost_on: int,
    expected: tuple[str, bool] | None,
) -> None:
    before = (ELSEWHERE,) if works else ()
    history = (*before, record(2, suspects=tuple(suspects), lost_on=lost_on))
    accused = instead_of_stopping("made-up", category, history, tried)
    assert accused == (Accused(tuple(expected[0]), tried=expected[1]) if expected else None)


@pytest.mark.parametrize(
    ("before", "began", "black_box", "accused"),
    [
        (True, True, False, True),
        (False, True, False, False),  # it has not worked yet
        (True, False, False, False),  # no worker had a frame: its main process asks
        (True, True, True, False),  # nobody knows what was in hand
    ],
)
def test_a_question_is_a_frames_only_where_a_worker_had_it_in_hand(
    before: bool, began: bool, black_box: bool, accused: bool
) -> None:
    asked = record(2, "prompt-waiting", suspects=("a",), began=began)
    history = (ELSEWHERE, asked) if before else (asked,)
    found = instead_of_stopping(
        "prompt-waiting", "prompt/interaction", history, trials(tried="a"), black_box=black_box
    )
    assert found == (Accused(("a",), tried=True) if accused else None)


@pytest.mark.parametrize(
    ("done_before", "suspects", "accused"),
    [
        (0, "abc", False),
        (9, "abc", True),
        (39, "abcd", False),
        (40, "abcd", True),
        (10**6, "abcd" * 6, False),
    ],
)
def test_the_few_frames_that_a_resumed_run_has_left_may_all_be_to_blame(
    done_before: int, suspects: str, accused: bool
) -> None:
    names = tuple(f"{name}{place}" for place, name in enumerate(suspects))
    history = (record(1, KILLED, suspects=names, lost_on=len(names)),)
    tried = FrameTrials(tried_anew=frozenset(names))
    found = instead_of_stopping(KILLED, "worker-crash", history, tried, done_before)
    assert found == (Accused(names, tried=True) if accused else None)


def test_a_damaged_face_file_may_be_a_frames_fault_whatever_its_category() -> None:
    history = (ELSEWHERE, record(2, suspects=("a",)))
    assert instead_of_stopping("corrupted-dfljpg", "disk", history, trials())
    assert not instead_of_stopping("disk-full", "disk", history, trials())


# -- what the policy makes of it ---------------------------------------------------------------

HANG = failure("extractor-deadlocked", "hang")


def at_its_end(walk: Walk) -> Walk:
    """Nothing is left to try against a hang, in a run that has worked on other frames."""
    walk.healthy(300)
    for _ in range(20):
        if isinstance(walk.fail(HANG), Stop):
            return walk
    raise AssertionError("no end")


def test_the_policy_tries_the_named_frame_alone_then_puts_it_aside_and_goes_on() -> None:
    walk = at_its_end(start())
    alone = walk.fail(HANG, suspects=("a.png",))
    assert isinstance(alone, RepairFrame) and alone.frames == ("a.png",)
    assert alone.others == walk.context.widest
    assert "a.png to be tried alone" in alone.sentence
    out = walk.fail(HANG, suspects=("a.png",))
    assert isinstance(out, Quarantine) and out.frames == ("a.png",)
    assert isinstance(out.then, NextPlan) and out.then.plan == walk.context.widest
    assert isinstance(walk.fail(HANG), Stop), "where no frame is named, the run ends"


def test_what_was_narrowed_for_a_frame_is_taken_back() -> None:
    walk = at_its_end(start())
    assert walk.plan.devices == () and walk.context.excluded == {0}
    alone = walk.fail(HANG, suspects=("a.png",))
    assert isinstance(alone, RepairFrame) and alone.others is not None
    assert alone.others.devices == (0,), "the card was not to blame"


def test_the_stop_after_a_wait_gives_way_to_the_frames_too() -> None:
    cause = failure("weights-not-loaded", "gpu-memory")
    walk = start()
    walk.healthy(300)
    # Its row: wait for memory, a fresh process, the user. The process was fresh; a wait is left, then the end.
    fresh = record(2, "weights-not-loaded", frames_given=100, answer=(Rung.FRESH_PROCESS,))
    walk.history = (*walk.history, fresh)
    decision = walk.fail(cause, suspects=("a.png",))
    assert isinstance(decision, Wait)
    assert isinstance(decision.otherwise, RepairFrame) and decision.otherwise.frames == ("a.png",)
    walk.history = walk.history[:-1]
    unnamed = walk.fail(cause)
    assert isinstance(unnamed, Wait) and isinstance(unnamed.otherwise, Stop)


def test_frames_are_not_suspected_one_after_another_for_ever() -> None:
    bad = failure("imread-failed", "input-image")
    walk = start()
    walk.healthy(300)
    for number in range(2 * MOST_WITHOUT_PROGRESS):
        decision = walk.fail(bad, suspects=(f"{number}.png",))
        if isinstance(decision, Stop):
            break
    assert isinstance(decision, Stop) and "brought no frame to its end" in decision.sentence
    assert walk.context.trials.no_progress == MOST_WITHOUT_PROGRESS
