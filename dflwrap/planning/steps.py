"""What each plan-changing rung does to a plan: one small function per rung, pure.

A step returns a `Change`, or a `Skip` with the reason why the rung cannot help here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from dflwrap.common.choices import OnGpuFailure
from dflwrap.common.plan import Plan
from dflwrap.common.rungs import Rung
from dflwrap.planning.fit import Fit, count, fit_cpu
from dflwrap.planning.inputs import AttemptRecord, RunContext

GPU_SIDE = 960
"""DFL's detector sees the frame scaled to a longest side of 640, from below 1280 at half its size: so only
below 1280 does a smaller input save video memory. At 960 it sees 480 px: 56 % of the pixels."""
HOST_SIDE = 1920
SMALLEST_SIDE = 640
SMALLEST_BATCH = 8
PROBATION_BATCH = 300
"""Frames of an attempt on a narrowed plan: after them the run may go wider again."""
PATIENCE_FACTOR = 2.0
PATIENCE_MOST = 7200.0
"""Seconds. First runs on a new GPU were reported to compile for half an hour."""


@dataclass(frozen=True, slots=True)
class Change:
    """A changed plan, or another extractor."""

    plan: Plan
    words: str
    """Like "4 workers -> 2"."""
    extractor: str | None = None
    excluded: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Skip:
    """This rung cannot help here."""

    why: str = ""
    """Worth telling the user, or empty."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What a step may look at."""

    plan: Plan
    context: RunContext
    category: str
    failed_devices: frozenset[int]
    """GPUs on which this failure was seen in this episode."""
    record: AttemptRecord
    ram_available: int | None = None
    """Bytes that were free before the failed attempt took any; None = not measured."""

    def fit_cpu(self) -> Fit:
        """How wide the CPU may be used by what is free, or by all the RAM where only that is known."""
        available = self.context.ram_total or None if self.ram_available is None else self.ram_available
        return fit_cpu(self.context.cores, available)


Step = Callable[[Situation], Change | Skip]


def half_workers(s: Situation) -> Change | Skip:
    """Half the workers per device."""
    return _fewer(s, s.plan.workers // 2)


def one_worker(s: Situation) -> Change | Skip:
    """One worker per device."""
    return _fewer(s, 1)


def _fewer(s: Situation, workers: int) -> Change | Skip:
    if s.plan.workers < 2 or "workers" not in s.context.supported_fields:
        return Skip()
    if s.context.elastic and s.category == "gpu-memory":
        return Skip()  # it has been down to one worker already
    plan = replace(s.plan, workers=workers)
    if not s.plan.devices and s.plan.threads:
        plan = replace(plan, threads=max(s.plan.threads, s.context.cores // workers))
    return Change(plan, f"{count(s.plan.workers, 'worker')} -> {workers}")


def smaller_input(s: Situation) -> Change | Skip:
    """A shorter longest side of the frames that are handed in."""
    if "max_side" not in s.context.supported_fields:
        return Skip()
    on_gpu = s.category == "gpu-memory"
    largest = s.context.longest_side
    now = min(side for side in (s.plan.max_side, largest, 10**9) if side)
    target = GPU_SIDE if on_gpu else HOST_SIDE
    while not on_gpu and target >= now and target // 2 >= SMALLEST_SIDE:
        target //= 2
    if largest and now <= target:
        return Skip(f"smaller inputs cannot help: the longest side is {now} px already")
    if not largest and s.plan.max_side and s.plan.max_side <= target:
        return Skip()
    was = f"{now} px" if largest or s.plan.max_side else "as they are"
    words = f"longest side {was} -> {target} px"
    if on_gpu and s.context.extractor == "deepfacelab":
        words += f" (the detector then sees {target // 2} px instead of 640)"
    return Change(replace(s.plan, max_side=target), words)


def weights_on_cpu(s: Situation) -> Change | Skip:
    """The networks' weights in RAM."""
    if s.plan.weights_on_cpu or not s.plan.devices or "weights_on_cpu" not in s.context.supported_fields:
        return Skip()
    return Change(replace(s.plan, weights_on_cpu=True), "weights on the GPU -> on the CPU")


def other_device(s: Situation) -> Change | Skip:
    """A GPU that has not failed in this episode, with one worker."""
    if not s.plan.devices:
        return Skip()
    fresh = [d for d in s.context.usable() if d not in s.failed_devices and d not in s.plan.devices]
    if not fresh:
        return Skip()
    wide = s.context.widest
    plan = replace(
        s.plan, devices=(fresh[0],), workers=1, weights_on_cpu=wide.weights_on_cpu, max_side=wide.max_side
    )
    return Change(plan, f"{gpus(s.plan.devices)} -> GPU {fresh[0]}")


def exclude_device(s: Situation) -> Change | Skip:
    """Leave out the unhealthy GPU and continue with those left (of the run's devices, or any that is present)."""
    unhealthy = s.record.device
    if unhealthy is None and len(s.plan.devices) == 1:
        unhealthy = s.plan.devices[0]
    if unhealthy is None and s.plan.devices:
        first = s.plan.devices[0]
        words = f"{gpus(s.plan.devices)} -> GPU {first} alone, to see which one fails"
        return Change(replace(s.plan, devices=(first,)), words)
    if unhealthy is None or unhealthy not in s.plan.devices:
        return Skip()
    left = tuple(d for d in s.plan.devices if d != unhealthy)
    if not left:
        left = tuple(d for d in s.context.usable() if d != unhealthy and d not in s.failed_devices)
    if not left:
        return Skip("there is no other GPU")
    words = f"GPU {unhealthy} is left out, continuing with {gpus(left)}"
    return Change(replace(s.plan, devices=left), words, excluded=(unhealthy,))


def to_cpu(s: Situation) -> Change | Skip:
    """All of it on the CPU, as wide as cores and free RAM allow; only where the user wants that."""
    if not s.plan.devices:
        return Skip()
    if s.context.on_gpu_failure is not OnGpuFailure.CPU:
        return Skip(f"the CPU is not tried (--on-gpu-failure {s.context.on_gpu_failure.value})")
    fit = s.fit_cpu()
    plan = replace(
        s.plan,
        devices=(),
        workers=fit.workers if "workers" in s.context.supported_fields else 1,
        threads=fit.threads if "threads" in s.context.supported_fields else 0,
        weights_on_cpu=False,
        max_side=s.context.widest.max_side,
    )
    # Memory comes back; a build that does not fit the card, or a dead card, does not.
    gone = () if s.category == "gpu-memory" else s.plan.devices
    words = f"{gpus(s.plan.devices)} -> CPU with {count(plan.workers, 'worker')}"
    return Change(plan, words, excluded=gone)


def smaller_batch(s: Situation) -> Change | Skip:
    """A quarter of the frames per attempt."""
    now = s.plan.batch_size or s.context.open_frames
    target = max(SMALLEST_BATCH, now // 4)
    if target >= now:
        return Skip()
    return Change(replace(s.plan, batch_size=target), f"{now} frames per attempt -> {target}")


def patience(s: Situation) -> Change | Skip:
    """Twice the time for start-up and per frame, up to `PATIENCE_MOST`."""
    startup = min(PATIENCE_MOST, s.plan.startup_timeout * PATIENCE_FACTOR)
    steady = min(PATIENCE_MOST, s.plan.frame_timeout * PATIENCE_FACTOR)
    if startup <= s.plan.startup_timeout and steady <= s.plan.frame_timeout:
        return Skip()
    words = f"start-up may take {startup / 60:.0f} min instead of {s.plan.startup_timeout / 60:.0f}"
    return Change(replace(s.plan, startup_timeout=startup, frame_timeout=steady), words)


def builtin_extractor(s: Situation) -> Change | Skip:
    """The built-in extractor takes over; only where the user wants that."""
    allowed = s.context.on_gpu_failure is OnGpuFailure.BUILTIN
    if s.context.extractor == "builtin":
        return Skip()
    if not s.context.builtin_available:
        return Skip("the built-in extractor is not installed" if allowed else "")
    if not allowed:
        return Skip("--on-gpu-failure builtin would let the built-in extractor take over")
    fit = s.fit_cpu()
    plan = replace(
        s.context.widest, devices=(), workers=fit.workers, threads=fit.threads, weights_on_cpu=False
    )
    return Change(plan, f"{s.context.extractor} -> the built-in extractor", "builtin")


STEPS: dict[Rung, Step] = {
    Rung.HALF_WORKERS: half_workers,
    Rung.ONE_WORKER: one_worker,
    Rung.SMALLER_INPUT: smaller_input,
    Rung.WEIGHTS_ON_CPU: weights_on_cpu,
    Rung.OTHER_DEVICE: other_device,
    Rung.EXCLUDE_DEVICE: exclude_device,
    Rung.CPU: to_cpu,
    Rung.SMALLER_BATCH: smaller_batch,
    Rung.PATIENCE: patience,
    Rung.BUILTIN_EXTRACTOR: builtin_extractor,
}

REPEATABLE = frozenset({Rung.OTHER_DEVICE, Rung.EXCLUDE_DEVICE})
"""Taken as long as there is a GPU left, however often the row names them."""


def on_probation(plan: Plan, context: RunContext) -> Plan:
    """A plan narrower than the run's widest gets a bounded batch, so that the run can widen again."""
    if plan.batch_size == 0 and context.open_frames > PROBATION_BATCH:
        return replace(plan, batch_size=PROBATION_BATCH)
    return plan


def gpus(devices: tuple[int, ...]) -> str:
    """ "GPU 0", "GPUs 0 and 1"."""
    return ("GPU " if len(devices) == 1 else "GPUs ") + " and ".join(str(d) for d in devices)


def plan_words(plan: Plan) -> str:
    """ "2 workers on GPU 0, all frames"."""
    on = gpus(plan.devices) if plan.devices else "the CPU"
    frames = f"{plan.batch_size} frames" if plan.batch_size else "all frames"
    return f"{count(plan.workers, 'worker')} on {on}, {frames}"
