"""Which frame comes next, and whose fault a failure is. Plain Python 3.6, so that it runs under DeepFaceLab's too.

`test_agent_pythons.py` runs this file as a program under other Pythons; there is no pytest in them.
"""

# ruff: noqa: UP006, UP032, UP035
import random
import sys
from pathlib import Path
from typing import Any, Callable, List

if __name__ == "__main__":  # as the agent does: from its file
    import importlib
    import types

    package = types.ModuleType("shared")
    package.__path__ = [str(Path(sys.argv[1]).parent)]
    sys.modules["shared"] = package
    frame_queue = importlib.import_module("shared.frame_queue")  # type: Any
    frame_failures = importlib.import_module("shared.frame_failures")  # type: Any
    device_slots = importlib.import_module("shared.device_slots")  # type: Any
else:
    from dflwrap.extractors import device_slots, frame_failures, frame_queue


def frames(count: int) -> List[str]:
    return [str(number) for number in range(count)]


class Room:
    """A queue and its workers, moved by hand."""

    def __init__(self, names: List[str], **options: Any) -> None:
        self.queue = frame_queue.FrameQueue(names, **options)

    def worker(self, slot: Any = None) -> Any:
        """A fresh one that is ready."""
        made = frame_queue.Worker(slot or frame_queue.Slot("CPU0"))
        self.queue.add(made)
        self.queue.ready(made)
        return made

    def fails(self, worker: Any, count: int = 1) -> List[str]:
        """Its next `count` frames fail."""
        failed = []
        for _ in range(count):
            failed.append(self.queue.next_for(worker))
            self.queue.failed(worker, "raised on " + failed[-1])
        return failed

    def succeeds(self, worker: Any) -> str:
        frame = self.queue.next_for(worker)
        self.queue.done(worker)
        return str(frame)

    def dies(self, worker: Any, **options: Any) -> str:
        frame = self.queue.next_for(worker)
        self.queue.lost(worker, "died on {}".format(frame), **options)
        return str(frame)

    def settled(self) -> List[str]:
        return [failure.frame for failure in self.queue.take_settled()]

    def replaced(self, worker: Any) -> Any:
        """The fresh worker in place of one that the queue wants ended."""
        assert self.queue.take_unhealthy() == [worker]
        assert self.queue.next_for(worker) is None, "it gets nothing more"
        self.queue.lost(worker, "")
        return self.worker(worker.slot)

    def unproven(self, slot: Any, *names: str) -> Any:
        """These fail on a slot whose worker was replaced before for failing on everything."""
        slot.unhealthy = True
        worker = self.worker(slot)
        for name in names:
            worker.state, worker.frame = frame_queue.BUSY, name
            self.queue.failed(worker, "CUDA_ERROR_LAUNCH_FAILED")
        self.queue._failures.unhealthy(worker) if worker.held else None
        assert worker.reason is None and not worker.held
        return worker


def given_up(action: Callable[[], Any]) -> Any:
    try:
        action()
    except frame_queue.GivenUp as error:
        return error
    raise AssertionError("it continues")


# -- what comes next -----------------------------------------------------------------------------------


def test_frames_come_in_their_order_each_to_one_worker() -> None:
    room = Room(frames(4))
    one, other = room.worker(), room.worker()
    assert [room.queue.next_for(one), room.queue.next_for(other)] == ["0", "1"]
    assert room.queue.next_for(one) is None, "it has one in hand"
    room.queue.done(one)
    room.queue.done(other)
    assert [room.succeeds(one), room.succeeds(one)] == ["2", "3"]
    assert room.queue.next_for(one) is None
    assert not room.queue.left and not room.queue.busy and not room.queue.finish()
    assert room.settled() == []


def test_a_worker_that_starts_gets_nothing_yet() -> None:
    room = Room(frames(1))
    starting = frame_queue.Worker(frame_queue.Slot("CPU0"))
    room.queue.add(starting)
    assert room.queue.next_for(starting) is None
    assert room.queue.left


def test_a_host_may_take_the_frames_its_own_way_and_end_them_early() -> None:
    names = frames(3)
    taken = []

    def take(slot: Any) -> Any:
        taken.append(slot.label)
        return names.pop() if len(names) > 1 else None

    room = Room(names, take_first=take)
    worker = room.worker()
    assert [room.succeeds(worker), room.succeeds(worker)] == ["2", "1"]
    assert room.queue.next_for(worker) is None and room.queue.untried.exhausted
    assert taken == ["CPU0"] * 3


def test_after_a_stop_nothing_is_handed_out_and_no_copy_is_asked_for() -> None:
    copies = Copies()
    room = Room(frames(9), copies=copies)
    worker, other = room.worker(), room.worker()
    room.fails(worker)
    room.dies(other)
    room.queue.stopping = True
    assert not room.queue.left and room.queue.next_for(room.worker()) is None
    assert not room.queue.needs_fresh_worker
    room.queue.settle_held()
    assert room.settled() == ["0"] and copies.asked == ["1"], "a suspect's copy was asked for before"


# -- frames that come while it runs ---------------------------------------------------------------------


def test_a_queue_to_which_more_will_come_is_not_finished_when_it_is_empty() -> None:
    room = Room(frames(1))
    room.queue.untried.more_to_come = True
    worker = room.worker()
    assert room.succeeds(worker) == "0"
    assert room.queue.next_for(worker) is None and room.queue.left, "it waits"
    assert room.queue.untried.come(["0", "1", "2"]) == ["1", "2"], "0 was listed before it was told of"
    assert [room.succeeds(worker), room.succeeds(worker)] == ["1", "2"]
    assert room.queue.left
    room.queue.untried.more_to_come = False
    assert not room.queue.left and not room.queue.finish()


def test_a_suspect_is_tried_again_while_more_will_come() -> None:
    room = Room(frames(2))
    room.queue.untried.more_to_come = True
    assert room.dies(room.worker()) == "0"
    fresh = room.worker()
    assert room.succeeds(fresh) == "0", "nobody waits for the end of the stream"
    assert room.succeeds(fresh) == "1"
    assert room.queue.left


def test_a_hang_from_the_start_waits_for_other_frames_only_until_none_will_come() -> None:
    room = Room(frames(1))
    room.queue.untried.more_to_come = True
    assert room.dies(room.worker(), hung=True) == "0"
    fresh = room.worker()
    assert room.queue.next_for(fresh) is None, "another frame tells more, and one may come"
    room.queue.untried.more_to_come = False
    assert room.succeeds(fresh) == "0"


# -- failures in a row ---------------------------------------------------------------------------------


def test_a_success_shows_that_what_failed_before_it_was_the_frames_own() -> None:
    room = Room(frames(4))
    worker = room.worker()
    room.fails(worker, 2)
    assert room.settled() == [] and not worker.is_well
    room.succeeds(worker)
    assert room.settled() == ["0", "1"] and worker.is_well
    assert not room.queue.take_unhealthy()


def test_three_in_a_row_are_tried_by_another_worker_the_first_of_them_last_and_alone() -> None:
    room = Room(frames(5))
    worker = room.worker()
    assert room.fails(worker, 3) == ["0", "1", "2"]
    fresh = room.replaced(worker)
    assert not fresh.is_well, "its slot has yet to show that it works"
    assert [room.succeeds(fresh) for _ in range(4)] == ["1", "2", "3", "4"]
    assert room.queue.next_for(fresh) is None and room.queue.left, "the first one wants a fresh worker"
    assert room.queue.to_renew() is fresh
    room.queue.retire(fresh)
    assert room.succeeds(room.worker()) == "0"
    assert not room.queue.left and room.settled() == []


def test_the_first_to_fail_on_unhealthy_workers_come_in_their_order() -> None:
    room = Room(frames(6))
    one, other = room.worker(), room.worker(frame_queue.Slot("CPU1"))
    room.fails(other)
    room.fails(one, 3)
    assert room.queue.take_unhealthy() == [one]
    room.queue.lost(one, "")
    room.fails(other, 2)
    fresh = room.replaced(other)
    while not room.queue.needs_fresh_worker:
        room.succeeds(fresh)
    assert [room.queue.next_for(room.worker()) for _ in range(2)] == ["1", "0"]


def test_frames_that_any_worker_may_have_are_no_reason_to_renew_one() -> None:
    room = Room(frames(3))
    worker, used = room.worker(), room.worker(frame_queue.Slot("CPU1"))
    used.frames_done = used.good_frames = 1
    room.fails(worker, 3)
    assert room.queue.take_unhealthy() == [worker]
    room.queue.lost(worker, "")
    assert room.queue.untried.exhausted and not room.queue.needs_fresh_worker
    assert [room.succeeds(used), room.succeeds(used)] == ["1", "2"]
    assert room.queue.needs_fresh_worker


def test_no_worker_is_renewed_while_a_fresh_one_is_there_or_coming() -> None:
    room = Room(frames(4))
    worker = room.worker()
    room.fails(worker, 3)
    used = room.replaced(worker)
    for _ in range(3):
        room.succeeds(used)
    assert room.queue.needs_fresh_worker
    coming = frame_queue.Worker(worker.slot)
    room.queue.add(coming)
    assert not room.queue.needs_fresh_worker and room.queue.to_renew() is None
    room.queue.ready(coming)
    assert not room.queue.needs_fresh_worker and room.queue.to_renew() is None
    assert room.queue.next_for(coming) == "0"


def test_a_worker_with_failures_in_a_row_is_not_renewed_but_suspected() -> None:
    room = Room(frames(7))
    worker = room.worker()
    room.fails(worker, 3)
    used = room.replaced(worker)
    for _ in range(4):
        room.succeeds(used)
    assert room.fails(used, 2) == ["5", "6"]
    assert room.queue.to_renew() is None, "one that holds two back is ended instead"
    again = room.replaced(used)
    assert room.queue.next_for(again) == "6"


def test_what_failed_on_two_unhealthy_workers_stands() -> None:
    room = Room(frames(6))
    worker = room.worker()
    room.fails(worker, 3)
    second = room.replaced(worker)
    assert [room.succeeds(second) for _ in range(2)] == ["1", "2"]
    other = Room(frames(6))
    worker = other.worker()
    other.fails(worker, 3)
    fresh = other.replaced(worker)
    fresh.slot.unhealthy = False  # another worker there has had a success
    assert other.fails(fresh, 3) == ["1", "2", "3"]
    assert other.settled() == ["1", "2"], "3 is retried"
    assert other.queue.take_unhealthy() == [fresh]


def test_a_new_worker_that_fails_on_everything_too_continues_and_its_failures_are_unproven() -> None:
    room = Room(frames(20))
    worker = room.worker()
    room.fails(worker, 3)
    fresh = room.replaced(worker)
    room.fails(fresh, 3)
    assert not room.queue.take_unhealthy() and room.settled() == []
    room.succeeds(fresh)
    assert room.settled()[:2] == ["1", "2"]


def test_a_success_settles_only_what_failed_on_the_same_slot() -> None:
    """Another device that works says nothing of this one: its GPU may be unhealthy, and the frames good."""
    unhealthy, well = frame_queue.Slot("GPU0"), frame_queue.Slot("GPU1")
    room = Room(frames(2))
    first, second = room.unproven(unhealthy, "1.png", "2.png", "3.png"), room.unproven(well, "4.png", "5.png")
    room.succeeds(second)
    assert room.settled() == ["4.png", "5.png"]
    room.succeeds(first)
    assert room.settled() == ["1.png", "2.png", "3.png"]


def test_a_slot_that_fails_on_everything_beside_one_that_works_is_disabled() -> None:
    unhealthy, well = frame_queue.Slot("GPU0"), frame_queue.Slot("GPU1")
    room = Room(["last"])
    other = room.unproven(well, "a", "b")
    works = room.worker(frame_queue.Slot("GPU2"))
    works.good_frames = works.frames_done = 1
    worker = room.unproven(unhealthy, "1", "2", "3")
    for name in ("4", "5", "6"):
        worker.state, worker.frame = frame_queue.BUSY, name
        room.queue.failed(worker, "CUDA")
    assert unhealthy.disabled and room.queue.take_unhealthy() == [worker]
    assert not well.disabled and other.reason is None
    assert [room.succeeds(works) for _ in range(6)] == ["1", "2", "3", "4", "5", "6"]
    assert room.settled() == []
    room.succeeds(works)
    assert not room.queue.finish() and room.settled() == ["a", "b"], "nothing will show more"


def test_deaths_and_other_slots_failures_do_not_disable_a_slot() -> None:
    room = Room(frames(2))
    slot = frame_queue.Slot("GPU0")
    works = room.worker(frame_queue.Slot("GPU1"))
    works.good_frames = works.frames_done = 1
    for _ in range(4):
        room.dies(room.worker(slot))
    room.unproven(frame_queue.Slot("GPU2"), "x", "y", "z")
    room.unproven(slot, "a", "b", "c")
    assert not slot.disabled
    room.unproven(slot, "d", "e")
    assert not slot.disabled


def test_a_slot_that_fails_on_everything_waits_for_the_first_frame_of_another() -> None:
    """Failing takes milliseconds, a first frame seconds: else everything is given up before it is done."""
    room = Room(frames(9))
    slot = frame_queue.Slot("GPU0")
    worker = room.unproven(slot, *("x1", "x2", "x3", "x4", "x5", "x6"))
    other = room.worker(frame_queue.Slot("GPU1"))
    assert room.queue.next_for(worker) is not None, "nobody else has anything in hand"
    room.queue.failed(worker, "CUDA")
    assert room.queue.next_for(other) is not None
    assert room.queue.next_for(worker) is None and room.queue.left
    room.queue.done(other)
    assert room.queue.next_for(worker) is not None


def test_it_is_not_disabled_where_no_other_works() -> None:
    room = Room([])
    slot = frame_queue.Slot("GPU0")
    room.worker(frame_queue.Slot("GPU1"))
    worker = room.unproven(slot, *frames(3))
    for name in ("4", "5", "6"):
        worker.state, worker.frame = frame_queue.BUSY, name
        room.queue.failed(worker, "CUDA")
    assert not slot.disabled and not room.queue.take_unhealthy()


def test_where_everything_fails_no_frame_is_to_blame() -> None:
    room = Room(frames(60))
    worker = room.worker()
    room.fails(worker, 3)
    fresh = room.replaced(worker)
    error = given_up(lambda: room.fails(fresh, 60))
    assert str(error).startswith("24 frames in a row have failed") and "raised on" in error.report
    assert room.settled() == [] and not room.queue.take_unhealthy()


def test_while_failures_are_unproven_frames_come_from_the_middle_until_one_succeeds() -> None:
    """Neighbours in a video are alike."""
    room = Room(frames(9))
    worker = room.unproven(frame_queue.Slot("CPU0"), "a", "b")
    assert room.fails(worker) == ["4"]
    assert room.succeeds(worker) == "5"
    assert room.succeeds(worker) == "0"


def test_a_failure_that_is_surely_the_frames_own_is_no_sign_against_its_worker() -> None:
    room = Room(frames(9))
    worker = room.worker()
    for _ in range(5):
        room.queue.next_for(worker)
        room.queue.failed(worker, "cannot be read", its_own=True)
    assert room.settled() == frames(5)
    assert not room.queue.take_unhealthy() and not worker.held


# -- deaths --------------------------------------------------------------------------------------------


def test_the_frame_of_a_dead_worker_is_a_fresh_ones_first() -> None:
    room = Room(frames(4))
    killed, used = room.worker(), room.worker()
    room.succeeds(used)
    assert room.dies(killed) == "1"
    assert room.queue.has_suspects
    assert room.succeeds(used) == "2", "a used one continues with the others"
    assert room.succeeds(room.worker()) == "1"
    assert not room.queue.has_suspects and room.settled() == []


def test_suspects_come_in_the_order_of_their_deaths() -> None:
    for options in ({}, {"copies": Copies()}):  # type: Any
        room = Room(frames(4), **options)
        first, second = room.worker(), room.worker()
        room.queue.next_for(first)
        room.dies(second)
        room.queue.lost(first, "")
        if options:
            options["copies"].refused |= {"0", "1"}
        assert [room.queue.next_for(room.worker()) for _ in range(3)] == ["1", "0", "2"]


def test_a_frame_that_killed_two_workers_is_settled_by_a_success_anywhere() -> None:
    room = Room(["killer", "good"])
    slot = frame_queue.Slot("GPU0")
    room.dies(room.worker(slot))
    assert room.dies(room.worker(slot)) == "killer"
    assert room.settled() == [] and not room.queue.has_suspects
    unproven = room.unproven(slot, "a", "b")
    room.succeeds(room.worker(frame_queue.Slot("GPU1")))
    assert room.settled() == ["killer"]
    assert not room.queue.finish() and room.settled() == ["a", "b"]
    assert unproven.reason is None


def test_what_a_dead_worker_held_back_is_tried_by_another_first() -> None:
    """It may have been unhealthy before it died: its frames are not to blame for that."""
    room = Room(frames(5))
    worker = room.worker()
    room.fails(worker, 2)
    assert room.dies(worker) == "2"
    assert room.settled() == []
    fresh = room.worker(worker.slot)
    assert [room.succeeds(fresh) for _ in range(4)] == ["2", "1", "3", "4"]
    assert room.queue.to_renew() is fresh
    room.queue.retire(fresh)
    room.fails(room.worker(worker.slot))
    assert not room.queue.finish() and room.settled() == ["0"]


def test_what_a_worker_holds_back_when_it_is_retired_is_settled_or_tried_by_another() -> None:
    room = Room(frames(5))
    one, several = room.worker(), room.worker()
    room.fails(one)
    room.queue.retire(one)
    assert room.settled() == ["0"]
    room.fails(several, 2)
    room.queue.retire(several)
    assert room.settled() == [] and room.queue.workers == []
    assert room.succeeds(room.worker()) == "2"


def test_a_death_in_start_up_or_of_a_worker_that_was_ended_teaches_nothing() -> None:
    room = Room(frames(4))
    for _ in range(2 * frame_failures.DEATHS_IN_ROW):
        starting = frame_queue.Worker(frame_queue.Slot("CPU0"))
        room.queue.add(starting)
        room.queue.lost(starting, "")
    worker = room.worker()
    room.fails(worker, 3)
    fresh = room.replaced(worker)
    assert room.succeeds(fresh) == "1"


def test_eight_workers_lost_in_a_row_are_the_machines_fault() -> None:
    room = Room(frames(40))
    for _ in range(frame_failures.DEATHS_IN_ROW - 1):
        room.dies(room.worker())
    error = given_up(lambda: room.dies(room.worker()))
    assert error.deaths == frame_failures.DEATHS_IN_ROW and error.report is None
    assert "8 workers in a row were lost" in str(error)
    assert room.settled() == [], "no frame is blamed"


def test_a_host_may_allow_more_deaths_once_a_frame_was_done_and_a_success_starts_the_count_over() -> None:
    room = Room(frames(90), deaths_in_row=20)
    room.succeeds(room.worker())
    for _ in range(19):
        room.dies(room.worker())
    used = room.worker()
    used.frames_done = 1
    room.succeeds(used)
    for _ in range(19):
        room.dies(room.worker())
    assert given_up(lambda: room.dies(room.worker())).deaths == 20


def test_after_four_deaths_in_a_row_frames_come_from_elsewhere() -> None:
    room = Room(frames(14))
    used = room.worker()
    room.succeeds(used)
    workers = [room.worker() for _ in range(4)]
    assert [room.queue.next_for(worker) for worker in workers] == ["1", "2", "3", "4"]
    for worker in workers[:3]:
        room.queue.lost(worker, "")
    assert room.queue.next_for(used) == "5"
    room.queue.lost(workers[3], "")
    room.queue.failed(used, "", its_own=True)
    assert room.succeeds(used) == "10"
    assert room.succeeds(used) == "6"


def test_alone_means_that_nobody_works_beside_a_suspect() -> None:
    room = Room(frames(9), suspects_alone=True)
    killed, used = room.worker(), room.worker()
    room.succeeds(used)
    room.dies(killed)
    busy_with = room.queue.next_for(used)
    assert busy_with == "2", "no fresh worker yet: the others continue"
    fresh = room.worker()
    assert room.queue.next_for(fresh) is None, "another one is at work"
    room.queue.done(used)
    assert room.queue.next_for(used) is None, "a fresh worker is there: it comes first"
    assert room.queue.next_for(fresh) == "1"
    assert room.queue.next_for(used) is None and room.queue.next_for(room.worker()) is None
    room.queue.lost(fresh, "twice")
    (failure,) = room.queue.take_settled()
    assert (failure.frame, failure.report, failure.died) == ("1", "twice", True), "alone, it is a proof"
    assert room.queue.next_for(used) == "3"


def test_four_different_frames_that_hang_from_the_start_are_enough() -> None:
    """Each costs a whole timeout: none is tried twice before it is known that others do not hang."""
    room = Room(frames(40))
    hung = [room.dies(room.worker(), hung=True) for _ in range(3)]
    assert not room.queue.has_suspects, "others first"
    error = given_up(lambda: hung.append(room.dies(room.worker(), hung=True)))
    assert "4 different frames hang" in str(error) and error.deaths == 0
    assert len(set(hung)) == 3 and max(int(name) for name in hung) > 10, "from all over the batch"


def test_frames_that_hang_are_tried_again_once_others_have_succeeded() -> None:
    room = Room(frames(40))
    room.dies(room.worker(), hung=True)
    used = room.worker()
    room.succeeds(used)
    assert room.queue.has_suspects
    for _ in range(frame_failures.HUNG):
        room.dies(room.worker(), hung=True)
        room.succeeds(used)
    assert "0" in room.settled()


# -- the end -------------------------------------------------------------------------------------------


def test_at_the_end_one_failure_is_its_frames_and_several_are_tried_by_another_worker() -> None:
    single = Room(frames(1))
    single.fails(single.worker())
    assert not single.queue.finish() and single.settled() == ["0"]
    several = Room(frames(2))
    worker = several.worker()
    several.fails(worker, 2)
    assert several.queue.finish() and several.settled() == []
    fresh = several.replaced(worker)
    assert several.succeeds(fresh) == "1"


def test_where_all_of_a_few_frames_fail_their_failures_stand_at_the_end() -> None:
    room = Room(frames(6))
    worker = room.worker()
    room.fails(worker, 3)
    fresh = room.replaced(worker)
    room.fails(fresh, 5)
    assert not room.queue.finish() or room.queue.left
    while room.queue.left:
        used = room.queue.to_renew()
        if used is not None:
            room.queue.retire(used)
        last = room.worker(worker.slot)
        room.fails(last)
        room.queue.finish()
    assert sorted(room.settled()) == frames(6)


# -- copies --------------------------------------------------------------------------------------------


class Copies:
    """Copies of failed frames, as somebody else makes them."""

    def __init__(self) -> None:
        self.asked = []  # type: List[str]
        self.there = set()  # type: Any
        self.refused = set()  # type: Any
        self.handed = []  # type: Any

    def ask(self, frame: str) -> bool:
        if frame in self.asked or self.is_copy(frame):
            return False
        self.asked.append(frame)
        return True

    def has_copy(self, frame: str) -> bool:
        return frame in self.there

    def answered(self, frame: str) -> bool:
        return frame in self.there or frame in self.refused

    def second_try(self, frame: str, proves: bool) -> str:
        self.handed.append((frame, proves))
        return "copy of " + frame if frame in self.there else frame

    def is_copy(self, frame: str) -> bool:
        return frame.startswith("copy of ")


def test_a_failure_of_its_own_waits_for_a_copy_which_a_worker_that_is_well_gets() -> None:
    copies = Copies()
    room = Room(frames(5), copies=copies)
    worker = room.worker()
    room.fails(worker)
    room.succeeds(worker)
    assert copies.asked == ["0"] and room.settled() == []
    assert room.succeeds(worker) == "2", "not there yet: the others continue"
    room.fails(worker)
    copies.there.add("0")
    assert room.queue.next_for(worker) == "4", "the copy waits: this worker may be unhealthy"
    well = room.worker(frame_queue.Slot("CPU1"))
    assert room.queue.next_for(well) == "copy of 0" and copies.handed == [("0", True)]
    room.queue.failed(well, "again")
    assert room.settled() == ["copy of 0"] and not well.held, "no third try, no sign against the worker"


def test_at_the_very_end_any_worker_gets_the_copies_but_proves_nothing() -> None:
    copies = Copies()
    room = Room(frames(1), copies=copies)
    worker = room.worker()
    room.fails(worker)
    assert room.queue.finish(), "the failure is its frame's, which now waits for a copy"
    copies.there.add("0")
    assert room.queue.next_for(worker) == "copy of 0" and copies.handed == [("0", False)]


def test_while_others_are_at_work_a_copy_waits_for_a_worker_that_is_well() -> None:
    copies = Copies()
    room = Room(frames(3), copies=copies)
    one, other = room.worker(), room.worker(frame_queue.Slot("CPU1"))
    room.queue.next_for(one)
    room.queue.failed(one, "cannot be read", its_own=True)
    copies.there.add("0")
    assert not one.is_well and room.queue.next_for(other) == "copy of 0"
    room.queue.done(other)
    assert [room.queue.next_for(one), room.queue.next_for(other)] == ["1", "2"]
    room.queue.failed(one, "cannot be read", its_own=True)
    copies.there.add("1")
    assert room.queue.next_for(one) is None, "the other one may yet be shown to be well"
    room.queue.done(other)
    assert room.queue.next_for(other) == "copy of 1"
    room.queue.done(other)
    assert room.queue.next_for(other) is None and not room.queue.left, "each copy once"


def test_a_frame_that_gets_no_copy_is_not_waited_for() -> None:
    copies = Copies()
    room = Room(frames(1), copies=copies)
    room.fails(room.worker())
    room.queue.finish()
    room.queue.look_for_copies()
    assert room.queue.left and room.settled() == []
    copies.refused.add("0")
    room.queue.look_for_copies()
    assert not room.queue.left and room.settled() == ["0"]


def test_one_fresh_worker_waits_for_a_suspects_copy_and_the_others_go_on() -> None:
    copies = Copies()
    room = Room(frames(5), copies=copies)
    room.dies(room.worker())
    first, second = room.worker(), room.worker()
    assert copies.asked == ["0"]
    assert room.queue.next_for(first) is None and room.queue.next_for(first) is None
    assert room.queue.next_for(second) == "1"
    copies.there.add("0")
    assert room.queue.next_for(first) == "copy of 0" and copies.handed == [("0", True)]
    room.queue.lost(first, "twice")
    assert room.queue.next_for(room.worker()) == "3", "a copy that kills gets no third try"
    room.queue.done(second)
    assert room.settled() == ["copy of 0"]


def test_where_all_is_given_up_what_waits_for_copies_had_failed_by_itself() -> None:
    room = Room(frames(9), copies=Copies())
    worker = room.worker()
    room.fails(worker)
    room.succeeds(worker)
    room.queue.give_up()
    assert room.settled() == ["0"] and room.queue.left


# -- all of it -----------------------------------------------------------------------------------------


# -- width, and lack of memory ------------------------------------------------------------------


class Card:
    """A queue whose workers share one device."""

    def __init__(self, count: int, workers: int, room: bool = False) -> None:
        self.names = frames(count)
        self.device = device_slots.Device("GPU0", workers, elastic=True)
        self.device.room = room
        self.room = Room(self.names)
        self.queue = self.room.queue
        self.workers = [self.worker() for _ in range(workers)]

    def worker(self) -> Any:
        slot = device_slots.Slot("GPU0.{}".format(len(self.queue.workers)), self.device)
        return self.room.worker(slot)

    def out_of_memory(self, worker: Any) -> None:
        self.queue.failed(worker, "oom", memory=True)

    def ended(self) -> List[Any]:
        """What a host does with the workers that are too many."""
        taken = self.queue.widths.take_surplus()
        for worker in taken:
            self.queue.retire(worker)
            self.queue.widths.gone(worker)
        return list(taken)

    def changes(self) -> List[Any]:
        return [(change.before, change.after) for change in self.queue.widths.take_changes()]


def test_lack_of_memory_takes_one_worker_and_blames_no_frame() -> None:
    card = Card(20, 4)
    one, *others = card.workers
    frame = card.queue.next_for(one)
    for other in others:
        card.queue.next_for(other)
    card.out_of_memory(one)
    assert card.queue.next_for(one) is None and card.changes() == [(4, 3)]
    idle = card.worker()
    assert card.queue.next_for(idle) is None, "not before the memory is free"
    assert (card.ended(), card.device.target) == ([one, idle], 3)
    card.out_of_memory(others[0])  # handed out before there was one fewer: nothing new
    assert (card.changes(), card.ended(), card.device.target) == ([], [], 3)
    card.queue.done(others[1])
    assert card.queue.next_for(others[1]) == frame  # as it is
    assert card.room.settled() == [] and len(card.queue.take_handed_back()) == 2
    assert not card.queue.widths.may_start(one.slot)


def test_it_narrows_on_while_memory_runs_out_on_and_waits_at_nothing() -> None:
    card = Card(20, 3)
    for expected in (2, 1, 0):
        worker = card.queue.workers[0]
        card.queue.next_for(worker)
        card.out_of_memory(worker)
        card.ended()
        assert card.device.target == expected
    assert card.queue.left and not card.queue.busy and card.room.settled() == []
    card.queue.widths.set(card.device, 1)
    assert card.queue.widths.may_start(device_slots.Slot("GPU0", card.device))


def test_alone_with_the_memory_there_a_frame_fails_by_itself() -> None:
    card = Card(3, 1, room=True)
    (worker,) = card.workers
    frame = card.queue.next_for(worker)
    card.out_of_memory(worker)
    assert card.device.target == 1 and card.changes() == [] and card.ended() == []
    card.room.succeeds(worker)
    assert card.room.settled() == [frame]
    # That it had room was seen then; by now another program may have taken it.
    card.queue.next_for(worker)
    card.out_of_memory(worker)
    assert card.changes() == [(1, 0)] and card.room.settled() == []


def test_where_nobody_sets_the_width_lack_of_memory_is_a_failure_like_any_other() -> None:
    room = Room(frames(4))
    worker = room.worker(device_slots.Slot("GPU0", device_slots.Device("GPU0", 1)))
    frame = room.queue.next_for(worker)
    room.queue.failed(worker, "oom", memory=True)
    room.succeeds(worker)
    assert room.settled() == [frame]


def test_a_frame_that_needs_too_much_comes_again_when_the_others_are_through() -> None:
    card = Card(9, 4)
    hungry, done = "0", []
    while card.queue.left or card.queue.busy:
        if not card.queue.workers:
            card.queue.widths.set(card.device, 1, room=True)
            card.worker()
        for worker in list(card.queue.workers):
            frame = card.queue.next_for(worker)
            if frame == hungry:
                card.out_of_memory(worker)
            elif frame is not None:
                card.queue.done(worker)
                done.append(frame)
        card.ended()
        if not card.queue.left:
            card.queue.finish()
    assert sorted(done) == frames(9)[1:] and card.room.settled() == [hungry]
    assert card.device.target >= 0


def test_workers_too_many_finish_their_frame_and_end() -> None:
    card = Card(20, 3)
    busy, idle, starting = card.workers[0], card.workers[1], None
    frame = card.queue.next_for(busy)
    card.queue.widths.set(card.device, 4)
    starting = device_slots.Worker(device_slots.Slot("GPU0.3", card.device))
    card.queue.add(starting)
    card.queue.widths.set(card.device, 2)
    assert set(card.ended()) == {starting, card.workers[2]}
    card.queue.widths.set(card.device, 0)
    assert card.ended() == [idle] and busy.frame == frame
    card.queue.done(busy)
    assert card.queue.next_for(busy) is None and card.ended() == [busy]
    assert card.queue.left and card.queue.workers == []


def test_a_start_that_fails_for_memory_is_no_failed_start() -> None:
    card = Card(5, 1)
    card.queue.widths.set(card.device, 2)
    second = device_slots.Worker(device_slots.Slot("GPU0.1", card.device))
    card.queue.add(second)
    assert card.queue.start_failed(second, "oom") and card.changes() == [(2, 1)]
    card.queue.lost(second, None)
    alone = Card(5, 0)
    alone.queue.widths.set(alone.device, 1, room=True)
    only = device_slots.Worker(device_slots.Slot("GPU0", alone.device))
    alone.queue.add(only)
    assert not alone.queue.start_failed(only, "oom")


class World:
    """A host by dice: workers come and go, frames do what their name says, and unhealthy workers fail on everything."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        kinds = ["good"] * 12 + self.dice.choice(
            [["raises"], ["kills"], ["sticks"], ["raises", "kills", "sticks"]]
        )
        self.names = ["{} {}".format(self.dice.choice(kinds), number) for number in range(40)]
        self.queue = frame_queue.FrameQueue(
            list(self.names), suspects_alone=self.dice.random() < 0.3, deaths_in_row=30
        )
        self.slots = [frame_queue.Slot("GPU{}".format(number)) for number in range(self.dice.randint(1, 3))]
        self.unhealthy = set()  # type: Any
        self.done = []  # type: List[str]
        self.failed = []  # type: List[str]

    def run(self) -> None:
        for _turn in range(4000):
            self.people()
            for worker in list(self.queue.workers):
                self.turn(worker)
            for worker in self.queue.take_unhealthy():
                self.queue.lost(worker, "")
            renewed = self.queue.to_renew()
            if renewed is not None:
                self.queue.retire(renewed)
                self.start(renewed.slot)
            self.failed += [failure.frame for failure in self.queue.take_settled()]
            if not self.queue.left and not self.queue.busy and not self.queue.finish():
                self.failed += [failure.frame for failure in self.queue.take_settled()]
                return
        raise AssertionError("it does not end")

    def people(self) -> None:
        """A width that changes: now and then a worker more, or one less that has nothing in hand."""
        free = [slot for slot in self.slots if not slot.disabled]
        if len(self.queue.workers) < 1 or (len(self.queue.workers) < 4 and self.dice.random() < 0.3):
            self.start(self.dice.choice(free))
        idle = [worker for worker in self.queue.workers if worker.state == frame_queue.FREE]
        if len(self.queue.workers) > 1 and idle and self.dice.random() < 0.1:
            leaving = self.dice.choice(idle)
            if leaving.reason is None:
                self.queue.retire(leaving)

    def start(self, slot: Any) -> None:
        self.queue.add(frame_queue.Worker(slot))

    def turn(self, worker: Any) -> None:
        if worker.state == frame_queue.STARTING:
            self.queue.ready(worker)
        elif worker.state == frame_queue.FREE:
            self.queue.next_for(worker)
        elif self.dice.random() < 0.5:
            self.finish(worker)

    def finish(self, worker: Any) -> None:
        frame = worker.frame
        if frame.startswith("kills"):
            self.queue.lost(worker, "killed")
        elif frame.startswith("raises") or id(worker) in self.unhealthy:
            self.queue.failed(worker, "raised")
        elif frame.startswith("sticks"):
            self.unhealthy.add(id(worker))
            self.keep = [*getattr(self, "keep", []), worker]  # ids are not used twice
            self.queue.failed(worker, "sticks")
        else:
            self.queue.done(worker)
            self.done.append(frame)


def test_whatever_happens_every_frame_is_settled_once_and_it_ends() -> None:
    for seed in range(300):
        world = World(seed)
        try:
            world.run()
        except frame_queue.GivenUp:
            assert len(set(world.done + world.failed)) == len(world.done + world.failed), seed
            continue
        assert sorted(world.done + world.failed) == sorted(world.names), seed
        if not any(name.startswith("sticks") for name in world.names):
            assert not [name for name in world.failed if name.startswith("good")], seed
        assert not [name for name in world.done if not name.startswith("good")], seed


if __name__ == "__main__":
    tests = [value for name, value in sorted(globals().items()) if name.startswith("test_")]
    for test in tests:
        test()
    print("{} passed under {}.{} of {}".format(len(tests), *sys.version_info[:2], Path(sys.argv[1]).name))
