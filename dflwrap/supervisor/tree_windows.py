"""Windows: the tree lives in a Job Object that kills it when its last handle, dflwrap's, is closed."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from ctypes import wintypes

import psutil

from dflwrap.common.windows_job import Job, kill_on_close
from dflwrap.extractors.base import Launch
from dflwrap.supervisor.tree import ProcessTree, cannot_start, popen_streams

CREATE_SUSPENDED = 0x00000004
CREATE_NEW_PROCESS_GROUP = 0x00000200
CLOSE_BOUND = 10.0
"""Seconds to wait for a killed process to be gone."""


class WindowsTree(ProcessTree):
    """The process is created suspended, put into the job, and only then runs: no child can slip out."""

    def __init__(self, launch: Launch) -> None:
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
        except OSError as error:
            self._job.close()
            raise cannot_start(launch, error.strerror or str(error)) from error
        handle = int(self._process._handle)  # type: ignore[attr-defined]
        self._in_job = self._job.assign(handle)
        ntdll = ctypes.WinDLL("ntdll")  # type: ignore[attr-defined,unused-ignore]
        ntdll.NtResumeProcess.argtypes = (wintypes.HANDLE,)
        ntdll.NtResumeProcess(wintypes.HANDLE(handle))
        self.pid = self._process.pid
        self.stdout, self.stderr = popen_streams(self._process)

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
        try:
            self._process.wait(CLOSE_BOUND)
        except subprocess.TimeoutExpired:
            pass  # stuck in a driver's call: it ends when that returns, and the run goes on
        finally:
            self._job.close()

    def _members(self) -> list[psutil.Process]:
        try:
            main = psutil.Process(self.pid)
            return [main, *main.children(recursive=True)]
        except psutil.Error:
            return []
