"""Slow, deadlocked, stopped and spinning are told apart, by scripted clocks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from dflwrap.common.events import Event, EventKind
from dflwrap.supervisor.liveness import folder_growth as growth
from dflwrap.supervisor.liveness.folder_growth import LOOK_EVERY, OutputFolders
from dflwrap.supervisor.liveness.start_times import (
    MIN_START_BOUND,
    NO_TIMES,
    START_FACTOR,
    LearnedStartTimes,
    StartTimes,
)
from dflwrap.supervisor.liveness.watchdog import (
    FINISH_BOUND,
    MIN_STEADY_BOUND,
    MOST_HANDED_OUT,
    QUIET_BOUND,
    SPIN_FACTOR,
    STOPPED_BOUND,
    Dead,
    Liveness,
    Phase,
    Symptom,
)
from dflwrap.supervisor.process.tree import Vitals

IDLE = Vitals(2, 5.0, 1000, ())
STARTUP, FRAME = 1800.0, 300.0


class Clock:
    """A liveness with a clock of its own; `run` looks and judges once a second."""

    def __init__(
        self,
        total: int = 10,
        cache: Path | None = None,
        output: tuple[Path, ...] = (),
        earlier: StartTimes = NO_TIMES,
        frame_timeout: float = FRAME,
    ) -> None:
        self.now = 1000.0
        self.vitals = IDLE
        self.output = 0
        self.live = Liveness(
            self.now,
            total,
            startup_timeout=STARTUP,
            frame_timeout=frame_timeout,
            cache_folder=cache,
            output_folders=output,
            earlier=earlier,
        )

    def event(self, kind: EventKind, frame: str | None = None, worker: str = "CPU0") -> None:
        self.live.event(Event(kind, 0.0, worker, frame), self.now)

    def frame(self, name: str, seconds: float) -> None:
        self.event(EventKind.FRAME_STARTED, name)
        assert self.run(seconds, cpu=1.0) is None
        self.event(EventKind.FRAME_DONE, name)

    def run(self, seconds: float, *, cpu: float = 0.0, io: int = 0, output: int = 0) -> Dead | None:
        end = self.now + seconds
        while self.now < end:
            self.now += 1.0
            self.vitals = replace(
                self.vitals, cpu_seconds=self.vitals.cpu_seconds + cpu, io_bytes=self.vitals.io_bytes + io
            )
            self.output += output
            self.live.look(self.vitals, self.output, self.now)
            dead = self.live.judge(self.now)
            if dead:
                return dead
        return None


@pytest.fixture
def clock() -> Clock:
    clock = Clock()
    clock.run(1)
    return clock


@pytest.mark.parametrize("sign", ["cpu", "io", "output"])
def test_a_silent_start_of_twenty_nine_minutes_with_a_sign_of_life_is_no_hang(
    clock: Clock, sign: str
) -> None:
    signs: dict[str, dict[str, float]] = {"cpu": {"cpu": 0.5}, "io": {"io": 1}, "output": {"output": 1}}
    assert clock.run(29 * 60, **signs[sign]) is None  # type: ignore[arg-type]
    assert clock.live.phase is Phase.STARTING


def test_no_sign_of_life_is_a_deadlock_soon_after_the_bound(clock: Clock) -> None:
    began = clock.now
    dead = clock.run(10_000)
    assert dead is not None
    assert (dead.symptom, dead.phase) == (Symptom.DEADLOCKED, Phase.STARTING)
    assert QUIET_BOUND < clock.now - began < QUIET_BOUND + 5
    assert "no sign of life" in dead.sentence and "start-up" in dead.sentence


def test_polling_loops_that_burn_next_to_nothing_are_no_sign_of_life(clock: Clock) -> None:
    dead = clock.run(10_000, cpu=0.01)
    assert dead is not None and dead.symptom is Symptom.DEADLOCKED


def test_processes_that_leave_are_a_sign_of_life(clock: Clock) -> None:
    """The CPU time of a tree falls when a worker ends; that is something happening."""
    clock.run(QUIET_BOUND - 5)
    clock.vitals = replace(clock.vitals, cpu_seconds=1.0)
    assert clock.run(QUIET_BOUND - 5) is None


@pytest.mark.parametrize(("seconds", "dead"), [(STOPPED_BOUND - 2, False), (STOPPED_BOUND + 3, True)])
def test_a_short_stop_is_forgiven_a_long_one_is_not(clock: Clock, seconds: float, dead: bool) -> None:
    clock.frame("1.png", 2)
    clock.vitals = replace(clock.vitals, stopped=(4711,))
    found = clock.run(seconds, cpu=1.0)  # the others continue
    assert (found is not None) == dead
    if found:
        assert (found.symptom, found.phase) == (Symptom.STOPPED, Phase.STEADY)
    else:
        clock.vitals = replace(clock.vitals, stopped=())
        assert clock.run(STOPPED_BOUND * 2, cpu=1.0) is None


def test_a_stop_keeps_its_name_where_the_users_limit_for_a_frame_is_shorter() -> None:
    """`--frame-timeout 8`: the limit of a frame comes first, and a stopped process still explains it."""
    clock = Clock(frame_timeout=8)
    clock.frame("1.png", 0.1)
    clock.event(EventKind.FRAME_STARTED, "2.png")
    clock.vitals = replace(clock.vitals, stopped=(4711,))
    found = clock.run(STOPPED_BOUND - 2, cpu=0.0)
    assert found is not None and found.symptom is Symptom.STOPPED


def test_work_that_comes_to_nothing_is_spinning(clock: Clock) -> None:
    for n in range(3):
        clock.frame(f"{n}.png", 4)
    clock.event(EventKind.FRAME_STARTED, "x.png")
    began = clock.now
    dead = clock.run(10_000, cpu=1.0)
    assert dead is not None and (dead.symptom, dead.phase) == (Symptom.SPINNING, Phase.STEADY)
    assert clock.now - began == pytest.approx(SPIN_FACTOR * 4, abs=3)


def test_silence_is_no_spinning_where_the_bound_of_a_frame_is_the_shorter_one(clock: Clock) -> None:
    for n in range(2):
        clock.frame(f"{n}.png", 1)
    clock.event(EventKind.FRAME_STARTED, "x.png")
    dead = clock.run(10_000)
    assert dead is not None and (dead.symptom, dead.phase) == (Symptom.DEADLOCKED, Phase.STEADY)
    assert dead.seconds == pytest.approx(MIN_STEADY_BOUND, abs=3)


def test_a_spinning_start_ends_at_its_own_bound(clock: Clock) -> None:
    dead = clock.run(10_000, cpu=1.0)
    assert dead is not None and dead.symptom is Symptom.SPINNING
    assert clock.now == pytest.approx(1000 + STARTUP, abs=3)


def test_the_bound_is_learned_from_the_frames_and_never_above_what_was_asked(clock: Clock) -> None:
    assert clock.live.bound() == STARTUP
    clock.event(EventKind.FRAME_STARTED, "0.png")
    assert clock.live.phase is Phase.FIRST_FRAME and clock.live.bound() == STARTUP
    clock.run(600, cpu=1.0)  # the first frame pays for the kernels: it teaches nothing
    clock.event(EventKind.FRAME_DONE, "0.png")
    assert clock.live.phase is Phase.STEADY and clock.live.bound() == FRAME
    clock.frame("1.png", 1)
    assert clock.live.bound() == MIN_STEADY_BOUND
    clock.frame("2.png", 6)
    assert clock.live.bound() == pytest.approx(SPIN_FACTOR * 6)
    clock.frame("3.png", 50)
    assert clock.live.bound() == FRAME


def test_after_the_loss_of_every_worker_a_new_one_may_take_the_time_of_a_start(clock: Clock) -> None:
    clock.run(300, cpu=1.0)
    steady(clock)
    clock.event(EventKind.FRAME_STARTED, "x.png")
    clock.event(EventKind.WORKER_LOST, "x.png")
    clock.event(EventKind.WORKER_STARTING)
    assert clock.live.bound() == pytest.approx(min(STARTUP, START_FACTOR * 300), abs=2)
    assert clock.run(200, cpu=1.0) is None, "it starts"
    clock.event(EventKind.WORKER_REPLACED)
    clock.event(EventKind.FRAME_STARTED, "x.png")
    assert clock.run(200, cpu=1.0) is None, "its first frame"
    clock.event(EventKind.FRAME_DONE, "x.png")
    assert clock.live.bound() < STARTUP


def test_after_lack_of_memory_a_new_worker_may_take_the_time_of_a_start(clock: Clock) -> None:
    """The frame goes round again, its worker is ended, and nobody has anything in hand."""
    clock.run(300, cpu=1.0)
    steady(clock)
    clock.event(EventKind.FRAME_STARTED, "y.png", "CPU1")
    clock.event(EventKind.FRAME_DONE, "y.png", "CPU1")
    for turn in range(MOST_HANDED_OUT + 2):
        worker = "CPU0" if turn else "CPU1"
        clock.event(EventKind.FRAME_STARTED, "x.png", worker)
        clock.run(1, cpu=1.0)
        clock.event(EventKind.FRAME_AGAIN, "x.png", worker)
        clock.event(EventKind.WORKER_ENDED, None, worker)
        clock.run(500)  # nobody is to work: the card is waited for
        clock.live.excuse(clock.now)
        clock.event(EventKind.WORKER_STARTING)
        assert clock.live.bound() == pytest.approx(min(STARTUP, START_FACTOR * 300), abs=2)
        assert clock.run(200, cpu=1.0) is None, "it starts"
        clock.event(EventKind.WORKER_REPLACED)
    clock.event(EventKind.FRAME_STARTED, "x.png")
    assert clock.run(200, cpu=1.0) is None, "its first frame"


def two_workers_in_a_steady_phase(clock: Clock) -> None:
    clock.run(300, cpu=1.0)
    for frame in ("0.png", "1.png"):
        for worker in ("CPU0", "CPU1"):
            clock.event(EventKind.FRAME_STARTED, frame + worker, worker)
            clock.run(1, cpu=1.0)
            clock.event(EventKind.FRAME_DONE, frame + worker, worker)
    assert clock.live.bound() == MIN_STEADY_BOUND


def test_a_worker_with_nothing_to_do_does_not_hurry_one_that_starts(clock: Clock) -> None:
    two_workers_in_a_steady_phase(clock)
    clock.event(EventKind.FRAME_STARTED, "x.png", "CPU1")
    clock.event(EventKind.WORKER_LOST, "x.png", "CPU1")
    clock.event(EventKind.WORKER_STARTING, None, "CPU1")
    assert clock.run(200, cpu=1.0) is None, "CPU0 is warm and idle, CPU1 starts"
    clock.event(EventKind.FRAME_STARTED, "y.png", "CPU0")
    assert clock.live.bound() == MIN_STEADY_BOUND, "now a warm one has a frame in hand"
    dead = clock.run(200, cpu=1.0)
    assert dead is not None and dead.symptom is Symptom.SPINNING


def test_a_worker_that_is_renewed_unasked_starts_like_any_other(clock: Clock) -> None:
    clock.run(300, cpu=1.0)
    steady(clock)
    clock.event(EventKind.WORKER_STARTING)
    assert clock.run(200, cpu=1.0) is None, "it starts"
    clock.event(EventKind.WORKER_REPLACED)
    clock.event(EventKind.FRAME_STARTED, "x.png")
    assert clock.run(200, cpu=1.0) is None, "its first frame"


def test_a_failure_told_after_the_loss_of_its_worker_makes_the_next_one_no_warmer(clock: Clock) -> None:
    clock.run(300, cpu=1.0)
    steady(clock)
    clock.event(EventKind.FRAME_STARTED, "held.png")
    clock.event(EventKind.FRAME_STARTED, "x.png")
    clock.event(EventKind.WORKER_LOST, "x.png")
    clock.event(EventKind.WORKER_STARTING)
    clock.event(EventKind.FRAME_FAILED, "held.png")
    assert clock.run(200, cpu=1.0) is None


def test_a_worker_lost_in_the_first_frame_gets_the_time_of_a_start_again() -> None:
    clock = Clock(earlier=StartTimes(start=60.0, first_frame=1.0))
    clock.event(EventKind.FRAME_STARTED, "x.png")
    clock.event(EventKind.WORKER_LOST, "x.png")
    clock.event(EventKind.WORKER_STARTING)
    assert clock.live.phase is Phase.FIRST_FRAME
    assert clock.run(MIN_START_BOUND + 100, cpu=1.0) is None


def test_a_host_that_hands_out_nothing_is_not_taken_for_a_start(clock: Clock) -> None:
    two_workers_in_a_steady_phase(clock)
    dead = clock.run(200, cpu=1.0)
    assert dead is not None and dead.seconds == pytest.approx(MIN_STEADY_BOUND, abs=3)


def test_growth_of_the_kernel_cache_is_life(tmp_path: Path) -> None:
    clock = Clock(cache=tmp_path)
    for n in range(20):
        (tmp_path / "sub").mkdir(exist_ok=True)
        (tmp_path / "sub" / f"kernel{n}").write_bytes(b"x" * 1000)
        assert clock.run(200) is None, n
    began = clock.now
    dead = clock.run(10_000)
    assert dead is not None and dead.symptom is Symptom.DEADLOCKED
    assert clock.now - began < 2 * QUIET_BOUND + 5


def test_growth_of_the_kernel_cache_stretches_the_start(tmp_path: Path) -> None:
    clock = Clock(cache=tmp_path)
    for n in range(4):
        (tmp_path / f"kernel{n}").write_bytes(b"x")
        assert clock.run(1000, cpu=1.0) is None, n


def test_a_cache_that_only_shrinks_is_no_life(tmp_path: Path) -> None:
    (tmp_path / "kernel").write_bytes(b"x" * 1000)
    clock = Clock(cache=tmp_path)
    clock.run(10)
    (tmp_path / "kernel").write_bytes(b"x")
    assert clock.run(10_000) is not None


def test_the_end_has_its_own_bound(clock: Clock) -> None:
    for n in range(10):
        clock.frame(f"{n}.png", 1)
    assert clock.live.phase is Phase.FINISHING
    began = clock.now
    dead = clock.run(10_000, cpu=1.0)
    assert dead is not None and (dead.symptom, dead.phase) == (Symptom.SPINNING, Phase.FINISHING)
    assert clock.now - began == pytest.approx(FINISH_BOUND, abs=3)


def test_a_frame_that_comes_back_twice_does_not_bring_the_end_nearer(clock: Clock) -> None:
    """Lost with its worker, then done by another: one frame."""
    for n in range(5):
        clock.event(EventKind.FRAME_STARTED, f"{n}.png")
        clock.event(EventKind.FRAME_FAILED, f"{n}.png")
        clock.event(EventKind.FRAME_DONE, f"{n}.png")
    assert clock.live.phase is Phase.STEADY


def test_a_replaced_worker_is_progress(clock: Clock) -> None:
    clock.frame("0.png", 1)
    clock.frame("1.png", 1)
    for _ in range(4):
        assert clock.run(MIN_STEADY_BOUND - 5, cpu=1.0) is None
        clock.event(EventKind.WORKER_REPLACED)


def test_log_lines_are_life_but_no_progress(clock: Clock) -> None:
    clock.frame("0.png", 1)
    clock.frame("1.png", 1)
    dead = clock.run(10_000, output=100)
    assert dead is not None and dead.symptom is Symptom.SPINNING


def steady(clock: Clock) -> None:
    clock.frame("0.png", 1)
    clock.frame("1.png", 1)
    assert clock.live.bound() == MIN_STEADY_BOUND


def test_waiting_for_a_copy_is_progress_and_so_is_handing_the_frame_out_anew(clock: Clock) -> None:
    steady(clock)
    clock.event(EventKind.FRAME_STARTED, "x.png")
    assert clock.run(MIN_STEADY_BOUND - 10, cpu=1.0) is None
    clock.event(EventKind.REPAIR_WANTED, "x.png")
    assert clock.run(MIN_STEADY_BOUND - 10, cpu=1.0) is None
    clock.event(EventKind.FRAME_STARTED, "x.png")
    assert clock.run(MIN_STEADY_BOUND - 10, cpu=1.0) is None
    assert clock.run(20, cpu=1.0) is not None


def test_a_frame_handed_out_without_end_comes_to_nothing(clock: Clock) -> None:
    steady(clock)
    handed_out = 0
    while handed_out < 100:
        clock.event(EventKind.FRAME_STARTED, "x.png")
        handed_out += 1
        dead = clock.run(MIN_STEADY_BOUND / 2, cpu=1.0)
        if dead:
            assert dead.symptom is Symptom.SPINNING
            break
    assert MOST_HANDED_OUT < handed_out < MOST_HANDED_OUT + 4


def test_how_long_a_given_up_frame_waited_teaches_nothing(clock: Clock) -> None:
    steady(clock)
    clock.event(EventKind.FRAME_STARTED, "x.png")
    clock.run(20, cpu=1.0)
    clock.event(EventKind.REPAIR_WANTED, "x.png")
    clock.run(30, cpu=1.0)
    clock.event(EventKind.FRAME_FAILED, "x.png")
    assert clock.live.bound() == MIN_STEADY_BOUND


def test_a_start_is_bounded_by_what_earlier_ones_needed() -> None:
    clock = Clock(earlier=StartTimes(start=10.0, first_frame=4.0))
    dead = clock.run(10_000, cpu=1.0)
    assert dead is not None and (dead.symptom, dead.phase) == (Symptom.SPINNING, Phase.STARTING)
    assert clock.now - 1000 == pytest.approx(START_FACTOR * 10, abs=3)


def test_a_first_frame_has_a_learned_bound_of_its_own() -> None:
    clock = Clock(earlier=StartTimes(start=60.0, first_frame=1.0))
    assert clock.run(600, cpu=1.0) is None
    clock.event(EventKind.FRAME_STARTED, "0.png")
    began = clock.now
    dead = clock.run(10_000, cpu=1.0)
    assert dead is not None and (dead.symptom, dead.phase) == (Symptom.SPINNING, Phase.FIRST_FRAME)
    assert clock.now - began == pytest.approx(MIN_START_BOUND, abs=3)


@pytest.mark.parametrize(
    "earlier", [StartTimes(), StartTimes(first_frame=1.0), StartTimes(start=STARTUP / 2)]
)
def test_nothing_is_learned_from_nothing_and_never_more_than_was_stated(earlier: StartTimes) -> None:
    assert Clock(earlier=earlier).live.bound() == STARTUP


def test_a_growing_kernel_cache_overrules_what_was_learned(tmp_path: Path) -> None:
    """The next kernel may take far longer than the learned bound, and the cache grows only after it."""
    clock = Clock(cache=tmp_path, earlier=StartTimes(start=1.0, first_frame=1.0))
    assert clock.live.bound() == MIN_START_BOUND
    (tmp_path / "kernel").write_bytes(b"x")
    began = clock.now
    dead = clock.run(10_000, cpu=1.0)
    assert dead is not None and dead.symptom is Symptom.SPINNING
    assert clock.now - began == pytest.approx(MIN_START_BOUND + STARTUP, abs=5)


def test_the_times_of_a_start_are_measured(clock: Clock) -> None:
    assert clock.live.times == StartTimes()
    clock.run(10, cpu=1.0)
    began = clock.now - 1000
    clock.event(EventKind.FRAME_STARTED, "0.png")
    assert clock.live.times == StartTimes(start=began)
    clock.run(3, cpu=1.0)
    clock.event(EventKind.FRAME_FAILED, "0.png")
    assert clock.live.times.first_frame is None, "a frame that fails may do so at once"
    clock.frame("1.png", 2)
    assert clock.live.times == StartTimes(start=began, first_frame=5.0)
    clock.frame("2.png", 50)
    assert clock.live.times.first_frame == 5.0


def test_a_black_box_shows_no_first_frame_by_itself(clock: Clock) -> None:
    clock.event(EventKind.FRAME_DONE, "0.png")
    assert clock.live.phase is Phase.STEADY
    assert clock.live.times.first_frame is None


def test_the_slowest_start_counts_and_only_under_its_own_conditions() -> None:
    starts = LearnedStartTimes()
    starts.learn(("dfl", (0,)), StartTimes(10.0, None))
    starts.learn(("dfl", (0,)), StartTimes(4.0, 2.0))
    starts.learn(("dfl", (0,)), StartTimes())
    assert starts.of(("dfl", (0,))) == StartTimes(10.0, 2.0)
    assert starts.of(("dfl", ())) == StartTimes()


@pytest.mark.parametrize("where", ["out", "out_debug"])
def test_files_that_appear_or_grow_are_a_sign_of_life(
    tmp_path: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The clock is played, so a real look must not seem slow and put off the next one.
    monkeypatch.setattr(growth, "time", SimpleNamespace(perf_counter=lambda: 0.0))
    folders = (tmp_path / "out", tmp_path / "out_debug")
    folders[0].mkdir()
    clock = Clock(output=folders)
    clock.run(1)
    (tmp_path / where).mkdir(exist_ok=True)
    for n in range(3):
        assert clock.run(QUIET_BOUND - 5) is None, n
        (tmp_path / where / f"{n}.jpg").write_bytes(b"half")
    for n in range(3):
        assert clock.run(QUIET_BOUND - 5) is None, n
        with (tmp_path / where / "0.jpg").open("ab") as file:
            file.write(b"more")
    began = clock.now
    dead = clock.run(10_000)
    assert dead is not None and dead.symptom is Symptom.DEADLOCKED
    assert clock.now - began < QUIET_BOUND + 10


def test_the_output_is_only_looked_at_where_nothing_else_moves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []
    scan = OutputFolders._scan
    monkeypatch.setattr(OutputFolders, "_scan", lambda self: looks.append(1) or scan(self))
    clock = Clock(output=(tmp_path,))
    looks.clear()
    clock.run(100, cpu=1.0)
    assert looks == []
    clock.run(100)
    assert 10 <= len(looks) <= 100 / LOOK_EVERY + 1
