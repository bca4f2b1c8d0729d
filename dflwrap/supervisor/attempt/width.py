"""The width of an attempt while it runs: what telemetry and events say goes to the controller, its orders to the
extractor, and each change in one sentence to the user."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from dflwrap.common.choices import OnGpuFailure
from dflwrap.common.events import Event, EventKind, gpu_of
from dflwrap.common.plan import Plan
from dflwrap.extractors.control_file import MOST_WORKERS, WORKERS, ControlWriter
from dflwrap.extractors.device_slots import OUT_OF_MEMORY
from dflwrap.planning.fit import count, fit_cpu, usable_ram
from dflwrap.planning.width.controller import Now, Order, WidthController
from dflwrap.planning.width.device import Device, Reading
from dflwrap.supervisor.attempt.record import RunningAttempt
from dflwrap.supervisor.services import RunServices
from dflwrap.telemetry.base import DeviceSample, HostSample, Sample
from dflwrap.telemetry.limits import usable_cores, usable_memory

LOW_OVER = 4.0
"""Seconds over which the least free memory counts: what a worker takes for a moment is missed by single samples."""
LOOK_AGAIN = 0.5
"""Seconds from one look to the next while frames come back."""
TOLD_AFTER = 1.0
"""Seconds after which a narrowing is told: several come together, and with each some frames that go round again."""
SHORT_RAM = 256 << 20
"""Bytes of free RAM below which a worker that dies is taken to have died of it."""
CPU = "CPU"


@dataclass(slots=True)
class _Narrowed:
    before: int
    after: int
    at: float


def device_of(worker: str | None) -> str:
    """ "GPU0.1" -> "GPU0"; "CPU3" -> "CPU"."""
    index = gpu_of(worker)
    return CPU if index is None else f"GPU{index}"


@dataclass(slots=True)
class ElasticWidth:
    """Of one run. Not covered: how many workers are right (`planning.width`)."""

    services: RunServices
    worker_peak: int | None = None
    """Video memory of one worker, where it is remembered; bytes."""
    _controllers: dict[tuple[object, ...], WidthController] = field(default_factory=dict)
    _controller: WidthController | None = None
    _writer: ControlWriter | None = None
    _number: int = 0
    _frames: int = 0
    _warm: dict[str, str] = field(default_factory=dict)
    """Workers that have finished a frame, and their devices."""
    _unsent: list[Order] = field(default_factory=list)
    _narrowed: dict[str, _Narrowed] = field(default_factory=dict)
    _again: Counter[str] = field(default_factory=Counter)
    _free: dict[str, deque[tuple[float, int]]] = field(default_factory=dict)
    _each: dict[str, int] = field(default_factory=dict)
    _sample: Sample | None = None
    _is_new: bool = True
    """The sample was not looked at before."""
    _looked: float = -1e9

    # -- an attempt begins, and ends ---------------------------------------------------------------

    def begin(self, running: RunningAttempt) -> dict[str, str]:
        """Write the first widths into the control file. What to add to the extractor's environment.

        A black box, a repair and a step of a search have the fixed width of their plan.
        """
        self._controller = self._writer = None
        if running.control is None:
            return {}
        plan = running.plan
        self._number, self._frames = running.number, 0
        self._warm, self._unsent, self._narrowed, self._again = {}, [], {}, Counter()
        self._free.clear()
        self._writer = ControlWriter(str(running.control))
        self._controller = self._controller_for(running)
        self._carry_out(self._controller.begin(self._now()))
        self.services.state.workers = self._controller.workers
        devices = self._controller.devices.values()
        return self._listed(plan) if plan.devices and not any(one.target for one in devices) else {}

    def end(self) -> None:
        """Tell what is not told yet."""
        self._tell(everything=True)
        self.services.state.workers = None
        self._controller = self._writer = None

    @property
    def refused(self) -> int | None:
        """What a worker held and was refused beside it, in the attempts so far: a measure of its need. Bytes."""
        cards = (
            card for one in self._controllers.values() for card in one.devices.values() if not card.on_cpu
        )
        return max((card.asked for card in cards if card.asked), default=None)

    def _controller_for(self, running: RunningAttempt) -> WidthController:
        plan = running.plan
        key = (running.extractor_name, plan.devices, plan.workers, plan.weights_on_cpu, plan.max_side)
        if key not in self._controllers:
            self._controllers[key] = self._made(plan)
        return self._controllers[key]

    def _made(self, plan: Plan) -> WidthController:
        request, cores = self.services.request, usable_cores()
        if not plan.devices:
            cpu = Device(CPU, plan.workers, on_cpu=True, start=plan.workers, threads=plan.threads)
            return WidthController({CPU: cpu})
        display = {one.index: one.drives_display for one in self.services.observer.devices()}
        fixed = plan.workers if request.workers is not None else None
        devices = {
            f"GPU{index}": Device(f"GPU{index}", plan.workers, display.get(index, False), fixed=fixed)
            for index in plan.devices
        }
        for device in devices.values():
            device.need = self.worker_peak
        stand_in = None
        if request.on_gpu_failure is OnGpuFailure.CPU:
            fit = fit_cpu(cores, usable_memory().available)
            stand_in = Device(CPU, fit.workers, on_cpu=True, start=fit.workers, threads=fit.threads)
        return WidthController(devices, stand_in)

    def _listed(self, plan: Plan) -> dict[str, str]:
        """The cards as DeepFaceLab's own listing would give them, which needs memory of a card that is full."""
        known = {one.index: one for one in self.services.observer.devices()}
        found = {"NN_DEVICES_INITIALIZED": "1", "NN_DEVICES_COUNT": str(max(plan.devices) + 1)}
        for index in range(max(plan.devices) + 1):
            card = known.get(index)
            name, total = (card.name, card.total_memory) if card is not None else (f"GPU {index}", 0)
            prefix = f"NN_DEVICE_{index}_"
            found |= {prefix + "TF_DEV_TYPE": "GPU", prefix + "NAME": name}
            found |= {prefix + "TOTAL_MEM": str(total), prefix + "FREE_MEM": str(total)}
        return found

    # -- while it runs -----------------------------------------------------------------------------

    def waiting(self) -> bool:
        """Nobody is to work now: silence is no hang."""
        return self._controller is not None and self._controller.waiting() and not self._warm

    def events(self, events: Sequence[Event]) -> None:
        """Take in what the extractor reports."""
        for event in events:
            self._event(event)
        if events and time.monotonic() - self._looked >= LOOK_AGAIN:
            self.look()

    def _event(self, event: Event) -> None:
        kind, worker = event.kind, event.worker or ""
        if kind is EventKind.EXTRACTOR_STARTED and WORKERS not in (event.data.get("supported") or ()):
            self._controller = None
        if self._controller is None:
            return
        if kind in (EventKind.FRAME_DONE, EventKind.FRAME_FAILED):
            self._frames += 1
            if kind is EventKind.FRAME_DONE:
                self._warm[worker] = device_of(worker)
        elif kind in (EventKind.WORKER_STARTING, EventKind.WORKER_ENDED, EventKind.WORKER_LOST):
            self._warm.pop(worker, None)
            if kind is EventKind.WORKER_LOST and event.data.get("reason", "died") == "died":
                self._died(device_of(worker), self._controller)
        elif kind is EventKind.FRAME_AGAIN:
            self._again[device_of(worker)] += 1
        elif kind is EventKind.WIDTH_CHANGED and event.data.get("reason") == OUT_OF_MEMORY:
            self._out_of_memory(event, self._controller)

    def _out_of_memory(self, event: Event, controller: WidthController) -> None:
        key, before, after = (event.data.get(name) for name in ("device", "before", "workers"))
        if not (isinstance(key, str) and isinstance(before, int) and isinstance(after, int)):
            return
        after = max(0, min(after, MOST_WORKERS))
        asked = event.data.get("asked")
        asked = asked if isinstance(asked, int) else None
        controller.narrowed(key, after, asked, self._now())
        self._note_narrowed(key, before, after)

    def _note_narrowed(self, key: str, before: int, after: int) -> None:
        known = self._narrowed.get(key)
        first = known.before if known is not None else before
        self._narrowed[key] = _Narrowed(first, after, time.monotonic())

    def _died(self, key: str, controller: WidthController) -> None:
        """A death while memory was short is the device's: one worker fewer there, as long as there are several."""
        devices = [one for one in controller.devices.values() if one.key == key]
        if not devices or devices[0].target < 2 or not self._is_short(key):
            return
        before = devices[0].target
        controller.narrowed(key, before - 1, None, self._now())
        self._carry_out([Order(key, before - 1)])
        self._note_narrowed(key, before, before - 1)

    def _is_short(self, key: str) -> bool:
        sample = self.services.observer.latest()
        ram = sample.host.ram_available if sample is not None else None
        if ram is not None and ram < SHORT_RAM:
            return True
        lows = self._free.get(key)
        return key != CPU and bool(lows) and min(free for _, free in lows or ()) < SHORT_RAM

    def look(self) -> None:
        """About once a second, or sooner."""
        if self._controller is None:
            return
        self._looked = time.monotonic()
        unsent, self._unsent = self._unsent, []
        self._carry_out(unsent)
        self._carry_out(self._controller.look(self._now()))
        self._tell()
        self.services.state.workers = self._controller.workers
        if self.waiting():
            self.services.stage("waiting")

    def _carry_out(self, orders: Sequence[Order]) -> None:
        for order in orders:
            if order.sentence:
                self.services.note(order.sentence, self._number)
            if self._writer is None:
                continue
            try:
                self._writer.workers(
                    order.device, order.workers, order.sentence[:200], order.room, order.threads
                )
            except OSError:  # a full disk: once more with the next look
                self._unsent.append(Order(order.device, order.workers, "", order.room, order.threads))

    def _tell(self, everything: bool = False) -> None:
        for key, seen in list(self._narrowed.items()):
            if everything or time.monotonic() - seen.at >= TOLD_AFTER:
                del self._narrowed[key]
                again = self._again.pop(key, 0)
                frames = (
                    f" ({count(again, 'frame')} {'goes' if again == 1 else 'go'} round again)"
                    if again
                    else ""
                )
                title = CPU if key == CPU else f"GPU {key[3:]}"
                step = f"{count(seen.before, 'worker')} -> {seen.after}"
                self.services.note(f"{title}: {step}: out of memory{frames}", self._number)

    # -- what is measured --------------------------------------------------------------------------

    def _now(self) -> Now:
        sample = self.services.observer.latest()
        self._is_new, self._sample = sample is not self._sample, sample
        readings = {}
        if sample is not None:
            ours = frozenset(process.pid for process in sample.host.processes)
            for card in sample.devices:
                with suppress(TypeError):
                    readings[f"GPU{card.index}"] = self._card(card, ours)
            if sample.host.ram_available is not None:
                readings[CPU] = self._ram(sample.host)
        working = Counter(self._warm.values())
        ram = sample.host.ram_available if sample is not None else None
        return Now(time.monotonic(), self._frames, self.services.state.counts.open, working, readings, ram)

    def _card(self, card: DeviceSample, pids: frozenset[int]) -> Reading:
        key = f"GPU{card.index}"
        held = [one.used for one in card.processes or () if one.pid in pids and one.used is not None]
        if held:
            self._each[key] = max(self._each.get(key, 0), *held)
        # Several may share a card with a driver that shows other process ids (containers): then none is ours.
        ours = sum(held) if held else None
        free = None if card.free is None else self._low(key, card.free, LOW_OVER)
        if card.free is not None and ours is not None:
            # A worker's need is known then, and what is free is free; but both are read one after the other, and a
            # worker may grow between: the last two samples.
            free = max(0, self._low(f"{key} without ours", card.free + ours, 0.0) - ours)
        return Reading(card.total or 0, free, ours, self._each.get(key))

    def _ram(self, host: HostSample) -> Reading:
        free = self._low(CPU, usable_ram(host.ram_available or 0), LOW_OVER)
        return Reading(
            host.ram_total or 0, free, None, max((one.rss for one in host.processes), default=None)
        )

    def _low(self, key: str, free: int, over: float) -> int:
        """The least of so many seconds, and of the last two samples."""
        now, lows = time.monotonic(), self._free.setdefault(key, deque())
        if self._is_new or not lows:
            lows.append((now, free))
        while len(lows) > 2 and now - lows[0][0] > over:
            lows.popleft()
        return min(one for _, one in lows)
