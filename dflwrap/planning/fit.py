"""How wide a plan may be: workers per device, TensorFlow's threads, frames per attempt.

Where the figures come from:
- CPU: on 2 cores with the real DFL, two workers with one TensorFlow thread each gave 18 % (640x360) to 30 %
  (1920x1080) more frames/s than stock's single worker; two workers with default threads gave less, a third
  worker added nothing. So: one worker per core, and cores // workers threads each.
- GPU: users who run several DFL extractions per card report about 5 GB of video memory each and up to twice
  the speed from two; reports of more than three are rare. So: 5 GiB until the first worker was measured.
- RAM: a CPU worker held 0.8 GB; a GPU worker maps the CUDA libraries as well, reckoned at 2 GiB.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from dflwrap.common.memory import GIB
from dflwrap.common.plan import Plan
from dflwrap.common.telemetry import DeviceInfo, TelemetrySummary

ASSUMED_GPU_PEAK = 5 * GIB
"""Video memory of one worker until it was measured."""
ASSUMED_CPU_RAM = 1 * GIB
ASSUMED_GPU_RAM = 2 * GIB
PEAK_MARGIN = 1.15
"""A measured peak of the first frames may be passed by later ones: larger or with more faces."""
MAX_WORKERS_PER_GPU = 4
"""Where the width is fixed for an attempt (black box): reports of more than three are rare."""
MOST_PER_CARD, WORKERS_PER_CORE = 16, 2
"""Where it is elastic, more workers than these are not tried: each decodes and encodes on a core."""
MAX_CPU_WORKERS = 16
MOST_WAITED_FOR = 0.8
"""Of a card's memory: the driver and a desktop hold some of it, and more is never free."""
RAM_RESERVE = 1 * GIB
"""RAM left to the rest of the machine, or a tenth of what is available, whichever is more."""
DISPLAY_RESERVE = 2 * GIB
"""Video memory left to the desktop on a card that drives a display; a quarter of the card if less."""
CARD_RESERVE = GIB // 2
"""Video memory left alone on other cards: the driver's own needs move by some hundred MiB."""
BLACK_BOX_BATCH = 500
"""Frames per attempt once a black-box run has failed: at 2 frames/s a restart (12 s) costs about 5 %."""

PCI_ORDER = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
"""Makes CUDA count the cards as NVML does; by itself it puts the fastest first, and another card would be
measured than the one that works."""


@dataclass(frozen=True, slots=True)
class GpuHeadroom:
    """What a GPU offers now. Bytes."""

    index: int
    total: int
    free: int
    drives_display: bool = False


@dataclass(frozen=True, slots=True)
class Fit:
    """A width and the reason for it."""

    workers: int
    threads: int
    limit: str
    """What keeps it from being wider: "cores", "ram", "vram", "most", "frames" or "asked"."""
    sentence: str


def reserve(total: int, drives_display: bool) -> int:
    """Video memory (bytes) of a card of `total` bytes that is never planned for."""
    return min(DISPLAY_RESERVE, total // 4) if drives_display else min(CARD_RESERVE, total // 8)


def wanted_vram(total: int, drives_display: bool, workers: int, worker_peak: int | None) -> int:
    """Video memory (bytes) that has to be free on a card of `total` bytes for so many workers to start.

    worker_peak: of one, bytes; None: not measured, then no more than what a small card can have free.
    """
    kept = reserve(total, drives_display)
    each = int(worker_peak * PEAK_MARGIN) if worker_peak else ASSUMED_GPU_PEAK
    return min(workers * each + kept, int(total * MOST_WAITED_FOR))


def usable_ram(available: int) -> int:
    """RAM (bytes) that workers may take together, of `available` bytes."""
    return max(0, available - max(RAM_RESERVE, available // 10))


def fit_cpu(cores: int, ram_available: int | None = None, worker_ram: int | None = None) -> Fit:
    """Workers and threads for the CPU. cores: those this process may use."""
    cores = max(1, cores)
    limits = {"cores": cores, "most": MAX_CPU_WORKERS}
    if ram_available is not None:
        limits["ram"] = usable_ram(ram_available) // (worker_ram or ASSUMED_CPU_RAM)
    limit = min(limits, key=lambda name: limits[name])
    workers = max(1, limits[limit])
    threads = max(1, cores // workers)
    sentence = (
        f"CPU: {count(workers, 'worker')} with {count(threads, 'thread')} each on {count(cores, 'core')}"
    )
    if limit == "ram" and ram_available is not None:
        sentence += f", limited by {ram_available / GIB:.1f} GiB of free RAM"
    return Fit(workers, threads, limit, sentence)


def cpu_plan(cores: int, ram_available: int | None) -> Plan:
    """The plan of a process on the CPU that has the machine to itself: as wide as cores and memory allow."""
    fit = fit_cpu(cores, ram_available)
    return Plan(workers=fit.workers, threads=fit.threads)


def fit_gpu(
    rooms: tuple[GpuHeadroom, ...],
    cores: int,
    ram_available: int | None = None,
    worker_vram: int | None = None,
    worker_ram: int | None = None,
) -> Fit:
    """Workers per device, the same on each of `rooms`: the fullest card decides.

    worker_vram: measured peak of one worker in bytes, None before the first measurement.
    Raises ValueError if `rooms` is empty.
    """
    if not rooms:
        raise ValueError("no GPU to fit a plan on")
    each = int(worker_vram * PEAK_MARGIN) if worker_vram else ASSUMED_GPU_PEAK
    by_card = {
        room.index: max(0, room.free - reserve(room.total, room.drives_display)) // each for room in rooms
    }
    fullest = min(rooms, key=lambda room: by_card[room.index])
    limits = {
        "vram": by_card[fullest.index],
        "cores": max(1, cores) // len(rooms),
        "most": MAX_WORKERS_PER_GPU,
    }
    if ram_available is not None:
        limits["ram"] = usable_ram(ram_available) // (worker_ram or ASSUMED_GPU_RAM) // len(rooms)
    limit = min(limits, key=lambda name: limits[name])
    workers = max(1, limits[limit])
    known = "measured" if worker_vram else "assumed"
    sentence = (
        f"GPU: {count(workers, 'worker')} per card; GPU {fullest.index} has {fullest.free / GIB:.1f} of "
        f"{fullest.total / GIB:.1f} GiB free, {each / GIB:.1f} GiB per worker ({known}), limited by {limit}"
    )
    return Fit(workers, 0, limit, sentence)


def fit_workers(
    plan: Plan,
    *,
    cores: int,
    rooms: tuple[GpuHeadroom, ...] = (),
    ram_available: int | None = None,
    worker_vram: int | None = None,
    worker_ram: int | None = None,
    asked: int | None = None,
    frames: int | None = None,
    elastic: bool = False,
) -> tuple[Plan, Fit]:
    """The plan with the workers and threads that fit its devices (`--workers auto`), or those asked for.

    No more than there are cores (shared by the cards), and frames to extract where that is known. A plan with
    GPUs also gets the environment that makes its indices mean the cards of `rooms`.
    elastic: the width follows memory and frames per second while the attempt runs (`planning.width`): on cards the plan
    then says how far it may come.
    rooms: the GPUs present; those that `plan.devices` names count. If none of them can be read, one worker.
    """
    if asked is not None:
        fit = _fit_asked(plan, asked, max(1, cores), frames)
    elif not plan.devices:
        fit = fit_cpu(cores, ram_available, worker_ram)
    elif elastic and any(room.index in plan.devices for room in rooms):
        widest = most_workers(cores, len(plan.devices))
        sentence = f"GPU: 1 worker per card to begin with, more where they make it faster, at most {widest}"
        fit = Fit(widest, 0, "most", sentence)
    elif mine := tuple(room for room in rooms if room.index in plan.devices):
        fit = fit_gpu(mine, cores, ram_available, worker_vram, worker_ram)
    else:
        fit = Fit(1, 0, "vram", "GPU: 1 worker per card; free video memory cannot be read here")
    most = _most_for(plan, frames)
    if most is not None and most < fit.workers:
        threads = fit.threads * fit.workers // most
        fit = Fit(most, threads, "frames", f"{_place(plan, most)} for {count(frames or 0, 'frame')}")
    env = {**PCI_ORDER, **plan.env} if plan.devices else plan.env
    return replace(plan, workers=fit.workers, threads=fit.threads, env=env), fit


def _most_for(plan: Plan, frames: int | None) -> int | None:
    """Workers per device that so many frames keep busy; None = not known."""
    return None if not frames else math.ceil(frames / max(1, len(plan.devices)))


def _fit_asked(plan: Plan, asked: int, cores: int, frames: int | None) -> Fit:
    by_cores = max(1, cores // max(1, len(plan.devices)))
    by_frames = _most_for(plan, frames)
    workers = min(asked, by_cores, by_frames or asked)
    threads = 0 if plan.devices else max(1, cores // workers)
    if workers == asked:
        return Fit(asked, threads, "asked", f"{_place(plan, asked)}, as requested")
    limit = "cores" if workers == by_cores else "frames"
    why = count(cores, "core") if limit == "cores" else count(frames or 0, "frame")
    verb = "is" if why.startswith("1 ") else "are"
    return Fit(
        workers, threads, limit, f"{_place(plan, workers)}, not {asked} as requested: there {verb} {why}"
    )


def _place(plan: Plan, workers: int) -> str:
    return f"GPU: {count(workers, 'worker')} per card" if plan.devices else f"CPU: {count(workers, 'worker')}"


def for_frames(plan: Plan, frames: int) -> Plan:
    """`plan` without the workers and cards for which there is no frame."""
    devices = plan.devices[: max(1, frames)]
    most = max(1, math.ceil(frames / max(1, len(devices))))
    if most >= plan.workers:
        return replace(plan, devices=devices)
    return replace(plan, devices=devices, workers=most, threads=plan.threads * plan.workers // most)


def measured_peak(telemetry: TelemetrySummary | None, plan: Plan) -> int | None:
    """Video memory (bytes) of one worker of an attempt under `plan`; None if it was not to be seen.

    What Windows kept in RAM because the card was full counts: a plan as wide as that was too wide.
    """
    devices = () if telemetry is None else [d for d in telemetry.devices if d.index in plan.devices]
    return max((d.worker_peak for d in devices if d.worker_peak), default=None)


def rooms_of(devices: tuple[DeviceInfo, ...], telemetry: TelemetrySummary | None) -> tuple[GpuHeadroom, ...]:
    """The room on each GPU by the last samples, without what the extractor held; unread GPUs are left out."""
    rooms = []
    for device in devices:
        summary = None if telemetry is None else telemetry.device(device.index)
        free = None if summary is None else summary.free_without_us
        if summary is not None and free is not None:
            total = summary.total or device.total_memory
            rooms.append(GpuHeadroom(device.index, total, free, device.drives_display))
    return tuple(rooms)


def most_workers(cores: int, cards: int) -> int:
    """Workers of one card that are ever tried."""
    return max(1, min(MOST_PER_CARD, WORKERS_PER_CORE * cores // max(1, cards)))


def fit_batch(open_frames: int, *, black_box: bool, failed_before: bool) -> int:
    """`--batch-size auto`: all open frames (0), or a bounded number where a failure loses what it holds.

    Starting an attempt costs 10 to 12 s, so a run without failures has one. With events per frame a failure
    loses nothing that was finished; in black-box mode it may, and a smaller batch is searched faster.
    """
    if black_box and failed_before and open_frames > BLACK_BOX_BATCH:
        return BLACK_BOX_BATCH
    return 0


def count(number: int, noun: str) -> str:
    """ "1 worker", "2 workers"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
