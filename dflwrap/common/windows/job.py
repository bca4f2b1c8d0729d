"""Windows: a Job Object, which bounds the processes in it and can end them all at once, without a dialog.

The structures are defined everywhere, so that their layout is tested everywhere; a `Job` exists on Windows only.
Layouts and flags: winnt.h, JOBOBJECT_EXTENDED_LIMIT_INFORMATION.
"""

from __future__ import annotations

import ctypes
from ctypes import wintypes
from typing import Any

KILL_ON_CLOSE = 0x00002000
"""JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE."""
PROCESS_MEMORY = 0x00000100
"""JOB_OBJECT_LIMIT_PROCESS_MEMORY."""
DIE_ON_UNHANDLED_EXCEPTION = 0x00000400
"""JOB_OBJECT_LIMIT_DIE_ON_UNHANDLED_EXCEPTION: without it a crashed process stays until somebody answers a dialog."""
NO_DIALOGS = 0x8003
"""SEM_FAILCRITICALERRORS, SEM_NOGPFAULTERRORBOX and SEM_NOOPENFILEERRORBOX: a missing DLL, a crash or a removed
disk is an exit status, not a window that waits for a click."""
EXTENDED_LIMIT_INFORMATION = 9


class BasicLimits(ctypes.Structure):
    """JOBOBJECT_BASIC_LIMIT_INFORMATION, in types that are as wide everywhere."""

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
    """JOBOBJECT_EXTENDED_LIMIT_INFORMATION; six counters of IO_COUNTERS in between."""

    _fields_ = (
        ("BasicLimitInformation", BasicLimits),
        ("IoInfo", ctypes.c_ulonglong * 6),
        ("ProcessMemoryLimit", ctypes.c_size_t),
        ("JobMemoryLimit", ctypes.c_size_t),
        ("PeakProcessMemoryUsed", ctypes.c_size_t),
        ("PeakJobMemoryUsed", ctypes.c_size_t),
    )


def kill_on_close() -> ExtendedLimits:
    """The job's processes end when its last handle is closed, also by the death of who holds it."""
    limits = ExtendedLimits()
    limits.BasicLimitInformation.LimitFlags = KILL_ON_CLOSE | DIE_ON_UNHANDLED_EXCEPTION
    return limits


def memory_bound(size: int) -> ExtendedLimits:
    """No process of the job may commit more than `size` bytes: an allocation beyond them fails."""
    limits = ExtendedLimits()
    limits.BasicLimitInformation.LimitFlags = PROCESS_MEMORY | DIE_ON_UNHANDLED_EXCEPTION
    limits.ProcessMemoryLimit = size
    return limits


def without_dialogs(kernel32: Any = None) -> None:
    """This process, and those it starts from now on (they inherit the mode), end when they crash."""
    kernel32 = kernel32 or _kernel32()
    kernel32.SetErrorMode(kernel32.GetErrorMode() | NO_DIALOGS)


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
    kernel32.GetCurrentProcess.restype = wintypes.HANDLE
    kernel32.GetCurrentProcess.argtypes = ()
    kernel32.TerminateJobObject.argtypes = (wintypes.HANDLE, wintypes.UINT)
    kernel32.CloseHandle.argtypes = (wintypes.HANDLE,)
    kernel32.SetErrorMode.argtypes = (wintypes.UINT,)
    return kernel32


class Job:
    """A Job Object of our own. Raises OSError where Windows gives none."""

    def __init__(self, limits: ExtendedLimits, kernel32: Any = None) -> None:
        """Raises OSError."""
        self._kernel32 = kernel32 or _kernel32()
        self._handle = self._kernel32.CreateJobObjectW(None, None)
        if not self._handle:
            raise OSError("Windows gives no job object")
        if not self._kernel32.SetInformationJobObject(
            self._handle, EXTENDED_LIMIT_INFORMATION, ctypes.byref(limits), ctypes.sizeof(limits)
        ):
            self.close()
            raise OSError("Windows does not take the limits of a job object")

    def assign(self, process: int) -> bool:
        """Put a process, given by its handle, into the job: later children of it are in the job too. False where
        Windows refuses: before Windows 8 a process of another job cannot be put into ours."""
        return bool(self._kernel32.AssignProcessToJobObject(self._handle, wintypes.HANDLE(process)))

    def assign_me(self) -> bool:
        """The same for the calling process; see `assign`."""
        return bool(self._kernel32.AssignProcessToJobObject(self._handle, self._kernel32.GetCurrentProcess()))

    def terminate(self) -> None:
        """End every process of the job now."""
        self._kernel32.TerminateJobObject(self._handle, 1)

    def close(self) -> None:
        """Give the handle back; a second call does nothing."""
        if self._handle:
            self._kernel32.CloseHandle(self._handle)
            self._handle = None
