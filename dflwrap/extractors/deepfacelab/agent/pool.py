"""The host side of the worker pool: no frame is lost with its worker, and nothing waits forever.

Takes the place of `Subprocessor.run` for the automatic extract step, and speaks its protocol: messages
`init_ok`, `success`, `error`, `log_info`, `log_err`, `progress_bar_inc`, `finalized` from a worker,
`data` and `close` to it.

- The frame of a worker that dies is retried as the first frame of a fresh worker, and given back
  as `worker_lost` if that one dies too. The others continue meanwhile.
- A frame that failed is retried as a re-encoded copy (`repairs`), and given back if that fails too.
- Failures in a row may mean an unhealthy worker (a CUDA error sticks to its process). They are held back: the
  next good frame proves them to be the frames' own; enough of them without one replace the worker, and the
  frames are tried again in the new one, the first of them (it may be the cause) last and alone.

The workers as processes are `crew`'s business, which frame comes next is `work`'s. What it does not
cover: a machine or GPU on which everything fails. It then ends with an exception; the frames left, and those
suspect, have no outcome, and the supervisor decides.
"""
# mypy: ignore-errors

import os
import queue
import sys
import time

from . import event_writer, os_process
from .event_writer import say
from .retry_copies import Repairs
from .work import Work
from .worker_hooks import REPORT
from .worker_processes import WorkerProcesses
from .worker_slot import BUSY, FREE, STARTING, bare_report


class Pool:
    def __init__(self, extract, settings, reporter, console):
        self.extract, self.settings, self.reporter, self.console = extract, settings, reporter, console
        self.repairs = Repairs(settings, reporter, getattr(extract, "final_output_path", None))
        self.work = Work(extract, settings, self.repairs)
        self.worker_processes = WorkerProcesses(extract, settings, reporter, console, self.work)
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
        self.worker_processes.provide(recipes)
        self.extract.clis = []
        self.reporter.emit(
            "extractor_started",
            version=self.settings.version,
            python=".".join(str(part) for part in sys.version_info[:3]),
            workers=len(recipes),
            mode="agent",
            pid=os.getpid(),
        )
        try:
            self.worker_processes.start()
            while True:
                while not self._finished():
                    self._receive()
                    self._bury()
                    self.worker_processes.enforce_bounds(self.longest)
                    self._give_up_copies()
                    self._hand_out()
                if self._doubt_the_last():
                    continue
                self._flush_all()
                if self.stopping or not self.repairs.waiting:
                    break
        except Exception:
            for slot, data, report in self.repairs.drain():  # shown to be their own failures before
                self._failed(slot, data, report)
            raise
        finally:
            self.worker_processes.close()
        if self.bar:
            say(self.extract.on_clients_finalized)
        self.reporter.emit("finished", done=self.done, failed=self.failed, total=self.total)
        return self.extract.get_result()

    def _finished(self):
        busy = any(member.state == BUSY for member in self.worker_processes.members())
        if self.stopping:
            return not busy
        if not self.worker_processes.slots:
            raise Exception("Unable to start subprocesses.")
        return not busy and not self.work.left

    def _receive(self):
        try:
            item = self.worker_processes.inbox.get(timeout=0.05)
            while True:
                self._message(*item)
                item = self.worker_processes.inbox.get_nowait()
        except queue.Empty:
            pass

    def _message(self, member, message):
        if member not in self.worker_processes.members():
            return
        if message is None:
            member.pipe_closed_at = time.monotonic()
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
            say(getattr(self.console, op), message.get("msg"))
        elif op == "progress_bar_inc":
            say(self.console.progress_bar_inc, message.get("c", 0))

    # -- messages ------------------------------------------------------------------------------------

    def _ready(self, member):
        member.state = FREE
        slot = member.slot
        event = "worker_replaced" if slot.started_once else "worker_started"
        slot.started_once, slot.start_failures = True, 0
        self.reporter.emit(event, worker=slot.label, pid=member.pid, device=slot.name)
        if not self.bar:
            self.bar = True
            say(self.extract.on_clients_initialized)

    def _result(self, member, data, result):
        report = getattr(result, REPORT, None) or bare_report(member, result)
        member.state, member.frame = FREE, None
        member.frames_done += 1
        self.worker_processes.dismiss_spare(member)
        kind = report.get("kind")
        member.last_failed = kind is not None
        if kind is None:
            self._succeeded(member, data, result, report)
        elif kind == "unreadable" or self.repairs.is_copy(data):  # no sign of an unhealthy worker
            self._fail(member.slot, data, report)
        else:
            say(self.console.log_info, "Error while processing data: " + report["traceback"])
            member.held.append((data, report))
            if len(member.held) >= self.settings.errors_in_row:
                self._unhealthy(member)

    def _succeeded(self, member, data, result, report):
        self._flush(member)
        member.good_frames += 1
        member.slot.unhealthy = False
        self._stand(self.work.succeeded(member.slot))
        if member.frames_done > 1:  # a first frame pays for kernels and autotuning
            # On Windows a worker's clock counts the computer's sleep.
            seconds = min(report["seconds"], member.seconds_in_frame())
            self.longest = max(self.longest or 0.0, seconds)
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
        say(self.extract.on_result, slot.host_dict, data, result)

    def _error(self, member, message):
        """A worker says that it is about to end: at its start, or because it runs without our hook."""
        text = message.get("err_msg") or ""
        if member.state == STARTING:
            member.start_error = text
            say(self.console.log_info, f"Error while subprocess initialization: {text}")
        elif member.frame is not None:
            say(self.console.log_info, f"Error while processing data: {text}")
            error = {"kind": "exception", "error": event_writer.last_line(text)}
            error["traceback"] = event_writer.bounded(text)
            data, member.frame = member.frame, None
            self._fail(member.slot, data, error)
        member.reason = "error"
        os_process.kill(member.cli.p)

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

    def _stand(self, failures):
        for slot, data, report in failures:
            self._fail(slot, data, report)

    def _doubt_the_last(self):
        """No frame is left that could show a worker to be well: a single failure is its frame's, several are open."""
        if self.stopping:
            return False
        for member in list(self.worker_processes.members()):
            if len(member.held) > 1:
                self._unhealthy(member)
        return self.work.waits

    def _flush_all(self):
        """At the end: what was held back stands. After a stop, suspect frames stay open."""
        if not self.stopping:
            self._stand(self.work.settled())
        for member in list(self.worker_processes.members()):
            self._flush(member)

    def _unhealthy(self, member):
        standing, replace = self.work.failed_in_row(member)
        for data, report in standing:
            self._fail(member.slot, data, report)
        if not self.stopping and self.worker_processes.disable_failing_slot(member.slot):
            self.work.slot_given_up(member.slot)
        elif replace:
            member.slot.unhealthy = True
            member.reason = "errors"
            os_process.kill(member.cli.p)

    def _bury(self):
        """Workers that have died: give their frames a second chance, put new workers there."""
        for member, status in self.worker_processes.dead():
            self.worker_processes.reap(member, status)
            self._flush(member)
            if member.state != STARTING and member.reason != "errors":
                self.work.worker_died(member, status)
            if not self.stopping:
                self.worker_processes.restart(member.slot, spare=member.frame is not None)

    # -- work ----------------------------------------------------------------------------------------

    def _hand_out(self):
        if self.stopping:
            return
        for slot in self.worker_processes.slots:
            if slot.member is None and (not self.work.exhausted or not any(self.worker_processes.members())):
                self.worker_processes.restart(slot, spare=False)
            member = self.worker_processes.first_ready(slot)
            if member is not None and member.state == FREE and member.reason is None:
                busy = any(one is not member and one.state != FREE for one in self.worker_processes.members())
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
        if any(m.state == STARTING or not m.frames_done for m in self.worker_processes.members()):
            return
        for slot in self.worker_processes.slots:
            member = slot.member
            if member is None:
                self.worker_processes.renew(slot)
                return
            if member.state == FREE and member.reason is None:
                if len(member.held) > 1:  # it may be unhealthy: its frames are not to blame for that
                    self._unhealthy(member)
                    return
                self._flush(member)
                self.worker_processes.renew(slot)
                return
