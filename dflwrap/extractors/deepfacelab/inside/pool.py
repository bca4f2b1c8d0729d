"""The host side of the worker pool: no frame is lost with its worker, and nothing waits for ever.

Takes the place of `Subprocessor.run` for the automatic extract step, and speaks its protocol: messages
`init_ok`, `success`, `error`, `log_info`, `log_err`, `progress_bar_inc`, `finalized` from a worker,
`data` and `close` to it.

- A worker that dies is noticed by its exit status; its frame is tried once more as the first frame of a
  fresh worker, and given back as `worker_lost` if that one dies too. The others go on meanwhile.
- A frame that failed is tried once more as a copy prepared anew (`repairs`), and given back if that fails too.
- Failures in a row may mean a sick worker (a CUDA error sticks to its process). They are held back: the
  next good frame proves them to be the frames' own; enough of them without one replace the worker, and the
  frames are tried again in the new one, the first of them (it may be the cause) last and alone.
- A worker that is stopped, idle or spinning beyond its bound is killed (SIGKILL) and counts as dead.

What it does not cover: a machine or GPU on which everything fails. It then ends with an exception; the
frames left, and those in doubt, have no outcome, and the supervisor decides.
"""
# mypy: ignore-errors
# ruff: noqa: B905

import os
import queue
import sys
import time

from . import process, reporting
from .repairs import Repairs
from .work import Work
from .worker import REPORT
from .workers import BUSY, FREE, STARTING, Member, Slot, bare_report, labels

DRAIN_SECONDS = 0.3
"""How long after a worker's death its last messages may still arrive."""
DEAF_SECONDS = 1.0
"""A worker whose messages cannot be read any more (its pipe has ended) is given this long to end itself."""
STARTS_AFTER_DEATH, STARTS_AFTER_ERROR = 3, 2
"""Starts of one slot in a row that may fail: by dying, by a Python error (which tends to come again)."""
SPARE_MEMORY = 3 * 1024**3
"""Bytes of free memory that a spare wants (a worker holds 0.8 GB): the death may have been for want of it."""
SPARE_GIB = 6.0
"""A spare worker holds VRAM (context, weights): only on devices of at least this size."""


class Pool:
    def __init__(self, extract, settings, reporter, console):
        self.extract, self.settings, self.reporter, self.console = extract, settings, reporter, console
        self.inbox = queue.Queue()
        self.kernels = process.GrowingFolder(settings.kernel_cache)
        self.slots = []
        self.repairs = Repairs(settings, reporter, getattr(extract, "final_output_path", None))
        self.work = Work(extract, settings, self.repairs)
        self.total = len(extract.input_data)
        self.done = self.failed = 0
        self.longest = None
        self.bar = False
        self.stopping = False

    # -- the loop ------------------------------------------------------------------------------------

    def run(self):
        recipes = list(self.extract.process_info_generator())
        if not recipes:
            raise Exception(f"Unable to start Subprocessor '{self.extract.name}' ")
        self.slots = [Slot(label, recipe) for label, recipe in zip(labels(recipes), recipes)]
        self.extract.clis = []
        self.reporter.emit(
            "extractor_started",
            version=self.settings.version,
            python=".".join(str(part) for part in sys.version_info[:3]),
            workers=len(self.slots),
            mode="agent",
            pid=os.getpid(),
        )
        try:
            for slot in self.slots:
                slot.member = self._start(slot)
            while True:
                while not self._finished():
                    self._receive()
                    self._bury()
                    self._enforce_bounds()
                    self._give_up_copies()
                    self._hand_out()
                self._flush_all()
                if self.stopping or not self.repairs.waiting:
                    break
        except Exception:
            for slot, data, report in self.repairs.drain():  # shown to be their own failures before
                self._failed(slot, data, report)
            raise
        finally:
            self._close()
        if self.bar:
            self._say(self.extract.on_clients_finalized)
        self.reporter.emit("finished", done=self.done, failed=self.failed, total=self.total)
        return self.extract.get_result()

    def _finished(self):
        busy = any(member.state == BUSY for member in self._members())
        if self.stopping:
            return not busy
        if not self.slots:
            raise Exception("Unable to start subprocesses.")
        return not busy and not self.work.left

    def _members(self):
        for slot in self.slots:
            if slot.member is not None:
                yield slot.member
            if slot.spare is not None:
                yield slot.spare

    def _start(self, slot):
        cli = self.extract.SubprocessorCli_class(slot.client_dict)
        cli.state, cli.sent_time, cli.sent_data = 1, 0, None
        cli.name, cli.host_dict = slot.name, slot.host_dict
        return Member(slot, cli, self.inbox)

    def _receive(self):
        try:
            item = self.inbox.get(timeout=0.05)
            while True:
                self._message(*item)
                item = self.inbox.get_nowait()
        except queue.Empty:
            pass

    def _message(self, member, message):
        if member not in self._members():
            return
        if message is None:
            member.deaf_since = time.monotonic()
            return
        member.alive_signal()
        op = message.get("op", "")
        if op == "init_ok":
            self._ready(member)
        elif op == "success":
            self._result(member, message["data"], message["result"])
        elif op == "error":
            self._error(member, message)
        elif op in ("log_info", "log_err"):
            self._say(getattr(self.console, op), message.get("msg"))
        elif op == "progress_bar_inc":
            self._say(self.console.progress_bar_inc, message.get("c", 0))

    @staticmethod
    def _say(function, *args):
        """The console is not worth an extraction: its reader may be gone."""
        try:
            function(*args)
        except (OSError, ValueError):
            pass

    # -- messages ------------------------------------------------------------------------------------

    def _ready(self, member):
        member.state = FREE
        slot = member.slot
        event = "worker_replaced" if slot.started_once else "worker_started"
        slot.started_once, slot.start_failures = True, 0
        self.reporter.emit(event, worker=slot.label, pid=member.pid, device=slot.name)
        if not self.bar:
            self.bar = True
            self._say(self.extract.on_clients_initialized)

    def _result(self, member, data, result):
        report = getattr(result, REPORT, None) or bare_report(member, result)
        member.state, member.frame = FREE, None
        member.frames_done += 1
        if member is member.slot.member and member.slot.spare is not None:  # the suspect did not kill it
            spare, member.slot.spare = member.slot.spare, None
            spare.end()
        kind = report.get("kind")
        member.last_failed = kind is not None
        if kind is None:
            self._succeeded(member, data, result, report)
        elif kind == "unreadable" or self.repairs.is_copy(data):  # no sign of a sick worker
            self._fail(member.slot, data, report)
        else:
            self._say(self.console.log_info, "Error while processing data: " + report["traceback"])
            member.held.append((data, report))
            if len(member.held) >= self.settings.errors_in_row:
                self._sick(member)

    def _succeeded(self, member, data, result, report):
        self._flush(member)
        member.good_frames += 1
        member.slot.sick = False
        self._settle_doubts()
        if member.frames_done > 1:  # a first frame pays for kernels and autotuning
            self.longest = max(self.longest or 0.0, report["seconds"])
        extra = {"repaired": True} if self.repairs.is_copy(data) else {}
        if report.get("looked") is False:
            extra["looked"] = False
        self.reporter.emit(
            "frame_done",
            worker=member.slot.label,
            frame=data.filepath.name,
            faces=report["faces"],
            rects=report["rects"],
            seconds=report["seconds"],
            **extra,
        )
        self.done += 1
        self._tick(member.slot, data, result)

    def _tick(self, slot, data, result):
        if hasattr(result, REPORT):
            delattr(result, REPORT)
        self._say(self.extract.on_result, slot.host_dict, data, result)

    def _error(self, member, message):
        """A worker says that it is about to end: at its start, or because it runs without our hook."""
        text = message.get("err_msg") or ""
        if member.state == STARTING:
            member.start_error = text
            self._say(self.console.log_info, f"Error while subprocess initialization: {text}")
        elif member.frame is not None:
            self._say(self.console.log_info, f"Error while processing data: {text}")
            error = {"kind": "exception", "error": reporting.last_line(text)}
            error["traceback"] = reporting.bounded(text)
            data, member.frame = member.frame, None
            self._fail(member.slot, data, error)
        member.reason = "error"
        process.kill(member.cli.p)

    # -- failures ------------------------------------------------------------------------------------

    def _repaired(self, data):
        return {"repaired": True} if self.repairs.was_proof(data) else {}

    def _give_up_copies(self):
        for slot, data, report in self.repairs.given_up():
            self._fail(slot, data, report)

    def _fail(self, slot, data, report):
        """A failure that is the frame's own: it gets its second try, or the failure stands."""
        if self.stopping or not self.repairs.wait_for(slot, data, report):
            self._failed(slot, data, report)

    def _failed(self, slot, data, report):
        self.failed += 1
        self.reporter.emit(
            "frame_failed",
            worker=slot.label,
            frame=data.filepath.name,
            error=report.get("error", ""),
            traceback=report.get("traceback", ""),
            kind=report["kind"],
            **self._repaired(data),
        )
        self._tick(slot, data, data)

    def _flush(self, member):
        for data, report in member.held:
            self._fail(member.slot, data, report)
        member.held = []

    def _settle_doubts(self):
        for slot, data, report in self.work.succeeded():
            self._fail(slot, data, report)

    def _flush_all(self):
        """At the end: what was held back stands. After a stop, frames in doubt stay open."""
        if not self.stopping:
            self._settle_doubts()
        for member in list(self._members()):
            self._flush(member)

    def _sick(self, member):
        standing, replace = self.work.failed_in_row(member)
        for data, report in standing:
            self._fail(member.slot, data, report)
        if replace:
            member.slot.sick = True
            member.reason = "errors"
            process.kill(member.cli.p)

    def _bury(self):
        """Workers that have died: name the frame, give it its second chance, put a new worker there."""
        now = time.monotonic()
        for member in list(self._members()):
            status = member.cli.p.exitcode
            if status is None:
                if member.deaf_since is not None and now - member.deaf_since > DEAF_SECONDS:
                    member.reason = member.reason or "protocol"
                    process.kill(member.cli.p)
                continue
            if member.dead_since is None:
                member.dead_since = now
            heard_out = member.state == FREE or member.deaf_since is not None
            if heard_out or now - member.dead_since >= DRAIN_SECONDS:
                self._lost(member, status)

    def _lost(self, member, status):
        slot = member.slot
        self._lost_event(member, status)
        member.end(1.0)
        is_spare = member is slot.spare
        if is_spare:
            slot.spare = None
        else:
            slot.member, slot.spare = slot.spare, None
        self._flush(member)
        if member.state == STARTING:
            if not is_spare:
                self._start_failed(member)
        elif member.reason != "errors":
            self.work.worker_died(member, status)
        self._restart(slot, spare=member.frame is not None)

    def _lost_event(self, member, status):
        self.reporter.emit(
            "worker_lost",
            worker=member.slot.label,
            pid=member.pid,
            exit_status=status,
            phase=member.phase,
            reason=member.reason or "died",
            error=reporting.last_line(member.start_error),
            **({} if member.frame is None else {"frame": member.frame.filepath.name}),
        )

    def _start_failed(self, member):
        slot = member.slot
        slot.start_failures += 1
        limit = STARTS_AFTER_DEATH if member.start_error is None else STARTS_AFTER_ERROR
        if slot.start_failures >= limit and slot.spare is None and slot.member is None:
            self.slots.remove(slot)

    def _restart(self, slot, spare):
        if slot not in self.slots or self.stopping:
            return
        if slot.member is None and self.work.left:
            slot.member = self._start(slot)
            if spare and self.work.has_suspects and self._may_spare(slot):
                slot.spare = self._start(slot)

    def _may_spare(self, slot):
        if not self.settings.spare or any(one.spare is not None for one in self.slots):
            return False
        memory = process.available_memory()
        if memory is not None and memory < SPARE_MEMORY:
            return False
        if slot.on_cpu:
            return (os.cpu_count() or 1) >= 2
        for device in getattr(self.extract, "devices", ()):
            if device[0] == slot.client_dict.get("device_idx"):
                return device[3] >= SPARE_GIB
        return False

    # -- bounds, work, end ---------------------------------------------------------------------------

    def _enforce_bounds(self):
        for member in list(self._members()):
            if member.reason is None and member.dead_since is None:
                reason = member.overdue(self.settings, self.longest)
                if reason in ("hang", "spin") and member.phase != "steady" and self.kernels.grew():
                    member.excuse()
                elif reason is not None:
                    member.reason = reason
                    message = f"{member.slot.name} doesnt response, terminating it. ({reason})"
                    self._say(self.console.log_info, message)
                    process.kill(member.cli.p)

    def _hand_out(self):
        if self.stopping:
            return
        for slot in self.slots:
            member = slot.member
            if member is None and (not self.work.exhausted or not any(self._members())):
                self._restart(slot, spare=False)
            spare = slot.spare
            if spare is not None and member is not None and (spare.state, member.state) == (FREE, STARTING):
                slot.member, slot.spare, member = spare, member, spare
            if member is not None and member.state == FREE and member.reason is None:
                busy = any(one is not member and one.state != FREE for one in self._members())
                data = self.work.next_for(member, busy)
                if data is not None:
                    self._send(member, data)
        self._renew_for_fresh()

    def _send(self, member, data):
        member.state, member.frame = BUSY, data
        member.frame_since = time.monotonic()
        member.cli.sent_time, member.cli.sent_data, member.cli.state = time.time(), data, 1
        self.reporter.emit("frame_started", worker=member.slot.label, frame=data.filepath.name)
        member.send({"op": "data", "data": data})

    def _renew_for_fresh(self):
        """Frames left for a fresh worker, and none is coming: renew one that has nothing else to do."""
        if not self.work.needs_fresh_worker:
            return
        if any(m.state == STARTING or not m.frames_done for m in self._members()):
            return
        for slot in self.slots:
            if slot.member is None:
                slot.member = self._start(slot)
                return
            if slot.member.state == FREE and slot.member.reason is None:
                self._flush(slot.member)
                slot.member.end()
                slot.member = self._start(slot)
                return

    def _close(self):
        """Ask the workers to end, give them two seconds, kill what is left; never join without a bound."""
        members = list(self._members())
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
            process.kill(member.cli.p)
        for member in members:
            member.end()
