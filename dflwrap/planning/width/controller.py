"""How many workers each device has while an attempt runs: pure. Its table is `tests/planning/test_width_controller.py`.

DeepFaceLab decodes, computes and encodes one frame after another in one process: users report some 2 frames/s on quite
different cards and 3 to 4 % of a card in use, and split folders by hand to run several extractions at once. So no
figure says how many workers are best. The width starts at one for each card, one is added where memory has room for it,
and it stays where the frames per second rise by `WORTH`. Memory is never planned into a card's reserve.

The extractor narrows by itself where memory runs out (`narrowed`); what was refused counts as a measure of the need.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from dflwrap.common.memory import GIB
from dflwrap.planning.fit import ASSUMED_GPU_RAM, PEAK_MARGIN, count, usable_ram
from dflwrap.planning.width.device import (
    MEMORY_AGAIN,
    MEMORY_AGAIN_MOST,
    PLAUSIBLE,
    RETRY_AFTER,
    RETRY_MOST,
    Device,
    Reading,
)

WORTH = 1.05
"""One more worker stays where the frames per second become this many times what they were."""
WINDOW_SECONDS, WINDOW_FRAMES, WINDOW_LONGEST = 2.0, 40, 60.0
"""A rate is measured over so many seconds and frames at least; over the longest where frames are that slow."""
LONGEST_START = 600.0
"""Seconds for one more worker to come to its first frame; then it is taken back."""
SETTLED = 3.0
"""Seconds after a start or a narrowing before memory is judged again: that of a worker that ended comes back."""
LEFT_AGAIN = 1 * GIB
"""Bytes that another program gives back before that is a reason to try again at once."""
STAND_IN_AFTER = 10.0
"""Seconds of waiting for a card's memory before the CPU goes on with the frames."""
ASSUMED_START = 10.0
"""Seconds from the order to a worker's first frame, until one was seen: DeepFaceLab's on a CPU (docs/planning.md)."""
WORTH_STARTING = 2.0
"""One more worker is tried where the work left (at the present rate) takes so many times as long as its start: it then
works for as long as it started."""
REFUSED_FOR = 600.0
"""Seconds for which a need that was only inferred from a failure is believed."""


@dataclass(frozen=True, slots=True)
class Now:
    """What the controller looks at."""

    time: float
    frames: int
    """That came back so far, of any outcome."""
    left: int
    """That are open."""
    working: Mapping[str, int]
    """Workers per device that have finished a frame."""
    readings: Mapping[str, Reading]
    ram_free: int | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """A device's width from now on."""

    device: str
    workers: int
    sentence: str = ""
    """For the user; empty where another one tells it."""
    room: bool = False
    """See `extractors/control_file.py`."""
    threads: int = 0


@dataclass(slots=True)
class _Trial:
    device: Device
    rate: float
    """Before."""
    began: float


@dataclass(slots=True)
class WidthController:
    """Of one run: `begin` each attempt, then `look` every second or so, and tell it what the extractor reports."""

    devices: dict[str, Device]
    stand_in: Device | None = None
    """The CPU, where it may go on with the frames while cards wait for memory."""
    worker_ram: int = ASSUMED_GPU_RAM
    """Bytes of RAM that one more worker on a card takes."""
    _trial: _Trial | None = None
    _window: deque[tuple[float, int]] = field(default_factory=deque)
    _working: dict[str, int] = field(default_factory=dict)

    # -- an attempt begins -------------------------------------------------------------------------

    def begin(self, now: Now) -> list[Order]:
        """The widths to start with: what paid before, else one for each card; none where memory has no room."""
        if self._trial is not None:
            self._trial.device.target -= 1  # whether it pays is not known
            self._trial = None
        self._window.clear()
        self._working = {}
        orders = []
        for device in self.devices.values():
            reading = now.readings.get(device.key)
            wanted = self._wanted(device, reading, now.time)
            device.target, device.changed, device.said, device.ordered = 0, now.time, False, None
            if device.fits(reading, now.time):
                room = device.has_room(reading, now.time)
                device.target, device.waiting_since, device.ordered = wanted, None, now.time
                orders.append(Order(device.key, wanted, room=room, threads=device.threads))
            else:
                device.waiting_since = now.time
                orders.append(Order(device.key, 0, self._waits(device, reading, now.time)))
        if self.stand_in is not None:
            self.stand_in.target = 0
        return orders

    @staticmethod
    def _wanted(device: Device, reading: Reading | None, now: float) -> int:
        """Workers to begin with, where there is room for one: on a card no more than memory holds now."""
        if device.fixed is not None:
            return device.fixed
        wanted, usable = max(1, device.target or device.start), device.usable(reading)
        if device.on_cpu or usable is None:
            return wanted
        return max(1, min(wanted, usable // device.needs(now)))

    # -- what the extractor reports ----------------------------------------------------------------

    def narrowed(self, key: str, workers: int, asked: int | None, now: Now) -> None:
        """It has lowered a device's width for lack of memory. asked: bytes that were refused, where it says so."""
        device = self._device(key)
        if device is None:
            return
        reading = now.readings.get(key)
        if self._trial is not None and self._trial.device is device:
            self._trial = None
        of_frame = workers == 0 and device.is_the_frames(reading)
        if asked and reading is not None:
            device.take_refusal(reading, asked, of_frame)
        usable = device.usable(reading)
        if usable is not None and not of_frame:
            inferred = int(usable / (workers + 1) * WORTH)
            if device.need is None or inferred <= PLAUSIBLE * device.need:
                device.refused = (now.time + REFUSED_FOR, inferred)
        if now.time - device.narrowed > MEMORY_AGAIN_MOST:
            device.memory_pause = MEMORY_AGAIN
        device.narrowed, device.next_try = now.time, max(device.next_try, now.time + device.memory_pause)
        device.memory_pause = min(MEMORY_AGAIN_MOST, 2 * device.memory_pause)
        device.target, device.changed, device.ordered = workers, now.time, None
        if workers == 0 and device.waiting_since is None:
            device.waiting_since, device.said = now.time, False

    @property
    def workers(self) -> int:
        """Of all devices together, as ordered."""
        return sum(device.target for device in self._all())

    def waiting(self) -> bool:
        """Nobody is to work: every device waits for memory."""
        return not any(device.target for device in self._all())

    # -- every second or so ------------------------------------------------------------------------

    def look(self, now: Now) -> list[Order]:
        """What is to change now."""
        self._learn(now)
        self._measure(now)
        orders = [order for device in self.devices.values() for order in self._end_wait(device, now)]
        orders += self._stand_in(now)
        if orders:
            return orders
        if self._trial is not None:
            return self._judge(self._trial, now)
        return self._widen_one(now)

    def _learn(self, now: Now) -> None:
        for device in self._all():
            reading = now.readings.get(device.key)
            working, usable = now.working.get(device.key, 0), device.usable(reading)
            if device.ordered is not None and working >= device.target > 0:
                device.start_seconds, device.ordered = now.time - device.ordered, None
            if not working or reading is None or usable is None:
                continue
            if working >= device.target > 0:
                device.enough = min(device.enough or usable, usable // device.target)
            if reading.each:
                device.need = max(device.need or 0, int(reading.each * PEAK_MARGIN))

    def _measure(self, now: Now) -> None:
        """The rate is that of the workers of now: with each that comes or goes it is measured anew."""
        working = {key: number for key, number in now.working.items() if number}
        if working != self._working:
            self._working = working
            self._window.clear()
        self._window.append((now.time, now.frames))
        while len(self._window) > 2 and now.time - self._window[1][0] >= WINDOW_LONGEST:
            self._window.popleft()

    def _rate(self) -> float | None:
        """Frames per second, or None while that would mean little."""
        if len(self._window) < 2:
            return None
        (since, before), (until, frames) = self._window[0], self._window[-1]
        seconds, done = until - since, frames - before
        if seconds < WINDOW_SECONDS or (done < WINDOW_FRAMES and seconds < WINDOW_LONGEST / 2):
            return None
        return done / seconds if done else None

    # -- waiting for memory ------------------------------------------------------------------------

    def _end_wait(self, device: Device, now: Now) -> Iterable[Order]:
        if device.waiting_since is None:
            return
        reading = now.readings.get(device.key)
        settled = now.time - device.changed >= SETTLED
        if settled and device.fits(reading, now.time):
            seconds = now.time - device.waiting_since
            free = "" if reading is None or reading.free is None else f"{reading.free / GIB:.1f} GiB are free"
            words = f"{device.title}: {free or 'tried again'} after {_time(seconds)} of waiting: 1 worker"
            room = device.has_room(reading, now.time)
            device.waiting_since, device.target = None, 1
            device.changed = device.ordered = now.time
            yield Order(device.key, 1, words, room=room, threads=device.threads)
        elif settled and not device.said:
            yield Order(device.key, 0, self._waits(device, reading, now.time))

    def _waits(self, device: Device, reading: Reading | None, now: float) -> str:
        device.said = True
        kept = device.needs(now) + (device.reserve(reading) if reading is not None else 0)
        free = "" if reading is None or reading.free is None else f" ({reading.free / GIB:.1f} GiB are)"
        return f"{device.title}: waiting until {kept / GIB:.1f} GiB of its memory are free{free}"

    def _stand_in(self, now: Now) -> Iterable[Order]:
        """The CPU goes on while no card works, and ends when one does again."""
        cpu = self.stand_in
        if cpu is None:
            return
        waits = [d for d in self.devices.values() if d.waiting_since is not None]
        long = [d for d in waits if d.waited(now.time) >= STAND_IN_AFTER]
        if not cpu.target and long and len(waits) == len(self.devices):
            cpu.target = cpu.start
            titles = " and ".join(device.title for device in waits)
            words = f"CPU: {count(cpu.start, 'worker')} while {titles} waits for memory"
            yield Order(cpu.key, cpu.start, words, threads=cpu.threads)
        elif cpu.target and any(now.working.get(key) for key in self.devices):
            cpu.target = 0
            yield Order(cpu.key, 0, "CPU: its workers end, for the card works again")

    # -- wider, and back ---------------------------------------------------------------------------

    def _widen_one(self, now: Now) -> list[Order]:
        orders = (self._widen(device, now) for device in self.devices.values())
        return next(([order] for order in orders if order is not None), [])

    def _widen(self, device: Device, now: Now) -> Order | None:
        most = device.fixed if device.fixed is not None else device.most
        if not 0 < device.target < most or now.time - device.changed < SETTLED:
            return None
        rate = self._rate()
        if rate is None or now.working.get(device.key, 0) < device.target:
            return None
        start = ASSUMED_START if device.start_seconds is None else device.start_seconds
        if device.fixed is None and now.left < rate * WORTH_STARTING * start:
            return None
        reading = now.readings.get(device.key)
        if not device.fits(reading, now.time) or not (device.on_cpu or self._has_ram(now)):
            return None
        if now.time < device.next_try and not self._has_left(device, reading):
            return None
        device.target, device.ordered = device.target + 1, now.time
        if device.fixed is not None:
            words = f"{device.title}: {count(device.target - 1, 'worker')} -> {device.target}: memory is free again"
            return Order(device.key, device.target, words, threads=device.threads)
        self._trial = _Trial(device, rate, now.time)
        return Order(device.key, device.target, threads=device.threads)

    def _has_ram(self, now: Now) -> bool:
        return now.ram_free is None or usable_ram(now.ram_free) >= self.worker_ram

    @staticmethod
    def _has_left(device: Device, reading: Reading | None) -> bool:
        held = _foreign(reading)
        return device.foreign is not None and held is not None and device.foreign - held >= LEFT_AGAIN

    def _judge(self, trial: _Trial, now: Now) -> list[Order]:
        device = trial.device
        if now.working.get(device.key, 0) < device.target:
            if now.time - trial.began < LONGEST_START:
                return []
            return [self._back(trial, "the new one did not start", now)]
        rate = self._rate()
        if rate is None:
            return []
        if rate < trial.rate * WORTH:
            words = (
                f"{_per_second(rate)} frames/s with {device.target}, {_per_second(trial.rate)} with one fewer"
            )
            return [self._back(trial, words, now)]
        self._trial = None
        device.pause, device.next_try = RETRY_AFTER, now.time
        step = f"{count(device.target - 1, 'worker')} -> {device.target}"
        rates = f"{_per_second(trial.rate)} -> {_per_second(rate)} frames/s"
        paid = Order(device.key, device.target, f"{device.title}: {step}: {rates}", threads=device.threads)
        return [paid, *self._widen_one(now)]

    def _back(self, trial: _Trial, why: str, now: Now) -> Order:
        device, self._trial = trial.device, None
        device.target, device.ordered = device.target - 1, None
        device.changed, device.next_try = now.time, now.time + device.pause
        device.pause = min(RETRY_MOST, 2 * device.pause)
        device.foreign = _foreign(now.readings.get(device.key))
        words = f"{device.title}: {count(device.target + 1, 'worker')} -> {device.target} again: {why}"
        return Order(device.key, device.target, words, threads=device.threads)

    # -- small things ------------------------------------------------------------------------------

    def _all(self) -> Iterable[Device]:
        yield from self.devices.values()
        if self.stand_in is not None:
            yield self.stand_in

    def _device(self, key: str) -> Device | None:
        return next((device for device in self._all() if device.key == key), None)


def _foreign(reading: Reading | None) -> int | None:
    if reading is None or reading.free is None or reading.ours is None:
        return None
    return reading.total - reading.free - reading.ours


def _per_second(rate: float) -> str:
    return f"{rate:.1f}" if rate < 100 else f"{rate:.0f}"


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
