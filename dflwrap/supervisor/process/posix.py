"""POSIX: the tree hangs on a guard process in a session of its own (see `guard`)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress

import psutil

from dflwrap.extractors.base import Launch
from dflwrap.supervisor.process.guard import SWEEP_BOUND, is_tracker, session_members
from dflwrap.supervisor.process.tree import ProcessTree, cannot_start, popen_streams

assert sys.platform != "win32"

GUARD = (sys.executable, "-P", "-m", "dflwrap.supervisor.process.guard")


class PosixTree(ProcessTree):
    """Not covered: a process in an uninterruptible wait (a dead network share) outlives every kill."""

    def __init__(self, launch: Launch) -> None:
        """Raises CannotStartError."""
        control_read, self._control = os.pipe()
        self._status, status_write = os.pipe()
        os.set_blocking(self._status, False)
        try:
            self._guard = subprocess.Popen(
                [*GUARD, str(control_read), str(status_write), "--", *launch.argv],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=(control_read, status_write),
                start_new_session=True,
            )
        except (OSError, ValueError) as error:  # ValueError: a null character in an argument
            os.close(self._control)
            os.close(self._status)
            raise cannot_start(launch, getattr(error, "strerror", None) or str(error)) from error
        finally:
            os.close(control_read)
            os.close(status_write)
        self._hand_over(launch)
        self.pid = self._guard.pid
        self.stdout, self.stderr = popen_streams(self._guard)
        self._launch = launch
        self._code: int | None = None
        self._known: list[psutil.Process] = []

    def _hand_over(self, launch: Launch) -> None:
        assert self._guard.stdin is not None
        stdin, data = self._guard.stdin, json.dumps({"env": launch.env, "cwd": launch.cwd}).encode()

        def write() -> None:
            with suppress(OSError), stdin:  # where the guard died at once, `poll` says so
                stdin.write(data)

        # In a thread: a guard that is stopped before it reads is the liveness's business, not this thread's.
        threading.Thread(target=write, name="guard-stdin", daemon=True).start()

    def poll(self) -> int | None:
        if self._code is None and self._guard.poll() is not None:
            self._code = self._read_status()
        return self._code

    def _read_status(self) -> int:
        try:
            text = os.read(self._status, 4096).decode(errors="replace")
        except OSError:
            text = ""
        if text.startswith("failed "):
            raise cannot_start(self._launch, text.removeprefix("failed "))
        try:
            return int(text)
        except ValueError:  # the guard was killed: on Linux its own child dies with it, elsewhere nobody
            self._kill_known()
            return self._guard.returncode if self._guard.returncode is not None else -int(signal.SIGKILL)

    def ask_to_stop(self) -> None:
        self._order(b"T")

    def kill(self) -> None:
        self._order(b"K")

    def _order(self, order: bytes) -> None:
        try:
            os.write(self._control, order)
        except OSError:
            pass  # the guard has ended

    def close(self) -> None:
        if self._guard.poll() is None:
            members = self._members()
            self.kill()
            try:
                self._guard.wait(SWEEP_BOUND + 2.0)
            except subprocess.TimeoutExpired:
                for process in members:
                    with suppress(psutil.Error):
                        process.kill()
                self._guard.kill()
                with suppress(subprocess.TimeoutExpired):
                    self._guard.wait(SWEEP_BOUND)
        if self._code is None:
            self._code = self._read_status()
        for descriptor in (self._control, self._status):
            try:
                os.close(descriptor)
            except OSError:
                pass

    def _kill_known(self) -> None:
        """Kill what was seen at the last look, what descends from it (psutil minds reused ids), and who is still in
        the guard's session, unless another process has got the guard's id since: then the session may be its own."""
        session = [] if psutil.pid_exists(self.pid) else session_members(self.pid)
        for process in {*self._known, *session}:
            if is_tracker(process):
                continue  # ends by itself, having cleared up after the others
            with suppress(psutil.Error):
                process.suspend()  # or it keeps starting others
                for child in process.children(recursive=True):
                    with suppress(psutil.Error):
                        if not is_tracker(child):
                            child.kill()
            with suppress(psutil.Error):
                process.kill()

    def _members(self) -> list[psutil.Process]:
        try:
            self._known = psutil.Process(self.pid).children(recursive=True)
        except psutil.Error:
            return []
        return self._known
