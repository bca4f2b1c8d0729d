"""Windows: the tree lives in a Job Object that kills it when its last handle, dflwrap's, is closed."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from ctypes import wintypes
from typing import Any

import psutil

from dflwrap.extractors.base import Launch
from dflwrap.supervisor.tree import ProcessTree, cannot_start, popen_streams

CREATE_SUSPENDED = 0x00000004
CREATE_NEW_PROCESS_GROUP = 0x00000200
JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE = 0x00002000
JOB_OBJECT_EXTENDED_LIMIT_INFORMATION = 9


class BasicLimits(ctypes.Structure):
    """JOBOBJECT_BASIC_LIMIT_INFORMATION (winnt.h), in types that are as wide everywhere."""

    _fields_ = (
        ("PerProcessUserTimeLimit", ctypes.c_int64),
        ("PerJobUserTimeLimit", ctypes.c_int64),
        ("LimitFlags", ctypes.c_uint32),
        ("MinimumWorkingSetSize", ctypes.c_size_t),
        ("MaximumWorkingSetSize", ctypes.c_size_t),
        ("ActiveProcessLimit", ctypes.c_uint32),
        ("Affinity", ctypes.c_size_t),
        ("PriorityClass", ctypes.c_uint32),
        ("SchedulingClass", ctypes.c_uint32),
    )


class ExtendedLimits(ctypes.Structure):
    """JOBOBJECT_EXTENDED_LIMIT_INFORMATION (winnt.h); six counters of IO_COUNTERS in between."""

    _fields_ = (
        ("BasicLimitInformation", BasicLimits),
        ("IoInfo", ctypes.c_ulonglong * 6),
        ("ProcessMemoryLimit", ctypes.c_size_t),
        ("JobMemoryLimit", ctypes.c_size_t),
        ("PeakProcessMemoryUsed", ctypes.c_size_t),
        ("PeakJobMemoryUsed", ctypes.c_size_t),
    )


def kill_on_close_limits() -> ExtendedLimits:
    limits = ExtendedLimits()
    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
    return limits


def _kernel32() -> Any:
    kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined,unused-ignore]
    kernel32.CreateJobObjectW.restype = wintypes.HANDLE
    kernel32.CreateJobObjectW.argtypes = (ctypes.c_void_p, wintypes.LPCWSTR)
    kernel32.SetInformationJobObject.argtypes = (
        wintypes.HANDLE,
        ctypes.c_int,
        ctypes.c_void_p,
        wintypes.DWORD,
    )
    kernel32.AssignProcessToJobObject.argtypes = (wintypes.HANDLE, wintypes.HANDLE)
    kernel32.TerminateJobObject.argtypes = (wintypes.HANDLE, wintypes.UINT)
    kernel32.CloseHandle.argtypes = (wintypes.HANDLE,)
    return kernel32


class WindowsTree(ProcessTree):
    """The process is created suspended, put into the job, and only then runs: no child can slip out."""

    def __init__(self, launch: Launch) -> None:
        self._kernel32 = _kernel32()
        self._job = self._kernel32.CreateJobObjectW(None, None)
        limits = kill_on_close_limits()
        if not self._job or not self._kernel32.SetInformationJobObject(
            self._job,
            JOB_OBJECT_EXTENDED_LIMIT_INFORMATION,
            ctypes.byref(limits),
            ctypes.sizeof(limits),
        ):
            raise cannot_start(launch, "Windows gives no job object")
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
            self._kernel32.CloseHandle(self._job)
            raise cannot_start(launch, error.strerror or str(error)) from error
        handle = wintypes.HANDLE(int(self._process._handle))  # type: ignore[attr-defined]
        assigned = self._kernel32.AssignProcessToJobObject(self._job, handle)
        ntdll = ctypes.WinDLL("ntdll")  # type: ignore[attr-defined,unused-ignore]
        ntdll.NtResumeProcess.argtypes = (wintypes.HANDLE,)
        ntdll.NtResumeProcess(handle)
        self._in_job = bool(assigned)  # before Windows 8 a process of another job cannot be put into ours
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
            self._kernel32.TerminateJobObject(self._job, 1)
            return
        for process in self._members():
            try:
                process.kill()
            except psutil.Error:
                continue

    def close(self) -> None:
        self.kill()
        self._process.wait(10)
        if self._job:
            self._kernel32.CloseHandle(self._job)
            self._job = None

    def _members(self) -> list[psutil.Process]:
        try:
            main = psutil.Process(self.pid)
            return [main, *main.children(recursive=True)]
        except psutil.Error:
            return []
