"""One place for a worker (`Slot`), and the worker that holds it at the moment (`Member`): the queue's, as processes."""
# mypy: ignore-errors
# ruff: noqa: PTH119

import collections
import os
import threading
import time

from . import os_process
from .shared import frame_queue

STARTING, FREE, BUSY = frame_queue.STARTING, frame_queue.FREE, frame_queue.BUSY
LEAST_CPU = 0.02
"""CPU seconds per second under which a process counts as idle (a sleeping thread pool uses less)."""
LEAST_BOUND, SLOWER = 45.0, 15.0
"""Steady phase: a frame may take 15 times as long as the slowest so far, and 45 s in any case (a busy
machine slows a frame tenfold; the supervisor, with 20 times and 60 s, must come later). The second
try of a frame that takes longer (20000 x 20000 pixels: half a minute) has a first frame's timeout.
A first frame without a sign of life has the same: 15 times as long as the slowest first one, and 45 s."""
CPU = "CPU"
"""Key of the device that all workers without a video card share."""
WATCH_EVERY = 0.5
"""Seconds between two looks at a worker's CPU time and state."""


class Member(frame_queue.Worker):
    """A running worker: DeepFaceLab's `Cli` object, with what the host knows of it."""

    def __init__(self, slot, cli, inbox):
        super().__init__(slot)
        now = time.monotonic()
        self.cli = cli
        self.frame_since = self.started = self.last_life = self.last_look = now
        self.start_error = None
        self.for_memory = False  # memory ran out in its start, which is its device's matter
        self.dead_since = None
        self.pipe_closed_at = None  # no message can be read from it any more
        self._cpu, self._last_state = os_process.cpu_and_state(cli.p.pid)
        self._stopped_since = None
        self._writer_open = True
        threading.Thread(target=self._read, args=(inbox,), daemon=True).start()

    @property
    def pid(self):
        return self.cli.p.pid

    @property
    def phase(self):
        if self.state == STARTING:
            return "startup"
        return "steady" if self.frames_done else "first_frame"

    def _read(self, inbox):
        """Messages to the host's inbox. A message that a dying worker tore apart blocks this thread only."""
        try:
            while True:
                inbox.put((self, self.cli.c2s.get()))
        except Exception:
            inbox.put((self, None))

    def alive_signal(self):
        """A message came: sign of life; and close our copy of its writing end, so that its death is seen."""
        self.last_life = time.monotonic()
        if self._writer_open:
            self._writer_open = False
            try:
                self.cli.c2s._writer.close()
            except (AttributeError, OSError):
                pass

    def send(self, message):
        self.cli.s2c.put(message)

    def overdue(self, settings, longest, longest_first=None):
        """Why this worker has to be killed now, or None. `longest`: seconds of the slowest frame so far.

        `longest_first`: of the slowest first frame of a worker; None = none has got its first one done.
        """
        now = time.monotonic()
        gap = now - self.last_look
        if gap < WATCH_EVERY:
            return None
        pause = _pause(gap)  # the host itself was stopped: its workers' silence means nothing
        self.last_life, self.frame_since = self.last_life + pause, self.frame_since + pause
        cpu, state = os_process.cpu_and_state(self.pid)
        starved = state == self._last_state == "R"  # it would compute, but others have the CPU
        if cpu is None or self._cpu is None or cpu - self._cpu >= LEAST_CPU * gap or starved:
            self.last_life = now  # where CPU time is unknown, only the limit on a frame's time is left
        self._cpu, self._last_state, self.last_look = cpu, state, now
        if state in ("T", "t"):
            self._stopped_since = self._stopped_since or now
            if now - self._stopped_since >= settings.stopped_timeout:
                return "stopped"
        else:
            self._stopped_since = None
        if self.state == FREE:
            return None
        bound, idle = settings.startup_timeout, settings.idle_timeout
        if self.phase == "first_frame" and longest_first is not None:
            idle = min(idle, max(LEAST_BOUND, SLOWER * longest_first))
        if self.phase == "steady":
            bound = settings.frame_timeout
            if longest is not None:
                bound = min(bound, max(LEAST_BOUND, SLOWER * longest))
        if now - max(self.last_life, self.frame_since) > min(bound, idle):
            return "hang"
        if now - self.frame_since <= bound:
            return None
        # One that imported its modules and then hung did not spin.
        return "hang" if now - self.last_life > bound / 2 else "spin"

    def seconds_in_frame(self):
        """Since its frame was handed to it; while the host itself was stopped no time counts."""
        now = time.monotonic()
        return now - self.frame_since - _pause(now - self.last_look)

    def excuse(self):
        """It is slow for a good reason: its time starts over."""
        self.last_life = self.frame_since = time.monotonic()

    def end(self, seconds=5.0):
        for name in ("s2c", "c2s"):
            try:
                getattr(self.cli, name).cancel_join_thread()
            except (AttributeError, OSError):
                pass
        return os_process.end(self.cli.p, seconds)


class Slot(frame_queue.Slot):
    """A device's place for a worker: its recipe, its worker, perhaps a spare one."""

    def __init__(self, label, recipe, device):
        super().__init__(label, device)
        self.name, self.host_dict, self.client_dict = recipe
        self.member = None
        self.spare = None
        self.start_failures = 0
        self.started_once = False

    @property
    def on_cpu(self):
        return self.client_dict.get("device_type", "CPU") == "CPU"


def device_of(recipe):
    """ "GPU0", "CPU": what a recipe's worker runs on."""
    client_dict = recipe[2]
    if client_dict.get("device_type", "CPU") == "CPU":
        return CPU
    return "{}{}".format(client_dict["device_type"], client_dict.get("device_idx", 0))


def another(recipe, device, number):
    """A recipe for one more worker, the `number`th, of the device of `recipe`, or on the CPU beside it."""
    name, _, client_dict = recipe
    client_dict = dict(client_dict)
    if device == CPU:
        name = f"{CPU}{number}"
        client_dict.update(device_type="CPU", device_idx=number)
    else:
        name = "{} #{}".format(name.split(" #")[0], number)
    client_dict["device_name"] = name
    return name, {}, client_dict


def _pause(gap):
    """Seconds of the gap between two looks that do not count. Not all of it: where every turn of the host's loop is
    that slow, a hang must still come to its end."""
    return gap - os_process.HOST_PAUSE if gap > os_process.HOST_PAUSE else 0.0


def bare_report(member, result):
    """What a result says by itself, when the worker runs without our hook (a fork that differs)."""
    files = getattr(result, "final_output_files", None) or []
    return {
        "faces": [os.path.basename(str(path)) for path in files],
        "rects": len(getattr(result, "rects", None) or []),
        "seconds": round(member.seconds_in_frame(), 4),
    }


def labels(recipes):
    """ "GPU0", or "GPU0.0", "GPU0.1" where a device has several workers; "CPU0", "CPU1" on the CPU."""
    keys = [(r[2].get("device_type", "CPU"), r[2].get("device_idx", i)) for i, r in enumerate(recipes)]
    counts, seen, result = collections.Counter(keys), collections.Counter(), []
    for kind, index in keys:
        label = f"{kind}{index}"
        result.append(label if counts[kind, index] == 1 else f"{label}.{seen[kind, index]}")
        seen[kind, index] += 1
    return result
