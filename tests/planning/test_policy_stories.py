"""Whole runs on an imagined machine: the policy and the way back up together, until no frame is open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st
from ladder_walk import Walk, failure, start

from dflwrap.common.choices import OnGpuFailure
from dflwrap.common.memory import GIB
from dflwrap.common.plan import Plan
from dflwrap.common.rungs import Rung
from dflwrap.common.telemetry import DeviceSummary, TelemetrySummary
from dflwrap.common.verdict import Verdict
from dflwrap.planning.climb import after_success
from dflwrap.planning.decision import Quarantine, RepairFrame, Stop
from dflwrap.planning.ladder import BY_CATEGORY, BY_CAUSE

OOM = failure("gpu-oom-tensor", "gpu-memory", "ResourceExhaustedError: OOM when allocating tensor")
LOST = failure("xid-79-off-bus", "hardware", "Xid 79")


@dataclass
class Machine:
    """Cards of 8 GiB on which a worker takes 1.5 GiB; `taken(card, hour)` is what others hold, in GiB."""

    walk: Walk
    taken: Callable[[int, float], float]
    dead: Callable[[int, float], bool] = lambda card, hour: False
    hour: float = 0.0
    open_frames: int = 30_000
    widths: list[tuple[tuple[int, ...], int]] = field(default_factory=list)

    def run(self, most_attempts: int = 400) -> bool:
        """True if the run ended complete."""
        for _ in range(most_attempts):
            if self.open_frames == 0:
                return True
            plan = self.walk.plan
            if not self.widths or self.widths[-1] != (plan.devices, plan.workers):
                self.widths.append((plan.devices, plan.workers))
            self.walk.context = replace(self.walk.context, open_frames=self.open_frames)
            if isinstance(self.attempt(plan), Stop):
                return False
        raise AssertionError(f"no end: {self.open_frames} frames open, {self.walk.sentences[-3:]}")

    def attempt(self, plan: Plan) -> object:
        wanted = min(self.open_frames, plan.batch_size or self.open_frames)
        speed = (3600 * 5 if plan.devices else 3600) * plan.workers * max(1, len(plan.devices))
        need = plan.workers * (1.2 if plan.weights_on_cpu else 1.5)
        done, unhealthy, verdict = 0, None, None
        while done < wanted and verdict is None:  # in steps of a minute
            self.hour += 1 / 60
            for card in plan.devices:
                if self.dead(card, self.hour):
                    unhealthy, verdict = card, LOST
                elif 8 - self.taken(card, self.hour) < need:
                    unhealthy, verdict = card, OOM
            if verdict is None:
                done = min(wanted, done + int(speed / 60))
        self.open_frames -= done
        self.walk.telemetry = self.telemetry(plan, need)
        if verdict is not None:
            return self.walk.fail(verdict, gained=done, given=wanted, device=unhealthy)
        self.walk.healthy(done)
        wider = after_success(self.walk.history, self.walk.telemetry, plan, self.walk.context)
        if wider is not None:
            self.walk.plan = wider.plan
        return wider

    def telemetry(self, plan: Plan, need: float) -> TelemetrySummary:
        cards = []
        for info in self.walk.context.devices:
            without = int((8 - self.taken(info.index, self.hour)) * GIB)
            ours = int(min(need * GIB, without)) if info.index in plan.devices else 0
            lowest = without - ours
            cards.append(
                DeviceSummary(
                    info.index, info.name, 8 * GIB, without, lowest, lowest, ours_peak=ours, ours_last=ours
                )
            )
        return TelemetrySummary(devices=tuple(cards))


def test_a_game_from_nine_to_midnight_narrows_the_run_and_the_night_widens_it_again() -> None:
    wide = Plan(devices=(0,), workers=4)
    machine = Machine(
        start(wide, worker_peak=int(1.5 * GIB)), lambda card, hour: 7.5 if 0.2 < hour < 2.0 else 0.3
    )
    machine.open_frames = 120_000
    assert machine.run(), machine.walk.sentences[-1]
    assert machine.widths[0] == ((0,), 4)
    assert ((), 4) in machine.widths, "while the game ran, the CPU continued"
    assert machine.widths[-1] == ((0,), 4), "and in the end the card was used in full"
    assert len(machine.walk.history) < 30, "without wearing itself out with attempts in between"


def test_a_card_with_less_room_than_thought_settles_on_what_fits() -> None:
    machine = Machine(start(Plan(devices=(0,), workers=4)), lambda card, hour: 4.5)
    assert machine.run()
    assert machine.widths[-1] == ((0,), 2)


def test_two_cards_of_which_one_dies_end_complete_on_the_other() -> None:
    machine = Machine(
        start(Plan(devices=(0, 1), workers=2), gpus=2),
        lambda card, hour: 0.3,
        dead=lambda card, hour: card == 1 and hour > 0.1,
    )
    assert machine.run()
    assert machine.widths == [((0, 1), 2), ((0,), 2)]
    assert machine.walk.context.excluded == {1}


def test_with_no_help_allowed_a_full_card_stops_the_run_and_says_why() -> None:
    walk = start(Plan(devices=(0,), workers=2), on_gpu_failure=OnGpuFailure.STOP)
    assert not Machine(walk, lambda card, hour: 7.9).run()
    last = walk.decisions[-1]
    assert isinstance(last, Stop) and last.cause == "gpu-oom-tensor"
    assert "GPU 0 had 0.0 of 8.0 GiB free" in last.sentence or "of 8.0 GiB free" in last.sentence


CAUSES = [(cause, "unknown") for cause in BY_CAUSE] + [("made-up", category) for category in BY_CATEGORY]


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_whatever_happens_plans_stay_valid_and_runs_without_progress_end(data: st.DataObject) -> None:
    gpus = data.draw(st.integers(0, 3))
    wide = Plan(devices=tuple(range(gpus)), workers=data.draw(st.integers(1, 6)))
    walk = start(
        wide,
        gpus,
        on_gpu_failure=data.draw(st.sampled_from(OnGpuFailure)),
        builtin_available=data.draw(st.booleans()),
        black_box=data.draw(st.booleans()),
        may_wait=data.draw(st.booleans()),
        longest_side=data.draw(st.sampled_from([0, 320, 1280, 4000])),
    )
    walk.telemetry = data.draw(st.sampled_from([None, walk.telemetry]))
    quarantined: set[str] = set()
    cleared = False
    for number in range(80):
        cause, category = data.draw(st.sampled_from(CAUSES))
        suspects = (f"{number // 2}.png",) if data.draw(st.booleans()) else ()
        device = data.draw(st.sampled_from(walk.plan.devices)) if walk.plan.devices else None
        verdict: Verdict = failure(cause, category, f"text {number}")
        decision = walk.fail(verdict, suspects=suspects, device=device)
        plan = walk.plan
        assert plan.workers >= 1 and set(plan.devices) <= set(range(gpus))
        back = decision.then if isinstance(decision, Quarantine) else decision
        cleared |= isinstance(back, RepairFrame) and back.others is not None
        cleared |= isinstance(decision, Quarantine) and plan == wide
        assert cleared or not set(plan.devices) & walk.context.excluded, "unless a frame was to blame for it"
        assert plan.max_side == 0 or plan.max_side >= 640
        assert decision.sentence.startswith(f"attempt {number + 1}: ")
        if Rung.QUARANTINE_FRAME in decision.rungs:
            assert suspects and suspects[0] not in quarantined
            quarantined.update(suspects)
        if isinstance(decision, Stop):
            return
    assert quarantined, "only frames put aside may keep a run without progress going so long"
