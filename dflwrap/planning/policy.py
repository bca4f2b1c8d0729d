"""The policy: a failed attempt in, the next step out. Pure; the table is `ladder`, the changes are `steps`.

Three counts decide when enough is enough:
- a rung is taken once per episode (twice if its row names it twice). An episode ends with a healthy attempt;
  for rungs that change nothing (`REFILLED`) also with `REFILL_FRAMES` gained since.
- the same failure (fingerprint) on the same plan without a frame gained is seen at most `SAME_FAILURE`
  times in a row: rungs that would only repeat it are passed over.
- `ATTEMPTS_WITHOUT_PROGRESS` in a row without a frame gained, whatever their causes, end the run. Any frame
  refills it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from dflwrap.common.memory import GIB
from dflwrap.common.plan import Plan
from dflwrap.common.rungs import Rung
from dflwrap.common.telemetry import TelemetrySummary
from dflwrap.common.verdict import Cause, Verdict
from dflwrap.planning.blame import (
    MOST_WITHOUT_PROGRESS,
    by_trial,
    frames_own_doing,
    instead_of_stopping,
    is_named,
    ladder_of,
    why_no_search,
)
from dflwrap.planning.decision import (
    Bisect,
    Decision,
    DiskCondition,
    NextPlan,
    Quarantine,
    RepairFrame,
    Stop,
    VramCondition,
    Wait,
)
from dflwrap.planning.episodes import (
    attempts_without_progress,
    failed_devices,
    same_failures,
    used_rungs,
)
from dflwrap.planning.fingerprint import UNKNOWN_CAUSE
from dflwrap.planning.fit import wanted_vram
from dflwrap.planning.inputs import AttemptRecord, RunContext, with_alone_marked
from dflwrap.planning.ladder import (
    ENVIRONMENT_FIXES,
    POISON,
    Ladder,
)
from dflwrap.planning.reasons import evidence_lines, reason, unhealthy_device
from dflwrap.planning.steps import REPEATABLE, STEPS, Change, Situation, Skip, on_probation

SAME_FAILURE = 3
"""So often the same failure may meet the same plan without a frame gained."""
ATTEMPTS_WITHOUT_PROGRESS = 12
"""Attempts in a row without a frame gained: the longest row has 9 rungs, and failures change on the way."""

VRAM_BOUND = 180.0
"""Seconds. A killed worker's memory is back within a few seconds; another program may hold it all night, and
then a narrower plan now is worth more than a wide one later (the run widens again by itself)."""
VRAM_ALONE_BOUND = 24 * 3600.0
"""Seconds where nothing else can do the work: somebody may want the card all night."""
VRAM_SLACK = GIB // 4
"""What the extractor took need not be read to the last MiB: the desktop moves by some hundred MiB."""
DISK_BOUND = 24 * 3600.0
"""Seconds until somebody has made room."""
DISK_ROOM = 2 * GIB
"""Of a small disk a tenth is enough (see `DiskCondition`)."""
TRANSIENT_PAUSE = 5.0
DRIVER_PAUSE = 30.0
"""Seconds. A driver that was reset answers again after some seconds."""

_NARROWING = frozenset(STEPS) - {Rung.PATIENCE}


@dataclass(frozen=True, slots=True)
class _Case:
    verdict: Verdict
    cause: Cause | None
    history: tuple[AttemptRecord, ...]
    telemetry: TelemetrySummary | None
    plan: Plan
    context: RunContext

    @property
    def record(self) -> AttemptRecord:
        return self.history[-1]

    @property
    def id(self) -> str:
        return self.cause.id if self.cause is not None else UNKNOWN_CAUSE

    @property
    def category(self) -> str:
        return self.cause.category if self.cause is not None else "unknown"

    def says(self, change: str) -> str:
        because = reason(self.cause, self.record, self.telemetry)
        return f"attempt {self.record.number}: {change}: {because}"


def decide(
    verdict: Verdict,
    history: tuple[AttemptRecord, ...],
    telemetry: TelemetrySummary | None,
    plan: Plan,
    context: RunContext,
) -> Decision:
    """The answer to the failed attempt `history[-1]`, which ran under `plan`.

    After an attempt that ran a frame alone, the answer builds on the plan that the run had before it.
    Raises ValueError if `history` is empty: there is nothing to answer.
    """
    if not history:
        raise ValueError("the policy answers an attempt, and the history holds none")
    history = with_alone_marked(history, context)
    plan = next((record.plan for record in reversed(history) if not record.alone), plan)
    case = _Case(verdict, verdict.primary, history, telemetry, plan, context)
    frames_own = frames_own_doing(case.cause, case.record, telemetry)
    if frames_own is not None:
        case = replace(case, cause=frames_own)
    device = unhealthy_device(case.record, telemetry)
    if device != case.record.device:
        case = replace(case, history=(*history[:-1], replace(case.record, device=device)))
    return _or_frames(case, _answer(case))


def _answer(case: _Case) -> Decision:
    row = ladder_of(case.cause, case.history)
    if row is POISON:
        return _poison(case)
    if attempts_without_progress(case.history) >= ATTEMPTS_WITHOUT_PROGRESS:
        return _stop(case, f"{ATTEMPTS_WITHOUT_PROGRESS} attempts in a row gained no frame")
    return _walk(case, row, 0, ())


def _or_frames(case: _Case, decision: Decision) -> Decision:
    """Nothing is left to try against the failure as a whole: then single frames may be to blame.

    And the machine is not: the run goes back to its widest plan, with the cards that were left out on the way.
    """
    if case.context.trials.no_progress >= MOST_WITHOUT_PROGRESS:
        return _given_up(case, decision)
    if isinstance(decision, Wait) and isinstance(decision.otherwise, Stop):
        return replace(decision, otherwise=_frames_or_stop(case, decision.otherwise))
    return _frames_or_stop(case, decision) if isinstance(decision, Stop) else decision


def _frames_or_stop(case: _Case, stop: Stop) -> RepairFrame | Quarantine | Stop:
    context = case.context
    accused = instead_of_stopping(
        case.id,
        case.category,
        case.history,
        context.trials,
        context.done_before,
        black_box=context.black_box,
    )
    if accused is None:
        return stop
    frames, why, widest = accused.frames, stop.why or stop.sentence, context.widest
    names = frames[0] if len(frames) == 1 else f"{len(frames)} frames"
    fate = "quarantined" if accused.tried else "to be tried alone"
    sentence = f"attempt {case.record.number}: {names} {fate}: {why}"
    if accused.tried:
        then = NextPlan(widest, (Rung.QUARANTINE_FRAME,), sentence)
        return Quarantine(frames, case.id, (why,), sentence, then)
    # The rungs of the stop, for the ladder is at its end: on a row of their own the frames are tried once more.
    return RepairFrame(frames, case.id, sentence, None, stop.rungs, others=widest)


def _given_up(case: _Case, decision: Decision) -> Decision:
    """Frame after frame is suspected, and none comes to its end."""
    if isinstance(decision, Quarantine) and isinstance(decision.then, RepairFrame):
        return replace(decision, then=_no_progress(case))
    return _no_progress(case) if isinstance(decision, RepairFrame) else decision


def _no_progress(case: _Case) -> Stop:
    attempts = f"{case.context.trials.no_progress} attempts in a row brought no frame to its end"
    return Stop(
        case.id,
        f"attempt {case.record.number}: stopped, {attempts}",
        ("Look at the log of the last attempt.", "Run the same command again to resume."),
    )


def _walk(case: _Case, row: Ladder, start: int, notes: tuple[str, ...]) -> Decision:
    """Take the first rung of the row, from `start` on, that was not used up and changes something."""
    used = used_rungs(case.history)
    stuck = same_failures(case.history) >= SAME_FAILURE
    for position in range(start, len(row)):
        rung = row[position]
        allowed = row[: position + 1].count(rung)
        if rung not in REPEATABLE and used.count(rung) >= allowed:
            continue
        answer: Decision | Skip
        if rung is Rung.USER:
            return _stop(case, "nothing is left to try" if position else "", notes)
        if rung in STEPS:
            answer = _change(case, rung, notes)
        elif rung is Rung.WAIT_FOR_VRAM:
            answer = _wait_for_vram(case, row, position)
        elif rung is Rung.WAIT_FOR_DISK:
            answer = _wait_for_disk(case)
        elif rung is Rung.BISECT_BATCH:
            answer = _bisect(case)
        elif stuck:
            continue
        else:
            answer = _again(case, rung)
        if not isinstance(answer, Skip):
            return answer
        notes = (*notes, answer.why) if answer.why else notes
    return _stop(case, "nothing is left to try", notes)


def _change(case: _Case, rung: Rung, notes: tuple[str, ...]) -> NextPlan | Skip:
    context = case.context
    if rung is Rung.SMALLER_BATCH and case.record.frames_given == 1:
        return Skip()
    available = case.telemetry.ram_available_before if case.telemetry is not None else None
    failed = failed_devices(case.history)
    situation = Situation(case.plan, context, case.category, failed, case.record, available)
    result = STEPS[rung](situation)
    if not isinstance(result, Change):
        return result
    plan = on_probation(result.plan, context) if rung in _NARROWING and not result.extractor else result.plan
    words = "; ".join((*notes, result.words))
    return NextPlan(plan, (rung,), case.says(words), extractor=result.extractor, excluded=result.excluded)


def _again(case: _Case, rung: Rung) -> NextPlan:
    fixes = ENVIRONMENT_FIXES.get(case.id, {})
    plan = replace(case.plan, env={**case.plan.env, **fixes}) if fixes else case.plan
    if fixes:
        words = "again with " + ", ".join(f"{name}={value}" for name, value in fixes.items())
    elif rung is Rung.FRESH_PROCESS:
        words = "the same plan in a fresh process"
    else:
        words = "the same again"
    pause = DRIVER_PAUSE if case.category == "gpu-driver" else TRANSIENT_PAUSE
    return NextPlan(plan, (rung,), case.says(words), pause=pause)


def _bisect(case: _Case) -> Decision | Skip:
    """Search the batch; where the frame is named already (agent, or one frame left), no search is needed."""
    if is_named(case.history, case.id, black_box=case.context.black_box):
        return _poison(case)
    left = case.record.frames_given - case.record.frames_gained
    why_not = "nothing is left to halve" if left < 2 else why_no_search(case.record)
    if why_not:
        return Skip(why_not)
    plan = replace(case.plan, workers=1, devices=case.plan.devices[:1])
    suspect = case.record.suspects[0] if case.record.suspects else None
    words = f"the {left} frames left of the batch are bisected to find the one that breaks it"
    return NextPlan(plan, (Rung.BISECT_BATCH,), case.says(words), frames=Bisect(suspect))


def _wait_for_vram(case: _Case, row: Ladder, position: int) -> Wait | Skip:
    """Until the card has what the workers need, and its reserve. Bounded shortly where something else can be done."""
    device = None
    if case.telemetry is not None:
        known = [d for d in case.telemetry.devices if d.index in case.plan.devices]
        known = [d for d in known if d.free_before is not None and d.free_min is not None]
        mine = [d for d in known if d.index == case.record.device] or known
        device = max(mine, key=lambda d: (d.free_before or 0) - (d.free_min or 0), default=None)
    if device is None or device.free_before is None:
        return Skip(
            "" if not case.plan.devices else "free video memory cannot be read here, so no waiting for it"
        )
    taken = device.free_before - (device.free_min or 0)
    drives_display = any(one.index == device.index and one.drives_display for one in case.context.devices)
    if device.ours_peak is not None and taken <= device.ours_peak + VRAM_SLACK:
        return Skip(f"the extractor itself held {device.ours_peak / GIB:.1f} GiB, waiting cannot help")
    # With an elastic width one worker is enough to begin with.
    workers = 1 if case.context.elastic else case.plan.workers
    wanted = wanted_vram(device.total, drives_display, workers, case.context.worker_peak)
    sentence = case.says(f"waiting until GPU {device.index} has {wanted / GIB:.1f} GiB free")
    then = NextPlan(case.plan, (Rung.WAIT_FOR_VRAM,), sentence)
    note = f"no {wanted / GIB:.1f} GiB free after {VRAM_BOUND / 60:.0f} min"
    otherwise = _walk(case, row, position + 1, (note,))
    if isinstance(otherwise, NextPlan):
        otherwise = replace(otherwise, rungs=(Rung.WAIT_FOR_VRAM, *otherwise.rungs))
    elif not isinstance(otherwise, Stop):
        otherwise = then
    condition = VramCondition(device.index, wanted)
    bound = VRAM_ALONE_BOUND if isinstance(otherwise, Stop) else VRAM_BOUND
    return Wait(condition, bound, 1.0, 15.0, then, otherwise, (Rung.WAIT_FOR_VRAM,), sentence)


def _wait_for_disk(case: _Case) -> Wait | Skip:
    if not case.context.may_wait:
        return Skip()
    stop = _stop(case, _NO_ROOM)
    return _for_room(case.plan, case.says(_FOR_ROOM), stop)


_FOR_ROOM = f"waiting until the output disk has {DISK_ROOM / GIB:.0f} GiB (or a tenth of it) free"
_NO_ROOM = f"no room after {DISK_BOUND / 3600:.0f} h of waiting"


def wait_for_room(plan: Plan, why: str) -> Wait:
    """For a disk that is full under dflwrap itself, outside of any attempt's verdict. why: a sentence."""
    sentence = f"{_FOR_ROOM}: {why}"
    return _for_room(plan, sentence, Stop("disk-full", f"stopped, {_NO_ROOM}: {why}"))


def _for_room(plan: Plan, sentence: str, otherwise: Stop) -> Wait:
    then = NextPlan(plan, (Rung.WAIT_FOR_DISK,), sentence)
    condition = DiskCondition("output", DISK_ROOM)
    return Wait(condition, DISK_BOUND, 5.0, 60.0, then, otherwise, (Rung.WAIT_FOR_DISK,), sentence)


def _poison(case: _Case) -> Decision:
    """Repair each suspect and try it alone; those that failed so before are quarantined."""
    new, again = by_trial(case.history)
    alone = replace(case.plan, workers=1, devices=case.plan.devices[:1], batch_size=1)
    repair = None
    if new:
        words = f"{_names(new)} re-encoded and retried alone"
        repair = RepairFrame(new, case.id, case.says(words), alone)
        if not again:
            return repair
    sentence = case.says(f"{_names(again)} quarantined: it failed again after re-encoding")
    evidence = evidence_lines(case.cause) if case.cause is not None else ()
    go_on = repair or NextPlan(case.plan, (Rung.QUARANTINE_FRAME,), sentence)
    return Quarantine(again, case.id, evidence, sentence, go_on)


_UNKNOWN_STEPS = (
    "Read what the extractor said last: stderr.log and stdout.log of the last attempt in the run folder.",
    "Run one frame in DeepFaceLab's own script: if it fails too, unpack the build again.",
    "Or let the built-in extractor do it: --extractor builtin.",
)
"""For a failure that no rule knows: where to look, and what may work all the same."""


def _stop(case: _Case, why: str, notes: tuple[str, ...] = ()) -> Stop:
    words = "stopped" + (f", {why}" if why else "")
    if notes:
        words += " (" + "; ".join(notes) + ")"
    if case.cause is not None:
        proof = case.cause.proof
        steps = (*case.cause.steps, *((f"To prove that it is so: {proof}.",) if proof else ()))
    else:
        steps = _UNKNOWN_STEPS[:1] if case.context.extractor == "builtin" else _UNKNOWN_STEPS
    because = reason(case.cause, case.record, case.telemetry)
    return Stop(case.id, case.says(words), steps, why=because)


def _names(frames: tuple[str, ...]) -> str:
    return frames[0] if len(frames) == 1 else f"{len(frames)} frames ({frames[0]} and others)"
