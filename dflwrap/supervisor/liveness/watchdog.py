"""Is the extractor alive? Phases, signs of life, and timeouts that are learned where they can be.

Told apart: slow (CPU burns, kernels are compiled into the CUDA cache, files grow), deadlocked (no sign
of life), stopped (a process in the stopped state), spinning (CPU burns but nothing comes of it).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from dflwrap.common.events import Event, EventKind
from dflwrap.supervisor.liveness.folder_growth import OutputFolders, folder_size
from dflwrap.supervisor.liveness.start_times import NO_TIMES, StartTimes, learned_bound
from dflwrap.supervisor.process.tree import Vitals

QUIET_BOUND = 240.0
"""Seconds without any sign of life (no event, CPU, I/O, cache growth): deadlocked. DFL's own watchdog is
120 s, and what it would have said must come first in black-box mode."""
STOPPED_BOUND = 15.0
"""Seconds in the stopped state: long enough for a debugger's or a shell's short stop."""
SPIN_FACTOR = 20.0
"""Steady phase: this many times the slowest frame so far (at least MIN_STEADY_BOUND)."""
MIN_STEADY_BOUND = 60.0
FINISH_BOUND = 150.0
"""Seconds after the last frame; DFL waits up to 120 s for its workers there."""
CPU_SIGN = 0.05
"""Seconds of CPU time that count as a sign of life: idle polling loops burn less between two looks."""
MOST_HANDED_OUT = 4
"""Times that handing out one frame counts as progress: at first, after a death, after errors, as a copy. A
frame handed out without end comes to nothing."""

_PROGRESS = (
    EventKind.WORKER_STARTING,
    EventKind.WORKER_STARTED,
    EventKind.WORKER_REPLACED,
    EventKind.WORKER_LOST,
    EventKind.WORKER_ENDED,
    EventKind.REPAIR_WANTED,
)
"""Besides what happens to frames."""


class Phase(StrEnum):
    """How far an attempt has come; each has a timeout of its own."""

    STARTING = "start-up"
    FIRST_FRAME = "first frame"
    STEADY = "steady"
    FINISHING = "finishing"


class Symptom(StrEnum):
    """How a process hangs: it waits, was stopped, or burns CPU time without a result."""

    DEADLOCKED = "deadlocked"
    STOPPED = "stopped"
    SPINNING = "spinning"


@dataclass(frozen=True, slots=True)
class Dead:
    """Why the attempt has to be ended."""

    symptom: Symptom
    phase: Phase
    seconds: float
    """Without the sign that was missed."""

    @property
    def sentence(self) -> str:
        what = {
            Symptom.DEADLOCKED: "no sign of life (no output, no CPU time, no file grows)",
            Symptom.STOPPED: "a process of the extractor is stopped (SIGSTOP, a debugger)",
            Symptom.SPINNING: "it uses the CPU but finishes nothing",
        }[self.symptom]
        return f"{what} for {self.seconds:.0f} s in the phase {self.phase.value}"


class Liveness:
    """Fed with events, bytes of output and vitals; asked for a judgement. Looks at folders by itself."""

    def __init__(
        self,
        now: float,
        total: int | None,
        *,
        startup_timeout: float,
        frame_timeout: float,
        cache_folder: Path | None = None,
        output_folders: Sequence[Path] = (),
        earlier: StartTimes = NO_TIMES,
    ) -> None:
        """total: frames handed in, None while more are to come (`all_given`). Timeouts in seconds. earlier: the
        slowest starts under these conditions."""
        self.phase = Phase.STARTING
        self._startup_timeout = startup_timeout
        self._frame_timeout = frame_timeout
        self._total = total
        self._finished: set[str] = set()
        self._slowest = 0.0
        self._started: dict[str, float] = {}
        self._handed_out: Counter[str] = Counter()
        self._starting: set[str | None] = set()
        self._in_hand: dict[str | None, str] = {}
        """Worker to frame, as last handed out; a black box names neither."""
        self._warm: set[str | None] = set()
        """Workers from which the frame in hand came back since their start."""
        self._earlier = earlier
        self.times = NO_TIMES
        """Of this attempt."""
        self._began = self._phase_began = now
        self._cache = cache_folder
        self._cache_size = folder_size(cache_folder) if cache_folder else 0
        self._compiling = False
        self._folders = OutputFolders(output_folders)
        self._cpu = 0.0
        self._io = 0
        self._output = 0
        self._last_sign = now
        self._last_progress = now
        self._stopped_since: float | None = None

    def event(self, event: Event, now: float) -> None:
        self._last_sign = now
        kind, frame = event.kind, event.frame or ""
        if kind is EventKind.FRAME_STARTED:
            if self.phase is Phase.STARTING:
                self._leave_start(now)
            self._started[frame] = now
            self._in_hand[event.worker] = frame
            self._handed_out[frame] += 1
            if self._handed_out[frame] <= MOST_HANDED_OUT:
                self._last_progress = now
        elif kind in (EventKind.FRAME_DONE, EventKind.FRAME_FAILED):
            if self._in_hand.get(event.worker) == frame:  # a failure may be told when its worker is long gone
                del self._in_hand[event.worker]
                self._warm.add(event.worker)
            self._frame_back(frame, kind is EventKind.FRAME_DONE, now)
        elif kind is EventKind.FRAME_AGAIN:
            self._frame_again(event.worker, frame, now)
        elif kind in _PROGRESS:
            self._last_progress = now
            if kind is not EventKind.REPAIR_WANTED:
                self._worker_changed(kind, event.worker)
        elif kind is EventKind.FINISHED:
            self._enter(Phase.FINISHING, now)

    def _frame_again(self, worker: str | None, frame: str, now: float) -> None:
        """Handed back for lack of memory, which is no news of the frame: the next time counts as its first."""
        if self._in_hand.get(worker) == frame:
            del self._in_hand[worker]
        self._started.pop(frame, None)
        self._handed_out[frame] -= 1
        self._last_progress = now

    def _worker_changed(self, kind: EventKind, worker: str | None) -> None:
        self._warm.discard(worker)
        self._starting.discard(worker)
        if kind is EventKind.WORKER_STARTING:
            self._starting.add(worker)
        # Not where it is ready: that may be a spare beside the one that has the frame.
        if kind in (EventKind.WORKER_STARTING, EventKind.WORKER_LOST):
            self._in_hand.pop(worker, None)

    def _frame_back(self, frame: str, done: bool, now: float) -> None:
        handed_out = self.phase is not Phase.STARTING  # a black box only shows what comes back
        if not handed_out:
            self._leave_start(now)
        began = self._started.pop(frame, self._last_progress)
        if done:
            del self._handed_out[frame]
        if done:  # what failed teaches nothing: it may have waited for its copy, or broken at once
            if self.phase is Phase.STEADY:  # the first frame pays for kernels and autotuning
                self._slowest = max(self._slowest, now - began)
            if handed_out and self.times.first_frame is None:
                self.times = StartTimes(self.times.start, now - self._phase_began)
        self._enter(Phase.STEADY, now)
        self._finished.add(frame)  # one that was lost with its worker comes back a second time
        self._finish(now)

    def all_given(self, total: int, now: float) -> None:
        """So many frames were handed in, and no more come."""
        self._total = total
        self._finish(now)

    def _finish(self, now: float) -> None:
        if self._total is not None and len(self._finished) >= self._total:
            self._enter(Phase.FINISHING, now)

    def _leave_start(self, now: float) -> None:
        self.times = StartTimes(now - self._began)
        self._phase_began = now
        self._enter(Phase.FIRST_FRAME, now)

    def _enter(self, phase: Phase, now: float) -> None:
        self.phase = phase
        self._last_progress = now

    def look(self, vitals: Vitals, output_bytes: int, now: float) -> None:
        """Take in the tree's vitals and the number of bytes it has printed so far."""
        if (
            abs(vitals.cpu_seconds - self._cpu) >= CPU_SIGN
            or vitals.io_bytes != self._io
            or output_bytes != self._output
            or self._folders.changed(now)
        ):
            self._last_sign = now
        self._cpu, self._io, self._output = vitals.cpu_seconds, vitals.io_bytes, output_bytes
        if vitals.stopped:
            self._stopped_since = self._stopped_since if self._stopped_since is not None else now
        else:
            self._stopped_since = None

    def excuse(self, now: float) -> None:
        """Nothing is to be done at the moment: the time of waiting does not count."""
        self._last_sign = self._last_progress = now

    def judge(self, now: float) -> Dead | None:
        if self._stopped_since is not None and now - self._stopped_since > STOPPED_BOUND:
            return Dead(Symptom.STOPPED, self.phase, now - self._stopped_since)
        if now - self._last_sign > QUIET_BOUND and not self._cache_grew(now):
            return Dead(Symptom.DEADLOCKED, self.phase, now - self._last_sign)
        if now - self._last_progress > self.bound() and not self._cache_grew(now):
            quiet = now - self._last_sign
            # The bound of a frame may be shorter than those of silence and of the stopped state.
            if self._stopped_since is not None and now - self._stopped_since > self.bound() / 2:
                return Dead(Symptom.STOPPED, self.phase, now - self._stopped_since)
            if quiet > self.bound() / 2:
                return Dead(Symptom.DEADLOCKED, self.phase, quiet)
            return Dead(Symptom.SPINNING, self.phase, now - self._last_progress)
        return None

    def bound(self) -> float:
        """Seconds that may pass without progress in the present phase."""
        if self.phase in (Phase.STARTING, Phase.FIRST_FRAME):
            if self._compiling:
                return self._startup_timeout
            if self.phase is Phase.FIRST_FRAME and self._starting:
                return self._bound_of_a_start()
            seen = self._earlier.start if self.phase is Phase.STARTING else self._earlier.first_frame
            return learned_bound(seen, self._startup_timeout)
        if self.phase is Phase.FINISHING:
            return FINISH_BOUND
        if self._waits_for_a_start():
            return self._bound_of_a_start()
        if self._slowest:
            return min(self._frame_timeout, max(MIN_STEADY_BOUND, SPIN_FACTOR * self._slowest))
        return self._frame_timeout

    def _waits_for_a_start(self) -> bool:
        """Nobody works but workers that start or have their first frame: the others were lost, or are idle."""
        if any(worker in self._warm for worker in self._in_hand):
            return False
        return bool(self._starting or self._in_hand)

    def _bound_of_a_start(self) -> float:
        """Of a worker amid the attempt, its first frame included."""
        times = self._earlier.slowest(self.times)
        if times.start is None or times.first_frame is None or self._compiling:
            return self._startup_timeout
        return learned_bound(max(times.start, times.first_frame), self._startup_timeout)

    def _cache_grew(self, now: float) -> bool:
        """Kernels are being compiled: silence is not a hang while the CUDA cache folder grows."""
        if self._cache is None:
            return False
        size = folder_size(self._cache)
        grew = size > self._cache_size
        if grew:
            self._last_sign = self._last_progress = now
            self._compiling = True  # earlier starts, with all kernels there, say nothing of this one
        self._cache_size = size
        return grew
