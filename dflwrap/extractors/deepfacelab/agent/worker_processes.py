"""The workers of a pool as processes: started, watched, reaped, replaced, ended.

- A worker that dies is noticed by its exit status, and reaped once its last messages have been read.
- A worker that is stopped, idle or spinning beyond its timeout is killed (SIGKILL) and counts as dead.
- Where a worker died in a frame, that slot may get a spare beside the next worker: the next one gets the
  suspected frame, and where that kills it too, the spare continues at once.
"""
# mypy: ignore-errors
# ruff: noqa: B905

import os
import queue
import time

from . import event_writer, os_process
from .shared import device_slots
from .worker_slot import CPU, FREE, STARTING, Member, Slot, another, device_of, labels

DRAIN_SECONDS = 0.3
"""How long after a worker's death its last messages may still arrive."""
CLOSED_PIPE_SECONDS = 1.0
"""A worker whose messages cannot be read any more (its pipe has ended) is given this long to end itself."""
STARTS_AFTER_DEATH, STARTS_AFTER_ERROR = 3, 2
"""Starts of one slot in a row that may fail: by dying; by a Python error (which tends to come again) or by
hanging (which costs the whole timeout)."""
SPARE_MEMORY = 3 * 1024**3
"""Bytes of free memory that a spare wants (a worker holds 0.8 GB): the death may have been for lack of it."""
THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
THREADS += ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""What TensorFlow and the libraries under NumPy read for the number of their threads, when a worker starts."""
SPARE_GIB = 6.0
"""A spare worker holds VRAM (context, weights): only on devices of at least this size."""


class WorkerProcesses:
    """The workers of all devices: started, watched, replaced, ended."""

    def __init__(self, extract, settings, reporter, console, frames):
        """frames: the FrameQueue that learns of their coming and going."""
        self._extract, self._settings, self._reporter = extract, settings, reporter
        self._console, self._frames = console, frames
        self._kernels = os_process.GrowingFolder(settings.kernel_cache)
        self.inbox = queue.Queue()
        self.slots = []
        self._devices = {}
        self._recipes = {}  # device -> one of its recipes
        self._threads = {}  # device -> threads of its next workers
        self._leaving = []  # ended, and not gone yet

    def provide(self, recipes):
        """A slot for each of DeepFaceLab's recipes (name, host_dict, client_dict)."""
        for label, recipe in zip(labels(recipes), recipes):
            key = device_of(recipe)
            self._recipes.setdefault(key, recipe)
            device = self._device(key)
            device.target += 1
            self.slots.append(Slot(label, recipe, device))

    def _device(self, key):
        if key not in self._devices:
            elastic = bool(self._settings.control)
            self._devices[key] = device_slots.Device(key, 0, elastic)
        return self._devices[key]

    def set_width(self, message):
        """Follow a message of the control file; False where it names a device that is not there.

        Workers on the CPU may stand beside those of video cards.
        """
        key, workers = message["device"], message["workers"]
        if key not in self._recipes:
            if key != CPU or not self._recipes:
                return False
            self._recipes[key] = another(next(iter(self._recipes.values())), CPU, 0)
        device = self._device(key)
        before = self._frames.widths.set(device, workers, message.get("room") is True)
        if isinstance(message.get("threads"), int):
            self._threads[key] = message["threads"]
        mine = [slot for slot in self.slots if slot.device is device]
        for _ in range(workers - len(mine)):
            self._add_slot(device)
        if before != workers:
            reason = message.get("reason", "")
            self._reporter.emit("width_changed", device=key, before=before, workers=workers, reason=reason)
        return True

    def _add_slot(self, device):
        taken = {slot.label for slot in self.slots}
        number = 0
        while self._label(device, number) in taken or (number == 0 and device.key in taken):
            number += 1
        recipe = another(self._recipes[device.key], device.key, number)
        self.slots.append(Slot(self._label(device, number), recipe, device))

    @staticmethod
    def _label(device, number):
        return "{}{}{}".format(device.key, "" if device.key == CPU else ".", number)

    def members(self):
        for slot in self.slots:
            if slot.member is not None:
                yield slot.member
            if slot.spare is not None:
                yield slot.spare

    # -- starting, replacing -------------------------------------------------------------------------

    def start(self):
        for slot in self.slots:
            if self._frames.widths.may_start(slot):
                slot.member = self._started(slot)

    def _started(self, slot):
        kept = dict(os.environ)
        os.environ.update(self._environment(slot))
        try:
            cli = self._extract.SubprocessorCli_class(slot.client_dict)
        finally:
            os.environ.clear()
            os.environ.update(kept)
        cli.state, cli.sent_time, cli.sent_data = 1, 0, None
        cli.name, cli.host_dict = slot.name, slot.host_dict
        member = Member(slot, cli, self.inbox)
        self._frames.add(member)
        self._reporter.emit("worker_starting", worker=slot.label, pid=member.pid)
        return member

    def _environment(self, slot):
        """What differs for the worker of this slot: on the CPU beside video cards it keeps away from them."""
        threads = self._threads.get(slot.device.key, 0)
        environment = dict.fromkeys(THREADS, str(threads)) if threads > 0 else {}
        if self.is_beside_gpus(slot):
            environment["CUDA_VISIBLE_DEVICES"] = "-1"
        return environment

    def is_beside_gpus(self, slot):
        """On the CPU, as the supervisor wants it, in an attempt for video cards."""
        return slot.on_cpu and len(self._recipes) > 1

    def restart(self, slot, spare):
        """A worker for an empty slot, where frames are left for it. `spare`: the last one died in a frame."""
        if slot not in self.slots or not self._frames.widths.may_start(slot):
            return
        if slot.member is None and self._frames.left:
            slot.member = self._started(slot)
            if spare and self._frames.has_suspects and self._may_spare(slot):
                slot.spare = self._started(slot)

    def renew(self, slot):
        """A new worker in the slot, whoever held it."""
        if slot.member is not None:
            self._frames.retire(slot.member)
            slot.member.end()
        slot.member = self._started(slot)

    def _may_spare(self, slot):
        if not self._settings.spare or any(one.spare is not None for one in self.slots):
            return False
        memory = os_process.available_memory()
        if memory is not None and memory < SPARE_MEMORY:
            return False
        if slot.on_cpu:
            return (os.cpu_count() or 1) >= 2
        for device in getattr(self._extract, "devices", ()):
            if device[0] == slot.client_dict.get("device_idx"):
                return device[3] >= SPARE_GIB
        return False

    def end_unhealthy(self):
        """Kill the workers that fail on everything; a slot whose device does is closed as its worker is reaped."""
        for member in self._frames.take_unhealthy():
            if member.slot.disabled:
                message = f"{member.slot.name} fails on everything, the others continue without it."
                event_writer.say(self._console.log_info, message)
            os_process.kill(member.cli.p)

    def end_surplus(self):
        """End the workers that are too many for their device's width: they have nothing in hand."""
        for member in self._frames.widths.take_surplus():
            slot = member.slot
            self._frames.retire(member)
            if slot.spare is member:
                slot.spare = None
            elif slot.member is member:
                slot.member, slot.spare = slot.spare, None
            os_process.kill(member.cli.p)
            self._leaving.append(member)
            self._reporter.emit("worker_ended", worker=slot.label, pid=member.pid)
        for member in [one for one in self._leaving if one.cli.p.exitcode is not None]:
            self._leaving.remove(member)
            member.end(1.0)
            self._frames.widths.gone(member)

    @staticmethod
    def first_ready(slot):
        """The slot's worker, or None; its spare changes places with one that still starts."""
        member, spare = slot.member, slot.spare
        if spare is not None and member is not None and (spare.state, member.state) == (FREE, STARTING):
            slot.member, slot.spare = spare, member
        return slot.member

    def dismiss_spare(self, member):
        """A worker has done its frame: the spare beside it is not needed."""
        slot = member.slot
        if member is slot.member and slot.spare is not None:
            spare, slot.spare = slot.spare, None
            self._frames.retire(spare)
            spare.end()

    # -- dying ---------------------------------------------------------------------------------------

    def dead(self):
        """[(member, exit status)] of the workers that have died and whose last messages were heard."""
        now = time.monotonic()
        found = []
        for member in self.members():
            status = member.cli.p.exitcode
            if status is None:
                if member.pipe_closed_at is not None and now - member.pipe_closed_at > CLOSED_PIPE_SECONDS:
                    member.reason = member.reason or "protocol"
                    os_process.kill(member.cli.p)
                continue
            if member.dead_since is None:
                member.dead_since = now
            heard_out = member.state == FREE or member.pipe_closed_at is not None
            if heard_out or now - member.dead_since >= DRAIN_SECONDS:
                found.append((member, status))
        return found

    def reap(self, member, status):
        """Report a dead worker with its frame, and empty its place; a slot whose starts all fail is closed."""
        slot = member.slot
        self._reporter.emit(
            "worker_lost",
            worker=slot.label,
            pid=member.pid,
            exit_status=status,
            phase=member.phase,
            reason=member.reason or "died",
            error=event_writer.last_line(member.start_error),
            **({} if member.frame is None else {"frame": member.frame.filepath.name}),
            **({"given_up": True} if slot.disabled else {}),
        )
        member.end(1.0)
        if member is slot.spare:
            slot.spare = None
            return
        slot.member, slot.spare = slot.spare, None
        if slot.disabled:
            self.slots.remove(slot)
        elif member.state == STARTING and not member.for_memory:
            slot.start_failures += 1
            quick = member.start_error is None and member.reason is None
            limit = STARTS_AFTER_DEATH if quick else STARTS_AFTER_ERROR
            if slot.start_failures >= limit and slot.member is None:
                self.slots.remove(slot)

    def enforce_bounds(self, longest, longest_first):
        """Kill what is overdue. Seconds of the slowest frame so far, and of a worker's slowest first one, or None."""
        for member in self.members():
            if member.reason is None and member.dead_since is None:
                reason = member.overdue(self._settings, longest, longest_first)
                if reason in ("hang", "spin") and member.phase != "steady" and self._kernels.grew():
                    member.excuse()
                elif reason is not None:
                    member.reason = reason
                    message = f"{member.slot.name} doesnt response, terminating it. ({reason})"
                    event_writer.say(self._console.log_info, message)
                    os_process.kill(member.cli.p)

    def close(self):
        """Ask the workers to end, give them two seconds, kill what is left; never join without a timeout."""
        members = list(self.members())
        for member in members:
            if member.state == FREE and member.reason is None:
                member.send({"op": "close"})
        limit = time.monotonic() + 2.0
        waiting = [m for m in members if m.state == FREE and m.reason is None]
        while waiting and time.monotonic() < limit:
            try:
                member, message = self.inbox.get(timeout=0.1)
            except queue.Empty:
                waiting = [m for m in waiting if m.cli.p.exitcode is None]
                continue
            if message is None or message.get("op") in ("finalized", "error"):
                waiting = [m for m in waiting if m is not member]
        for member in members:
            os_process.kill(member.cli.p)
        for member in members + self._leaving:
            member.end()
