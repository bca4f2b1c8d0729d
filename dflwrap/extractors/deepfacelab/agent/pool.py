"""The host side of the worker pool: no frame is lost with its worker, and nothing waits forever.

Takes the place of `Subprocessor.run` for the automatic extract step, and speaks its protocol: messages
`init_ok`, `success`, `error`, `log_info`, `log_err`, `progress_bar_inc`, `finalized` from a worker,
`data` and `close` to it.

Which frame comes next, what is retried and whose fault a failure is, decides `frame_queue`; the workers as
processes are the business of `worker_processes`, copies of failed frames that of `retry_copies`.

What it does not cover: a machine or GPU on which everything fails. It then ends with an exception; the frames left,
and unproven failures, have no outcome, and the supervisor decides.
"""
# mypy: ignore-errors

import os
import queue
import sys
import time

from . import event_writer, os_process
from .event_writer import say
from .frame_stream import FrameStream, take_pattern
from .retry_copies import RetryCopies
from .shared import control_file, device_slots, frame_queue, memory_errors
from .worker_hooks import REPORT
from .worker_processes import WorkerProcesses
from .worker_slot import STARTING, bare_report

POLL_EVERY = 0.25
"""Seconds between two looks at the control file."""
SUPPORTED = (control_file.WORKERS, control_file.FRAMES, control_file.FRAMES_END, control_file.NO_COPY)


class Pool:
    """In the place of DeepFaceLab's own pool: hands frames to workers, and reports each."""

    def __init__(self, extract, settings, reporter, console):
        self.extract, self.settings, self.reporter, self.console = extract, settings, reporter, console
        self.copies = RetryCopies(settings, reporter, getattr(extract, "final_output_path", None))
        pattern = take_pattern(extract.input_data)
        self.frames = frame_queue.FrameQueue(
            extract.input_data,
            name_of=lambda data: data.filepath.name,
            take_first=lambda slot: extract.get_data(slot.host_dict),
            copies=self.copies,
        )
        self.worker_processes = WorkerProcesses(extract, settings, reporter, console, self.frames)
        self.control = control_file.ControlReader(settings.control, self._note)
        self.stream = FrameStream(self.frames, pattern, settings.stream, console)
        self._next_poll = 0.0
        self.total = len(extract.input_data)
        self.done = self.failed = 0
        self.longest = self.longest_first = None
        self.bar = False

    def stop(self):
        """Hand out nothing more, and end when the frames in work are done. For a signal handler."""
        self.frames.stopping = True

    # -- the loop ------------------------------------------------------------------------------------

    def run(self):
        recipes = list(self.extract.process_info_generator())
        if not recipes:
            raise Exception(f"Unable to start Subprocessor '{self.extract.name}' ")
        self.worker_processes.provide(recipes)
        self._follow()
        self.extract.clis = []
        self.reporter.emit(
            "extractor_started",
            version=self.settings.version,
            python=".".join(str(part) for part in sys.version_info[:3]),
            workers=len(recipes),
            mode="agent",
            pid=os.getpid(),
            supported=list(SUPPORTED) if self.settings.control else [],
        )
        try:
            self.worker_processes.start()
            self._work_off()
        except Exception as error:
            self.frames.give_up()
            self._report_failures()
            if isinstance(error, frame_queue.GivenUp):
                raise Exception(self._why(error)) from None
            raise
        finally:
            self.worker_processes.close()
        if self.bar:
            say(self.extract.on_clients_finalized)
        self.reporter.emit("finished", done=self.done, failed=self.failed, total=self.total)
        return self.extract.get_result()

    def _work_off(self):
        """Until every frame has its outcome, or a stop: what is held back then stands, what is unproven stays open."""
        while True:
            while not self._finished():
                self._receive()
                self._follow()
                self.worker_processes.end_unhealthy()
                self._reap()
                self.worker_processes.enforce_bounds(self.longest, self.longest_first)
                self.frames.look_for_copies()
                self._report_failures()
                self._report_widths()
                self._hand_out()
                self.worker_processes.end_surplus()
            if self.frames.stopping:
                self.frames.settle_held()
            elif self.frames.finish():
                continue
            self._report_failures()
            return

    def _follow(self):
        """Do what the supervisor asks in the control file."""
        if time.monotonic() < self._next_poll:
            return
        self._next_poll = time.monotonic() + POLL_EVERY
        for message in self.control.poll():
            self.total += self.stream.take(message)
            if message["type"] == control_file.NO_COPY:
                self.copies.refused(message["frame"])
            if message["type"] == control_file.WORKERS and not self.worker_processes.set_width(message):
                self._note("the control file names a device that is not there: {}".format(message["device"]))

    def _note(self, text):
        self.reporter.emit("log_line", stream="control", text=text)

    def _report_widths(self):
        for member, data, report in self.frames.take_handed_back():
            self.copies.remove_faces(data)
            self.reporter.emit(
                "frame_again",
                worker=member.slot.label,
                frame=data.filepath.name,
                error=report.get("error", ""),
            )
        for change in self.frames.widths.take_changes():
            self.reporter.emit(
                "width_changed",
                device=change.device.key,
                before=change.before,
                workers=change.after,
                reason=device_slots.OUT_OF_MEMORY,
                error=change.report.get("error", ""),
                asked=memory_errors.asked_for(
                    change.report.get("traceback") or change.report.get("error", "")
                ),
            )

    def _finished(self):
        if not self.frames.stopping and not self.worker_processes.slots:
            raise Exception("Unable to start subprocesses.")
        return not self.frames.busy and not self.frames.left

    @staticmethod
    def _why(error):
        return str(error) if error.report is None else "{}: {}".format(error, error.report.get("error", ""))

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
        elif op == "success" and member.frame is not None:
            self._result(member, message["result"])
        elif op == "error":
            self._error(member, message)
        elif op in ("log_info", "log_err"):
            say(getattr(self.console, op), message.get("msg"))
        elif op == "progress_bar_inc":
            say(self.console.progress_bar_inc, message.get("c", 0))

    # -- messages ------------------------------------------------------------------------------------

    def _ready(self, member):
        self.frames.ready(member)
        slot = member.slot
        event = "worker_replaced" if slot.started_once else "worker_started"
        slot.started_once, slot.start_failures = True, 0
        beside = {"beside_gpus": True} if self.worker_processes.is_beside_gpus(slot) else {}
        self.reporter.emit(event, worker=slot.label, pid=member.pid, device=slot.name, **beside)
        if not self.bar:
            self.bar = True
            say(self.extract.on_clients_initialized)

    def _result(self, member, result):
        data = member.frame
        report = getattr(result, REPORT, None) or bare_report(member, result)
        self.worker_processes.dismiss_spare(member)
        kind = report.get("kind")
        if kind is None:
            self._succeeded(member, data, result, report)
            return
        if kind != "unreadable" and not self.copies.is_copy(data):
            say(self.console.log_info, "Error while processing data: " + report["traceback"])
        words = report.get("traceback") or report.get("error", "")
        memory = kind != "unreadable" and memory_errors.is_out_of_memory(words)
        self.frames.failed(member, report, its_own=kind == "unreadable", memory=memory)
        self._report_failures()

    def _succeeded(self, member, data, result, report):
        self.frames.done(member)
        self._report_failures()
        # On Windows a worker's clock counts the computer's sleep.
        seconds = min(report["seconds"], member.seconds_in_frame())
        if member.frames_done > 1:
            self.longest = max(self.longest or 0.0, seconds)
        else:  # it pays for kernels and autotuning
            self.longest_first = max(self.longest_first or 0.0, seconds)
        extra = {"repaired": True} if self.copies.is_copy(data) else {}
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
            report = {"error": event_writer.last_line(text), "traceback": text}
            if memory_errors.is_out_of_memory(text) and self.frames.start_failed(member, report):
                member.for_memory = True
                self._report_widths()
                if member.reason is not None:  # it is the one too many
                    return
        elif member.frame is not None:
            say(self.console.log_info, f"Error while processing data: {text}")
            error = {"kind": "exception", "error": event_writer.last_line(text)}
            error["traceback"] = event_writer.bounded(text)
            self.frames.failed(member, error, its_own=True)
            self._report_failures()
        member.reason = "error"
        os_process.kill(member.cli.p)

    # -- failures ------------------------------------------------------------------------------------

    def _report_failures(self):
        for failure in self.frames.take_settled():
            self._failed(failure.slot, failure.frame, failure.report)

    def _failed(self, slot, data, report):
        self.failed += 1
        self.reporter.emit(
            "frame_failed",
            worker=slot.label,
            frame=data.filepath.name,
            error=report.get("error", ""),
            traceback=report.get("traceback", ""),
            kind=report["kind"],
            **({"repaired": True} if self.copies.was_proof(data) else {}),
        )
        self._tick(slot, data, data)

    def _reap(self):
        """Workers that have died: give their frames a second chance, put new workers there."""
        for member, status in self.worker_processes.dead():
            self.worker_processes.reap(member, status)
            why = "{}, exit status {}".format(member.reason or "died", status)
            error = f"the worker was lost twice in this frame ({why})"
            report = {"kind": "worker_lost", "error": error, "traceback": ""}
            self.frames.lost(member, report, hung=member.reason in ("hang", "spin"))
            self._report_failures()
            self.worker_processes.restart(member.slot, spare=member.frame is not None)

    # -- work ----------------------------------------------------------------------------------------

    def _hand_out(self):
        for slot in self.worker_processes.slots:
            alone = not any(self.worker_processes.members())
            if slot.member is None and (alone or not self.frames.untried.exhausted):
                self.worker_processes.restart(slot, spare=False)
            member = self.worker_processes.first_ready(slot)
            data = None if member is None else self.frames.next_for(member)
            if data is not None:
                self._send(member, data)
        self._renew_for_fresh()

    def _send(self, member, data):
        member.frame_since = time.monotonic()
        member.cli.sent_time, member.cli.sent_data, member.cli.state = time.time(), data, 1
        self.reporter.emit("frame_started", worker=member.slot.label, frame=data.filepath.name)
        member.send({"op": "data", "data": data})

    def _renew_for_fresh(self):
        """Frames left for a fresh worker, and none is coming: renew one that has nothing else to do."""
        if not self.frames.needs_fresh_worker:
            return
        may_start = self.frames.widths.may_start
        empty = [slot for slot in self.worker_processes.slots if slot.member is None]
        slot = next((slot for slot in empty if may_start(slot)), None)
        if slot is None:
            member = self.frames.to_renew()
            slot = None if member is None else member.slot
        if slot is not None:
            self.worker_processes.renew(slot)
            self._report_failures()
