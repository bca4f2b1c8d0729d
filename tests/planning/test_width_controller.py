"""The width controller's table: what was seen, and what it orders. No process, no clock."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from dflwrap.common.memory import GIB
from dflwrap.planning.fit import most_workers
from dflwrap.planning.width.controller import (
    SETTLED,
    STAND_IN_AFTER,
    Now,
    Order,
    WidthController,
)
from dflwrap.planning.width.device import LONGEST_DOUBT, RETRY_AFTER, Device, Reading

RATES = {0: 0.0, 1: 10.0, 2: 19.0, 3: 27.0, 4: 28.0, 5: 28.0}
"""Frames/s by workers: the fourth adds 4 %."""


@dataclass
class World:
    """A card of 24 GiB, its workers of 4 GiB each, and another program."""

    foreign: float = 0.0
    each: float = 4.0
    told: bool = True
    rates: dict[int, float] = field(default_factory=lambda: dict(RATES))
    most: int = 8
    fixed: int | None = None
    stand_in: bool = False
    left: int = 100_000
    start: int = 1
    """Seconds from the order to a worker's first frame."""

    def __post_init__(self) -> None:
        card = Device("GPU0", self.most, fixed=self.fixed)
        cpu = Device("CPU", 2, on_cpu=True, start=2, threads=1) if self.stand_in else None
        self.controller = WidthController({"GPU0": card}, cpu)
        self.card, self.cpu = card, cpu
        self.time, self.frames = 0.0, 0.0
        self.width = {"GPU0": 0, "CPU": 0}
        self.since: list[float] = []
        self.said: list[str] = []
        self.orders: list[Order] = []

    def now(self) -> Now:
        workers = self.width["GPU0"]
        held = self.each * workers
        card = Reading(
            24 * GIB,
            int((24 - self.foreign - held) * GIB),
            int(held * GIB) if self.told else None,
            int(self.each * GIB) if workers and self.told else None,
        )
        readings = {"GPU0": card, "CPU": Reading(16 * GIB, 12 * GIB)}
        working = {"GPU0": self.working(), "CPU": self.width["CPU"]}
        return Now(self.time, int(self.frames), self.left, working, readings, 12 * GIB)

    def working(self) -> int:
        """Workers of the card that have come to their first frame."""
        width = self.width["GPU0"]
        self.since = self.since[:width] + [self.time] * (width - len(self.since))
        return sum(self.time - since >= self.start for since in self.since)

    def follow(self, orders: list[Order]) -> None:
        for order in orders:
            self.width[order.device] = order.workers
            self.working()
            self.orders.append(order)
            if order.sentence:
                self.said.append(order.sentence)

    def begin(self) -> World:
        self.follow(self.controller.begin(self.now()))
        return self

    def run(self, seconds: float) -> World:
        for _ in range(int(seconds)):
            self.time += 1.0
            self.frames += self.rates[self.working()] + 2.0 * self.width["CPU"]
            self.follow(self.controller.look(self.now()))
        return self

    def out_of_memory(self, asked: float | None = None) -> World:
        """As the extractor does it: one worker fewer, at once."""
        now = self.now()
        self.width["GPU0"] -= 1
        self.controller.narrowed("GPU0", self.width["GPU0"], int(asked * GIB) if asked else None, now)
        return self


def test_it_begins_with_one_and_adds_what_pays() -> None:
    world = World().begin()
    assert world.width["GPU0"] == 1 and world.said == []
    world.run(60)
    assert world.width["GPU0"] == 3
    assert world.said == [
        "GPU 0: 1 worker -> 2: 10.0 -> 19.0 frames/s",
        "GPU 0: 2 workers -> 3: 19.0 -> 27.0 frames/s",
        "GPU 0: 4 workers -> 3 again: 28.0 frames/s with 4, 27.0 with one fewer",
    ]


def test_what_did_not_pay_is_tried_again_after_a_while_each_time_later() -> None:
    world = World().begin().run(60)
    tried = [order for order in world.orders if order.workers == 4]
    assert len(tried) == 1
    world.run(RETRY_AFTER)
    assert len([order for order in world.orders if order.workers == 4]) == 2
    world.run(RETRY_AFTER)
    assert len([order for order in world.orders if order.workers == 4]) == 2, "the next one twice as late"
    world.run(2 * RETRY_AFTER)
    assert len([order for order in world.orders if order.workers == 4]) == 3


def test_it_is_tried_again_at_once_when_another_program_leaves() -> None:
    world = World(foreign=3.0).begin().run(60)
    assert world.width["GPU0"] == 3
    world.foreign, world.rates = 0.0, RATES | {4: 36.0, 5: 36.0}
    world.run(30)
    assert world.width["GPU0"] == 4


@pytest.mark.parametrize(
    ("foreign", "told", "most"),
    [(0.0, True, 5), (10.0, True, 2), (15.0, True, 1), (10.0, False, 3), (19.0, False, 1)],
)
def test_no_more_than_memory_holds_beside_the_reserve(foreign: float, told: bool, most: int) -> None:
    world = World(foreign=foreign, told=told, rates={n: 10.0 * n for n in range(9)}).begin().run(300)
    assert world.width["GPU0"] == most
    assert world.now().readings["GPU0"].free >= 0.5 * GIB  # type: ignore[operator]


def test_wider_within_seconds_of_the_memory_being_there() -> None:
    world = World(foreign=15.0, rates={n: 10.0 * n for n in range(9)}).begin().run(120)
    assert world.width["GPU0"] == 1
    world.foreign = 0.0
    world.run(5)
    assert world.width["GPU0"] >= 2


def test_a_full_card_is_waited_for_and_taken_back() -> None:
    world = World(foreign=23.7).begin()
    assert world.width["GPU0"] == 0 and world.controller.waiting()
    assert world.said == ["GPU 0: waiting until 2.0 GiB of its memory are free (0.3 GiB are)"]
    world.run(3600)
    assert world.width["GPU0"] == 0 and len(world.said) == 1, "the waiting is told once"
    world.foreign = 2.0
    world.run(2)
    assert world.width["GPU0"] == 1
    assert world.said[1] == "GPU 0: 22.0 GiB are free after 60 min of waiting: 1 worker"


def test_the_cpu_works_meanwhile_and_ends_when_the_card_works_again() -> None:
    world = World(foreign=23.7, stand_in=True).begin().run(STAND_IN_AFTER - 1)
    assert world.width == {"GPU0": 0, "CPU": 0}
    world.run(2)
    assert world.width == {"GPU0": 0, "CPU": 2} and not world.controller.waiting()
    assert world.said[-1] == "CPU: 2 workers while GPU 0 waits for memory"
    assert world.orders[-1].threads == 1
    world.foreign = 0.0
    world.run(3)
    assert world.width["CPU"] == 0 and world.width["GPU0"] >= 1


def test_a_short_wait_is_not_worth_the_cpu() -> None:
    world = World(foreign=23.7, stand_in=True).begin().run(STAND_IN_AFTER - 2)
    world.foreign = 0.0
    world.run(20)
    assert not [order for order in world.orders if order.device == "CPU" and order.workers]


def test_memory_that_ran_out_is_not_tried_again_until_there_is_more() -> None:
    world = World(rates={n: 10.0 * n for n in range(9)}, most=4).begin().run(60)
    assert world.width["GPU0"] == 4
    world.foreign = 10.0
    world.out_of_memory().run(200)
    assert world.width["GPU0"] == 3
    world.foreign = 0.0
    world.run(30)
    assert world.width["GPU0"] == 4


def test_a_squeeze_that_no_look_has_seen_is_no_measure() -> None:
    """Memory was read before another program took it, or after that had given it back: the card looks empty."""
    world = World(fixed=2).begin().run(20)
    world.out_of_memory().run(20)
    assert world.width["GPU0"] == 2 and world.said == ["GPU 0: 1 worker -> 2: memory is free again"]
    narrowed = 0
    for _ in range(600):  # each time later, where it seems to have room and has not
        if world.run(1).width["GPU0"] == 2:
            world.out_of_memory()
            narrowed += 1
    assert 3 <= narrowed <= 8


def test_the_end_of_each_wait_is_told() -> None:
    """That it has no worker was told: "1 worker -> 0: out of memory"."""
    world = World(most=1).begin().run(5)
    world.out_of_memory().run(10)
    assert world.width["GPU0"] == 1
    assert world.said == ["GPU 0: 24.0 GiB are free after 3 s of waiting: 1 worker"]


def test_what_was_refused_counts_as_a_measure() -> None:
    """Seen twice a second, a worker that needs 7 GiB looks like one of 4."""
    world = World(foreign=9.0, rates={n: 10.0 * n for n in range(9)}).begin().run(30)
    assert world.width["GPU0"] == 3
    world.out_of_memory(asked=3.0).run(700)
    assert world.card.needs(world.time) == 7 * GIB and world.width["GPU0"] == 2


def test_one_frame_that_asks_for_more_than_the_card_has_narrows_nothing_for_good() -> None:
    """It fails beside others first, then alone."""
    world = World().begin().run(60)
    assert world.width["GPU0"] == 3
    world.out_of_memory(asked=30.0).run(1)
    assert world.card.asked is None, "no worker ever gets that"
    world.run(400)
    assert world.width["GPU0"] == 3


def test_a_large_frame_that_fails_alone_with_room_for_others_is_no_measure_of_a_worker() -> None:
    world = World().begin().run(60)
    world.out_of_memory(asked=14.0)
    assert world.card.asked == 18 * GIB, "beside others it may be what a worker needs"
    while world.width["GPU0"]:
        world.run(1).out_of_memory(asked=14.0)
    assert world.card.asked is None, "alone, with the memory with which others were done, it is the frame"
    world.run(900)
    assert world.width["GPU0"] == 3
    assert not [words for words in world.said if "waiting until" in words]


def test_a_request_that_is_refused_alone_before_any_frame_was_done_counts() -> None:
    world = World(foreign=18.0, rates=dict.fromkeys(range(9), 0.0)).begin()
    assert world.width["GPU0"] == 1
    world.out_of_memory(asked=3.0)
    assert world.card.asked is not None


def test_the_users_own_number_stays_and_only_lack_of_memory_lowers_it_for_a_while() -> None:
    world = World(fixed=2).begin().run(100)
    assert world.width["GPU0"] == 2 and world.said == []
    world.foreign = 18.0
    world.out_of_memory().run(100)
    assert world.width["GPU0"] == 1
    world.foreign = 0.0
    world.run(10)
    assert world.width["GPU0"] == 2
    assert world.said == ["GPU 0: 1 worker -> 2: memory is free again"]


def test_a_frame_is_only_blamed_with_the_memory_there_that_others_needed() -> None:
    world = World(foreign=18.0).begin().run(20)
    world.foreign = 20.0  # the worker fails alone
    world.out_of_memory().run(60)
    assert world.orders[-1].workers == 0 or not world.orders[-1].room
    world.foreign = 18.0
    world.run(5)
    assert (world.orders[-1].workers, world.orders[-1].room) == (1, True)


def test_a_card_on_which_nothing_has_worked_is_given_to_the_ladder_at_last() -> None:
    world = World(foreign=20.0, stand_in=True).begin()
    assert not world.orders[0].room
    world.out_of_memory().run(LONGEST_DOUBT - 10)
    assert world.width["GPU0"] == 0
    world.run(20)
    raised = [order for order in world.orders if order.device == "GPU0" and order.workers == 1]
    assert raised[-1].room


def test_a_new_worker_that_never_starts_is_taken_back() -> None:
    world = World().begin()
    world.run(5)
    assert world.width["GPU0"] == 2
    working = {"GPU0": 1}
    for _ in range(700):
        world.time += 1.0
        world.frames += 10
        now = world.now()
        for order in world.controller.look(
            Now(now.time, now.frames, now.left, working, now.readings, 12 * GIB)
        ):
            world.said.append(order.sentence)
    assert "GPU 0: 2 workers -> 1 again: the new one did not start" in world.said


@pytest.mark.parametrize(
    ("start", "left", "width"),
    [(1, 15, 1), (1, 150, 3), (8, 150, 1), (8, 250, 2), (40, 700, 1), (40, 900, 2)],
)
def test_another_worker_is_tried_where_it_would_work_for_as_long_as_it_starts(
    start: int, left: int, width: int
) -> None:
    """start: seconds from the order to a worker's first frame; left: frames, at 10 a second with one worker."""
    world = World(left=left, start=start).begin().run(60 + 3 * start)
    assert max(order.workers for order in world.orders if order.sentence or order.workers < 4) == width
    assert world.card.start_seconds == start


def test_before_a_start_was_seen_it_is_taken_to_be_as_slow_as_deepfacelabs() -> None:
    world = World(left=150).begin()
    world.card.ordered = None  # the first worker came from before
    assert world.run(60).width["GPU0"] == 1
    assert World(left=150).begin().run(60).width["GPU0"] == 3, "and by what was seen"


def test_workers_that_end_are_no_measure_of_a_start() -> None:
    world = World().begin().run(5)
    assert world.width["GPU0"] == 2 and world.card.start_seconds == 1
    world.card.start_seconds = 7.0
    world.out_of_memory().run(1)
    assert world.card.start_seconds == 7.0


def test_the_next_step_comes_with_the_one_that_paid() -> None:
    world = World(rates={n: 20.0 * n for n in range(9)}).begin()
    widths = [world.run(1).width["GPU0"] for _ in range(16)]
    assert widths == [1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5, 5, 5], "five of 4 GiB and 15 % fit into 24"


def test_the_next_attempt_begins_with_what_paid() -> None:
    world = World().begin().run(60)
    world.width["GPU0"] = 0
    world.follow(world.controller.begin(world.now()))
    assert world.width["GPU0"] == 3


def test_the_next_attempt_begins_with_no_more_than_fits_by_then_and_with_no_trial() -> None:
    world = World().begin().run(60)
    world.width["GPU0"], world.foreign = 0, 14.0
    world.follow(world.controller.begin(world.now()))
    assert world.width["GPU0"] == 2
    trying = World().begin().run(5)
    assert trying.width["GPU0"] == 2 and trying.said == [], "the second is being tried"
    trying.width["GPU0"] = 0
    trying.follow(trying.controller.begin(trying.now()))
    assert trying.width["GPU0"] == 1
    asked = World(fixed=3, foreign=14.0).begin()
    assert asked.width["GPU0"] == 3, "the user's own number"


def test_where_memory_cannot_be_read_there_is_one_worker() -> None:
    world = World()
    blind = Now(0.0, 0, 1000, {"GPU0": 1}, {})
    (order,) = world.controller.begin(blind)
    assert order.workers == 1 and not order.room
    for second in range(1, 200):
        assert world.controller.look(Now(second, 10 * second, 100_000, {"GPU0": 1}, {})) == []


def test_two_cards_are_widened_one_at_a_time() -> None:
    devices = {key: Device(key, 4) for key in ("GPU0", "GPU1")}
    controller = WidthController(devices)
    reading = Reading(24 * GIB, 20 * GIB, 4 * GIB, 4 * GIB)
    width = {"GPU0": 1, "GPU1": 1}
    readings = dict.fromkeys(width, reading)
    controller.begin(Now(0.0, 0, 100_000, width, readings))
    frames, most = 0.0, 0
    for second in range(1, 100):
        frames += 10.0 * sum(width.values())
        orders = controller.look(Now(second, int(frames), 100_000, dict(width), readings, 64 * GIB))
        assert sum(not order.sentence for order in orders) <= 1, "two trials would be judged by one rate"
        for order in orders:
            most = max(most, order.workers - width[order.device])
            width[order.device] = order.workers
    assert most == 1 and width == {"GPU0": 4, "GPU1": 4}


@pytest.mark.parametrize(("cores", "cards", "most"), [(2, 1, 4), (16, 1, 16), (8, 2, 8), (1, 4, 1)])
def test_a_bound_beyond_which_nobody_can_pay(cores: int, cards: int, most: int) -> None:
    assert most_workers(cores, cards) == most


def test_it_settles_before_memory_is_judged_again() -> None:
    world = World(foreign=18.0).begin().run(10)
    world.out_of_memory()
    world.foreign = 0.0
    world.run(SETTLED - 1)
    assert world.width["GPU0"] == 0
    world.run(2)
    assert world.width["GPU0"] == 1


@pytest.mark.parametrize(
    ("taken", "room"),
    [(0.0, True), (0.5, True), (10.0, True), (16.0, True), (17.0, False)],
    ids=["nothing", "what comes and goes", "much of it", "half a worker is left over", "too much"],
)
def test_a_frame_that_fails_alone_is_doubted_for_no_memory_that_a_worker_does_not_need(
    taken: float, room: bool
) -> None:
    """Else it went round again every few seconds, for ever, where another program kept what was free at the start."""
    world = World(most=1).begin().run(10).out_of_memory()
    world.foreign, orders = taken, len(world.orders)
    world.run(5)
    assert [order.room for order in world.orders[orders:] if order.workers] == [room]
