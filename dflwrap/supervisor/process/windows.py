"""Windows: the tree lives in a Job Object that kills it when its last handle, dflwrap's, is closed."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from ctypes import wintypes
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from dflwrap.common.waits import wait_until
from dflwrap.common.windows.job import Job, kill_on_close, without_dialogs
from dflwrap.extractors.base import Launch
from dflwrap.supervisor.process.tree import ProcessTree, Vitals, cannot_start, measure, popen_streams

CREATE_SUSPENDED = 0x00000004
CREATE_NEW_PROCESS_GROUP = 0x00000200
CLOSE_BOUND = 10.0
"""Seconds to wait for a killed process to be gone."""
STOPPED_EVERY = 5.0
"""Seconds between two looks for suspended processes: psutil reads the whole process table for each of them."""


class WindowsTree(ProcessTree):
    """The process is created suspended, put into the job, and only then runs: no child can slip out."""

    def __init__(self, launch: Launch) -> None:
        """Raises CannotStartError."""
        without_dialogs()
        try:
            self._job = Job(kill_on_close())
        except OSError as error:
            raise cannot_start(launch, str(error)) from error
        try:
            self._process = subprocess.Popen(
                list(launch.argv),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=launch.env,
                cwd=launch.cwd,
                creationflags=CREATE_SUSPENDED | CREATE_NEW_PROCESS_GROUP,
            )
        except (OSError, ValueError) as error:  # ValueError: a null character in an argument or a variable
            self._job.close()
            raise cannot_start(launch, _why(launch, error)) from error
        handle = int(self._process._handle)  # type: ignore[attr-defined]
        self._in_job = self._job.assign(handle)
        self.pid = self._process.pid
        self.stdout, self.stderr = popen_streams(self._process)
        self._stopped: tuple[int, ...] = ()
        self._looked_for_stopped = 0.0
        status = _resume(handle)
        if status < 0:  # it would stay suspended forever
            self.close()
            raise cannot_start(launch, f"Windows does not let it run: status 0x{status & 0xFFFFFFFF:08X}")

    def poll(self) -> int | None:
        code = self._process.poll()
        if code is not None:
            self._end_leftovers()
        return code

    def ask_to_stop(self) -> None:
        try:
            os.kill(self.pid, signal.CTRL_BREAK_EVENT)  # type: ignore[attr-defined,unused-ignore]
        except OSError:
            self.kill()  # no console to send it through

    def kill(self) -> None:
        self._end_leftovers()
        if self._process.poll() is None:
            self._process.kill()

    def _end_leftovers(self) -> None:
        if self._in_job:
            self._job.terminate()
            return
        for process in self._members():
            try:
                process.kill()
            except psutil.Error:
                continue

    def close(self) -> None:
        self.kill()
        # One that is stuck in a driver's call ends when that returns; the run continues without it.
        wait_until(lambda: self._process.poll() is not None, CLOSE_BOUND)
        self._job.close()

    def vitals(self) -> Vitals:
        now = time.monotonic()
        look = now - self._looked_for_stopped >= STOPPED_EVERY
        vitals = measure(self._members(), look_for_stopped=look)
        if look:
            self._looked_for_stopped, self._stopped = now, vitals.stopped
        return replace(vitals, stopped=self._stopped)

    def _members(self) -> list[psutil.Process]:
        try:
            main = psutil.Process(self.pid)
            return [main, *main.children(recursive=True)]
        except psutil.Error:
            return []


def _resume(process: int, ntdll: Any = None) -> int:
    """Let a process that was created suspended run; the NTSTATUS of the call, negative for an error."""
    if ntdll is None:
        ntdll = ctypes.WinDLL("ntdll")  # type: ignore[attr-defined,unused-ignore]
        ntdll.NtResumeProcess.argtypes = (wintypes.HANDLE,)
        ntdll.NtResumeProcess.restype = ctypes.c_int32
    return int(ntdll.NtResumeProcess(wintypes.HANDLE(process)))


def _why(launch: Launch, error: Exception) -> str:
    """Windows does not say which of the two names it did not find."""
    text = getattr(error, "strerror", None) or str(error)
    if launch.cwd and not Path(launch.cwd).is_dir():
        return f"{text}: {launch.cwd}"
    return text
