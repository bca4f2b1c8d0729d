"""A device, its memory, and what was learned of both: whether one more worker fits. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from dflwrap.common.memory import GIB
from dflwrap.planning.fit import ASSUMED_CPU_RAM, reserve

LEAST_NEED = 3 * GIB // 2
"""Bytes. CUDA's context, its libraries and the weights alone take about that much: a first worker is not started on
less, where its need is not known."""
LONGEST_DOUBT = 180.0
"""Seconds after which a device on which nothing has worked yet is tried in earnest, though more than `LEAST_NEED` may
still be missing: what fails then is for the ladder to answer (weights on the CPU, smaller frames)."""
ASSUMED_NEED = 5 * GIB
"""Bytes of a further worker where nothing was measured: what users report of one DeepFaceLab process."""
MEMORY_AGAIN, MEMORY_AGAIN_MOST = 5.0, 300.0
"""Seconds after which a width that memory ended is tried again, with room for it; twice as many each time."""
PLAUSIBLE = 1.5
"""A need that is inferred from a failure is no more than this many times what was measured: else the last look at the
memory was before another program took it, or after that had given it back."""
COMES_AND_GOES = 0.05
"""Share of the memory with which frames were done that may be missing: what other programs take and give back."""
SAME_REQUEST = 0.8
"""A refused need that is so many times another one, or more, is taken for that of the same frame."""
ALL_OF_IT = 0.9
"""Of a card's memory free without the extractor: nobody else is on it, and there will never be more."""
RETRY_AFTER, RETRY_MOST = 300.0, 3600.0
"""Seconds until a width that did not pay is tried again; each time twice as many, up to the most."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A device's memory at one moment, in bytes. None: not told here."""

    total: int
    free: int | None
    """The least of the last seconds."""
    ours: int | None = None
    """Held by all workers of the device together."""
    each: int | None = None
    """Most that one worker was seen to hold, ever."""


@dataclass(slots=True)
class Device:
    """One device, and what was learned of it; it outlives the attempt."""

    key: str
    most: int
    """Workers that are ever tried."""
    display: bool = False
    on_cpu: bool = False
    fixed: int | None = None
    """The user's own number."""
    start: int = 1
    """Workers to begin with."""
    threads: int = 0
    """Of each worker; on the CPU."""
    need: int | None = None
    """Bytes that one worker takes, by what was measured."""
    asked: int | None = None
    """What one held and was refused beside it: it needs as much. Bytes."""
    enough: int | None = None
    """Least memory (bytes, less the reserve) for each worker with which frames were done: where that much is free and a
    frame fails for lack of memory, alone, it is the frame."""
    target: int = 0
    refused: tuple[float, int] = (0.0, 0)
    """(until when, bytes): inferred from a failure."""
    waiting_since: float | None = None
    said: bool = False
    """The waiting was told."""
    changed: float = -1e9
    """When it began or was narrowed last."""
    ordered: float | None = None
    """When more workers were ordered that do not all work yet."""
    start_seconds: float | None = None
    """From that to the first frame of each, as it was seen last."""
    next_try: float = -1e9
    narrowed: float = -1e9
    """When memory ran out last."""
    memory_pause: float = MEMORY_AGAIN
    pause: float = RETRY_AFTER
    foreign: int | None = None
    """Bytes that other programs held when a width did not pay."""

    @property
    def title(self) -> str:
        return "CPU" if self.on_cpu else f"GPU {self.key[3:]}"

    def waited(self, now: float) -> float:
        """Seconds for which it has been waiting for memory."""
        return 0.0 if self.waiting_since is None else now - self.waiting_since

    def reserve(self, reading: Reading) -> int:
        return 0 if self.on_cpu else reserve(reading.total, self.display)

    def needs(self, now: float) -> int:
        """Bytes of one more worker, as far as is known; else what is assumed."""
        known = max(self.need or 0, self.asked or 0, self.refused[1] if now < self.refused[0] else 0)
        if known:
            return known
        if self.on_cpu:
            return ASSUMED_CPU_RAM
        return ASSUMED_NEED if self.target else LEAST_NEED

    def usable(self, reading: Reading | None) -> int | None:
        """Bytes that its workers may hold together; None where that is not told."""
        if reading is None or reading.free is None:
            return None
        return reading.free + (reading.ours or 0) - self.reserve(reading)

    def is_the_frames(self, reading: Reading | None) -> bool:
        """What fails now for lack of memory, alone on the device, fails by itself: others were done with no more."""
        usable = self.usable(reading)
        return usable is not None and self._is_enough(usable)

    def _is_enough(self, usable: int) -> bool:
        """Frames were done with as much; or it is far more than a worker was ever seen to need, and waiting for what
        was free when frames were done might last for ever."""
        if self.enough is None:
            return False
        known = max(self.need or 0, self.asked or 0)
        return usable >= (1 - COMES_AND_GOES) * self.enough or 0 < PLAUSIBLE * known <= usable

    def take_refusal(self, reading: Reading, asked: int, of_frame: bool) -> None:
        """asked: bytes that a worker was refused. of_frame: for a frame that asks for more than others do.

        That, and what the card never has, is no measure of a worker's need: one such frame would narrow all the nights.
        """
        wanted = (reading.each or 0) + asked
        if of_frame:
            if self.asked is not None and SAME_REQUEST * wanted <= self.asked <= wanted:
                self.asked = None  # that frame, when it failed beside others
        elif wanted <= reading.total - self.reserve(reading):
            self.asked = max(self.asked or 0, wanted)

    def has_room(self, reading: Reading | None, now: float) -> bool:
        """The memory that a worker needs is there for certain, or there will never be more."""
        usable = self.usable(reading)
        if reading is None or reading.free is None or usable is None:
            return False
        if self.enough is not None:
            return self._is_enough(usable)
        if self.on_cpu or (self.waited(now) >= LONGEST_DOUBT and usable >= LEAST_NEED):
            return True
        return reading.free >= ALL_OF_IT * reading.total

    def fits(self, reading: Reading | None, now: float) -> bool:
        """Whether memory has room for one more worker. Where it cannot be read, only for the first."""
        usable = self.usable(reading)
        if reading is None or usable is None:
            return self.target == 0
        need = self.needs(now)
        if not self.target:
            return usable >= need or self.has_room(reading, now)
        return usable >= (self.target + 1 if reading.ours is not None else 1) * need
