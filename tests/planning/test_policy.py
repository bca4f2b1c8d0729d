"""What the policy promises beside the rows: sentences, poison frames, budgets, waiting, two cards."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ladder_walk import FULL_CARD, NOTHING_KNOWN, WIDE, Walk, card, context, failure, start

from dflwrap.common.choices import OnGpuFailure
from dflwrap.common.memory import GIB
from dflwrap.common.plan import Plan
from dflwrap.common.rungs import Rung
from dflwrap.common.telemetry import ForeignProcess, TelemetrySummary
from dflwrap.planning.decision import (
    Bisect,
    DiskCondition,
    NextPlan,
    Quarantine,
    RepairFrame,
    Stop,
    VramCondition,
    Wait,
)
from dflwrap.planning.fit import PEAK_MARGIN
from dflwrap.planning.policy import ATTEMPTS_WITHOUT_PROGRESS, DRIVER_PAUSE, TRANSIENT_PAUSE, decide

OOM = failure("gpu-oom-tensor", "gpu-memory", "ResourceExhaustedError: OOM when allocating tensor")
TDR = failure("tdr-launch-failed", "gpu-driver", "CUDA_ERROR_LAUNCH_FAILED")
BAD_FRAME = failure("cv-resize-empty", "input-image", "error: (-215:Assertion failed) !ssize.empty()")
CRASH = failure("worker-native-crash", "worker-crash", "Segmentation fault")


def test_the_sentence_names_the_change_the_measure_and_the_line() -> None:
    walk = start()
    walk.fail(OOM)
    walk.fail(OOM, worker="3")
    assert walk.sentences[1] == (
        "attempt 2: 4 workers -> 2: GPU 0 had 0.4 of 8.0 GiB free when worker 3 died (stderr.log:214)"
    )


@pytest.mark.parametrize(
    "cause", [("python-module-missing", "python-env"), ("cuda-init-failed", "gpu-driver")]
)
def test_a_sentence_without_a_measure_quotes_the_line(cause: tuple[str, str]) -> None:
    walk = start(Plan(devices=(0,), workers=1))
    decision = walk.fail(failure(*cause, "ModuleNotFoundError: No module named 'cv2'"))
    assert "(stderr.log:214: ModuleNotFoundError: No module named 'cv2')" in decision.sentence
    walk.fail(failure(*cause, "it broke: " + "x" * 500))
    assert all(len(sentence) < 400 for sentence in walk.sentences), "a long line is cut"


def test_a_driver_that_was_reset_gets_longer_to_come_back_than_a_process() -> None:
    reset, crash = start().fail(TDR), start().fail(CRASH)
    assert isinstance(reset, NextPlan) and isinstance(crash, NextPlan)
    assert reset.rungs == (Rung.FRESH_PROCESS,)
    assert reset.pause == DRIVER_PAUSE > crash.pause == TRANSIENT_PAUSE > 0


def test_the_sentence_names_who_held_the_memory() -> None:
    game = (ForeignProcess(77, "game.exe", 6 * GIB), ForeignProcess(78, "browser.exe", GIB))
    walk = start()
    walk.telemetry = TelemetrySummary(devices=(card(0.2, foreign=game),))
    walk.fail(OOM)
    assert "game.exe held 6.0 GiB" in walk.sentences[0]


def test_waiting_for_vram_is_bounded_and_narrows_if_it_stays_full() -> None:
    wait = start().fail(OOM)
    assert isinstance(wait, Wait)
    assert isinstance(wait.until, VramCondition)
    assert wait.until.device == 0
    assert wait.until.free == int(0.8 * 8 * GIB), "four workers and the reserve, but no more than can be free"
    assert 0 < wait.first <= wait.longest < wait.bound < 600
    assert wait.then.plan == WIDE
    assert isinstance(wait.otherwise, NextPlan)
    assert wait.otherwise.plan.workers == 2
    assert [r.value for r in wait.otherwise.rungs] == ["wait_for_vram", "half_workers"], (
        "it is not waited twice"
    )


def test_one_worker_of_an_elastic_width_is_waited_for_and_the_rungs_of_workers_are_over() -> None:
    walk = start()
    walk.context = replace(walk.context, elastic=True, worker_peak=3 * GIB)
    wait = walk.fail(OOM)
    assert isinstance(wait, Wait) and isinstance(wait.until, VramCondition)
    assert wait.until.free == int(3 * GIB * PEAK_MARGIN) + GIB // 2
    assert isinstance(wait.otherwise, NextPlan) and wait.otherwise.plan.workers == WIDE.workers
    assert [r.value for r in wait.otherwise.rungs][1] not in ("half_workers", "one_worker")


def test_where_nothing_else_can_do_the_work_the_card_is_waited_for_all_night() -> None:
    cause = failure("no-capable-gpus-dfl1", "gpu-memory")
    allowed = start(on_gpu_failure=OnGpuFailure.CPU).fail(cause)
    alone = start(on_gpu_failure=OnGpuFailure.STOP).fail(cause)
    assert isinstance(allowed, Wait) and allowed.bound < 600
    assert isinstance(alone, Wait) and alone.bound >= 12 * 3600


def test_without_telemetry_there_is_no_wait_and_the_sentence_says_so() -> None:
    walk = start()
    walk.telemetry = None
    decision = walk.fail(OOM)
    assert isinstance(decision, NextPlan)
    assert decision.plan.workers == 2
    assert "cannot be read here" in decision.sentence


def test_memory_that_the_extractor_itself_took_is_not_waited_for() -> None:
    walk = start()
    walk.telemetry = TelemetrySummary(devices=(card(0.4, ours_peak=7 * GIB),))
    decision = walk.fail(OOM)
    assert isinstance(decision, NextPlan) and decision.plan.workers == 2
    assert "the extractor itself held 7.0 GiB, waiting cannot help" in decision.sentence
    walk = start()
    walk.telemetry = TelemetrySummary(devices=(card(0.4, ours_peak=3 * GIB),))
    assert isinstance(walk.fail(OOM), Wait), "others took the rest: they may give it back"


def test_small_frames_are_said_not_to_help() -> None:
    walk = start(Plan(devices=(0,), workers=1), longest_side=640)
    walk.fail(OOM)
    walk.fail(OOM)
    assert [r.value for r in walk.rungs] == ["wait_for_vram", "weights_on_cpu"]
    assert "smaller inputs cannot help: the longest side is 640 px already" in walk.sentences[-1]


def test_a_smaller_input_saves_detector_memory_and_says_how() -> None:
    walk = start(Plan(devices=(0,), workers=1))
    walk.fail(OOM)
    decision = walk.fail(OOM)
    assert isinstance(decision, NextPlan)
    assert decision.plan.max_side == 960
    assert "the detector then sees 480 px instead of 640" in decision.sentence


def test_a_narrowed_plan_is_bounded_so_that_it_can_widen_again() -> None:
    walk = start()
    walk.fail(OOM)
    walk.fail(OOM)
    assert walk.plan.workers == 2 and 0 < walk.plan.batch_size <= 300


def test_a_poison_frame_is_repaired_alone_then_quarantined_then_the_run_goes_on() -> None:
    walk = start()
    repair = walk.fail(BAD_FRAME, gained=40, suspects=("0041.png",))
    assert isinstance(repair, RepairFrame)
    assert repair.frames == ("0041.png",)
    assert (repair.plan.workers, repair.plan.batch_size) == (1, 1)
    put_aside = walk.fail(BAD_FRAME, given=1, suspects=("0041.png",))
    assert isinstance(put_aside, Quarantine)
    assert put_aside.frames == ("0041.png",) and put_aside.cause == "cv-resize-empty"
    assert put_aside.evidence == ("stderr.log:214: error: (-215:Assertion failed) !ssize.empty()",)
    assert isinstance(put_aside.then, NextPlan)
    assert put_aside.then.plan == WIDE


def test_a_repair_that_works_does_not_forget_what_the_run_had_learned() -> None:
    walk = start()
    for _ in range(3):
        walk.fail(OOM)
    narrow = walk.plan
    assert narrow.workers == 1
    walk.fail(BAD_FRAME, gained=4, suspects=("x.png",))
    walk.healthy(1)
    walk.history = (*walk.history[:-1], replace(walk.history[-1], alone=True))
    walk.plan, walk.alone = narrow, False
    assert [r.value for r in walk.fail(OOM).rungs] == ["smaller_input"]


def test_a_batch_of_one_frame_is_known_as_a_repair_attempt() -> None:
    """The supervisor may forget to mark it: the run's plan must not shrink to the repair's."""
    walk = start()
    walk.fail(BAD_FRAME, gained=40, suspects=("x.png",))
    walk.alone = False
    put_aside = walk.fail(BAD_FRAME, given=1, suspects=("x.png",))
    assert isinstance(put_aside, Quarantine) and isinstance(put_aside.then, NextPlan)
    assert put_aside.then.plan == WIDE


def test_the_attempts_of_a_search_do_not_use_up_the_run() -> None:
    walk = start()
    walk.fail(NOTHING_KNOWN)
    step = replace(walk.history[0], alone=True, answer=())
    walk.history = (*walk.history, *[step] * (2 * ATTEMPTS_WITHOUT_PROGRESS))
    assert not isinstance(walk.fail(NOTHING_KNOWN), Stop)


def test_old_and_new_suspects_are_told_apart() -> None:
    walk = start()
    walk.fail(BAD_FRAME, gained=3, suspects=("a.png",))
    decision = walk.fail(BAD_FRAME, gained=1, suspects=("b.png", "a.png"))
    assert isinstance(decision, Quarantine) and decision.frames == ("a.png",)
    assert isinstance(decision.then, RepairFrame) and decision.then.frames == ("b.png",)


def test_a_crash_with_a_named_frame_costs_that_frame_first() -> None:
    walk = start()
    assert isinstance(walk.fail(CRASH, gained=10, suspects=("x.png",)), RepairFrame)
    assert isinstance(walk.fail(CRASH, given=1, suspects=("x.png",)), Quarantine)


def test_a_frame_that_failed_as_a_copy_too_needs_no_attempt_of_its_own() -> None:
    walk = start()
    decision = walk.fail(CRASH, gained=99, suspects=("x.png", "y.png"), repaired=("x.png",))
    assert isinstance(decision, Quarantine) and decision.frames == ("x.png",)
    assert isinstance(decision.then, RepairFrame) and decision.then.frames == ("y.png",)


def test_a_copy_that_failed_where_nothing_succeeded_proves_nothing() -> None:
    walk = start()
    decision = walk.fail(BAD_FRAME, gained=0, given=1, suspects=("x.png",), repaired=("x.png",))
    assert isinstance(decision, RepairFrame)


@pytest.mark.parametrize(
    ("free", "repaired", "gained", "quarantined"),
    [
        (22.0, ("x.png",), 99, True),
        (1.0, ("x.png",), 99, False),
        (22.0, (), 99, False),
        (22.0, ("x.png",), 0, False),
    ],
)
def test_a_killed_worker_is_no_want_of_memory_where_memory_was_free(
    free: float, repaired: tuple[str, ...], gained: int, quarantined: bool
) -> None:
    walk = start()
    walk.telemetry = TelemetrySummary(ram_total=32 * GIB, ram_available_min=int(free * GIB))
    killed = failure("linux-oom-killer", "host-memory", "died, exit status -9")
    decision = walk.fail(killed, gained=gained, suspects=("x.png",), repaired=repaired)
    if quarantined:
        assert isinstance(decision, Quarantine) and decision.cause == "poison-frame"
        assert decision.evidence == ("stderr.log:214: died, exit status -9",)
    else:
        assert isinstance(decision, NextPlan) and decision.rungs[0].value == "half_workers"


def test_an_environment_that_has_worked_in_this_run_is_not_given_up_at_once() -> None:
    broken = failure("tf-import-generic", "tf-version")
    assert isinstance(start().fail(broken), Stop)
    walk = start()
    walk.fail(broken, gained=3)
    assert walk.fail_until_stop(broken) == ["same_again", "one_worker", "bisect_batch", "user"]


def test_three_frames_failing_alike_with_none_gained_are_innocent() -> None:
    walk = start()
    for frame in ("a.png", "b.png"):
        assert isinstance(walk.fail(CRASH, suspects=(frame,)), RepairFrame)
    decision = walk.fail(CRASH, suspects=("c.png",))
    assert isinstance(decision, NextPlan), "the extractor is unhealthy, not the frames"
    assert [r.value for r in decision.rungs] == ["fresh_process"]
    assert walk.fail_until_stop(CRASH, suspects=("d.png",))[-3:] == ["one_worker", "cpu", "user"]


def test_many_unreadable_frames_are_all_put_aside() -> None:
    walk = start()
    for frame in "abcde":
        assert isinstance(walk.fail(BAD_FRAME, suspects=(frame,)), RepairFrame)
        assert isinstance(walk.fail(BAD_FRAME, suspects=(frame,)), Quarantine)


def test_progress_refills_what_changes_nothing() -> None:
    walk = start()
    for _ in range(20):
        walk.fail(TDR, gained=500, given=1000)
    assert {r.value for r in walk.rungs} == {"fresh_process"}


def test_little_progress_does_not_keep_a_sick_driver_on_the_card() -> None:
    walk = start()
    walk.fail(TDR, gained=5)
    walk.fail(TDR, gained=5)
    assert walk.plan.devices == ()


def test_failures_that_change_all_the_time_end_too() -> None:
    walk = start(gpus=8)
    for number in range(40):
        verdict = failure(f"new-{number}", "unknown", f"error {number}")
        decision = walk.fail(verdict)
        if isinstance(decision, Stop):
            break
    assert isinstance(decision, Stop)
    assert number < ATTEMPTS_WITHOUT_PROGRESS


def test_attempts_without_progress_of_any_cause_end_the_run() -> None:
    walk = start(gpus=1)
    first = walk.fail(TDR)
    assert isinstance(first, NextPlan)
    record = replace(walk.history[0], answer=())
    walk.history = tuple(replace(record, number=n) for n in range(1, ATTEMPTS_WITHOUT_PROGRESS))
    decision = walk.fail(TDR)
    assert isinstance(decision, Stop)
    assert f"{ATTEMPTS_WITHOUT_PROGRESS} attempts in a row gained no frame" in decision.sentence


def test_the_same_failure_on_the_same_plan_is_not_met_with_more_of_the_same() -> None:
    walk = start()
    walk.fail(OOM)
    record = replace(walk.history[0], cause="tdr-launch-failed", fingerprint="f", answer=())
    walk.history = (record, record)
    decision = decide(TDR, (record, record, record), None, WIDE, walk.context)
    assert isinstance(decision, NextPlan)
    assert [r.value for r in decision.rungs] == ["cpu"]


@pytest.mark.parametrize(
    ("seen", "why"),
    [({"began": False}, "no worker came as far as a frame"), ({"lost_on": 3}, "lost on frame after frame")],
)
def test_no_search_among_the_frames_where_no_frame_can_be_the_cause(
    seen: dict[str, object], why: str
) -> None:
    walk = start(Plan(workers=2))
    assert walk.fail_until_stop(NOTHING_KNOWN, **seen) == ["same_again", "one_worker", "user"]
    assert why in walk.sentences[-1]


@pytest.mark.parametrize("seen", [{"lost_on": 2}, {"lost_on": 3, "gained": 1}])
def test_a_few_lost_workers_do_not_rule_a_frame_out(seen: dict[str, int]) -> None:
    walk = start(Plan(workers=2), black_box=True)
    for _ in range(3):
        walk.fail(NOTHING_KNOWN, **seen)
    assert walk.rungs[-1] is Rung.BISECT_BATCH


def test_unknown_once_the_same_once_narrow_then_bisect_then_stop() -> None:
    walk = start(black_box=True)
    names = walk.fail_until_stop(NOTHING_KNOWN)
    assert names == ["same_again", "one_worker", "bisect_batch", "user"]
    search = walk.decisions[2]
    assert isinstance(search, NextPlan) and isinstance(search.frames, Bisect)
    assert search.plan.workers == 1
    assert isinstance(walk.decisions[-1], Stop) and walk.decisions[-1].cause == "unknown"


def test_unknown_with_a_named_frame_needs_no_search() -> None:
    walk = start()
    for _ in range(2):
        walk.fail(NOTHING_KNOWN, gained=9, suspects=("p.png",))
    assert isinstance(walk.fail(NOTHING_KNOWN, gained=1, suspects=("p.png",)), RepairFrame)
    assert isinstance(walk.fail(NOTHING_KNOWN, given=1, suspects=("p.png",)), Quarantine)


def test_a_full_disk_waits_only_where_the_user_allows() -> None:
    full = failure("disk-full", "output-io", "OSError: [Errno 28] No space left on device")
    assert isinstance(start().fail(full), Stop)
    wait = start(may_wait=True).fail(full)
    assert isinstance(wait, Wait) and isinstance(wait.until, DiskCondition)
    assert wait.until.role == "output"
    assert isinstance(wait.otherwise, Stop)


def test_two_cards_of_which_one_dies_go_on_with_one() -> None:
    walk = start(Plan(devices=(0, 1), workers=2), gpus=2)
    gone = failure("xid-79-off-bus", "hardware", "NVRM: Xid 79, GPU has fallen off the bus")
    walk.telemetry = TelemetrySummary(devices=(card(), card(index=1, xids=(79,), lost=True)))
    decision = walk.fail(gone, gained=12)
    assert isinstance(decision, NextPlan)
    assert decision.plan.devices == (0,) and decision.excluded == (1,)
    assert "GPU 1 is left out, continuing with GPU 0" in decision.sentence
    assert "Xid 79" in decision.sentence and "the driver lost it" in decision.sentence
    assert walk.plan.workers == 2


def test_two_cards_and_no_sign_which_one_died_are_tried_apart() -> None:
    walk = start(Plan(devices=(0, 1), workers=1), gpus=2)
    walk.telemetry = None
    walk.fail(TDR)
    decision = walk.fail(TDR)
    assert isinstance(decision, NextPlan) and decision.plan.devices == (0,) and decision.excluded == ()
    decision = walk.fail(TDR)
    assert isinstance(decision, NextPlan) and decision.plan.devices == (1,) and decision.excluded == (0,)


def test_the_builtin_extractor_takes_over_only_if_asked() -> None:
    missing = failure("module-not-found", "python-env", "ModuleNotFoundError: No module named 'cv2'")
    assert isinstance(start(builtin_available=True).fail(missing), Stop)
    asked = start(builtin_available=True, on_gpu_failure=OnGpuFailure.BUILTIN)
    decision = asked.fail(missing)
    assert isinstance(decision, NextPlan)
    assert decision.extractor == "builtin" and decision.plan.devices == ()


def test_an_environment_that_can_be_mended_is_mended() -> None:
    decision = start().fail(failure("protobuf-descriptors", "python-env"))
    assert isinstance(decision, NextPlan)
    assert decision.plan.env == {"PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python"}
    assert "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION=python" in decision.sentence


def test_the_cpu_plan_uses_the_cores_with_one_thread_each() -> None:
    walk = start(Plan(devices=(0,), workers=1), cores=2)
    decision = walk.fail(failure("no-kernel-image", "cuda-library"))
    assert isinstance(decision, NextPlan)
    assert (decision.plan.devices, decision.plan.workers, decision.plan.threads) == ((), 2, 1)
    assert decision.excluded == (0,), "a build without code for this card will not grow any"


def test_deciding_changes_nothing_and_repeats_itself() -> None:
    walk: Walk = start()
    walk.fail(OOM)
    history, plan = walk.history, walk.plan
    first = decide(OOM, history, FULL_CARD, plan, context())
    assert decide(OOM, history, FULL_CARD, plan, context()) == first
    assert walk.history == history


def test_no_history_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="history"):
        decide(OOM, (), None, WIDE, context())


def test_the_cpu_is_used_as_wide_as_the_memory_free_before_the_attempt_allows() -> None:
    """Not as all the memory of the machine would allow: an editor may hold most of it."""
    workers = []
    for free in (None, 16 * GIB, 3 * GIB):
        walk = start(on_gpu_failure=OnGpuFailure.CPU)
        walk.telemetry = TelemetrySummary(ram_total=32 * GIB, ram_available_before=free)
        walk.fail(failure("driver-too-old", "gpu-driver"))
        workers.append(walk.plan.workers)
        assert f"GPU 0 -> CPU with {walk.plan.workers} workers" in walk.sentences[-1]
    assert workers == [4, 4, 2]
