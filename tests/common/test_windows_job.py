"""The Job Object: layouts on every system, the calls against a stand-in for kernel32, the bound itself on Windows."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from dflwrap.common.windows import job as windows_job
from dflwrap.common.windows.job import BasicLimits, ExtendedLimits, Job, kill_on_close, memory_bound


class PlayedKernel32:
    """Keeps what it was asked, and the limits as the bytes that Windows would read."""

    def __init__(self, *, gives: bool = True, takes: bool = True, assigns: bool = True) -> None:
        self._gives, self._takes, self._assigns = gives, takes, assigns
        self.calls: list[tuple[Any, ...]] = []
        self.limits = b""

    def CreateJobObjectW(self, attributes: None, name: None) -> int | None:
        return 77 if self._gives else None

    def SetInformationJobObject(self, job: int, kind: int, limits: Any, size: int) -> int:
        self.limits = bytes(limits._obj)
        self.calls.append(("set", job, kind, size))
        return int(self._takes)

    def AssignProcessToJobObject(self, job: int, process: Any) -> int:
        self.calls.append(("assign", job, getattr(process, "value", process)))
        return int(self._assigns)

    def GetCurrentProcess(self) -> int:
        return -1

    def TerminateJobObject(self, job: int, code: int) -> int:
        self.calls.append(("terminate", job, code))
        return 1

    def CloseHandle(self, handle: int) -> int:
        self.calls.append(("close", handle))
        return 1


def test_the_structures_are_laid_out_as_windows_has_them() -> None:
    """winnt.h on 64-bit Windows: 64 + 48 + 4 * 8 bytes; a wrong layout would be refused or set other limits."""
    if ctypes.sizeof(ctypes.c_void_p) != 8:
        pytest.skip("the figures are those of 64 bits")
    assert ctypes.sizeof(BasicLimits) == 64
    assert ctypes.sizeof(ExtendedLimits) == 144
    assert BasicLimits.LimitFlags.offset == 16
    assert BasicLimits.Affinity.offset == 48
    assert ExtendedLimits.ProcessMemoryLimit.offset == 112


def test_each_kind_of_limit_sets_its_flag_and_that_a_crash_ends_the_process() -> None:
    assert kill_on_close().BasicLimitInformation.LimitFlags == 0x2000 | 0x400
    assert kill_on_close().ProcessMemoryLimit == 0
    bound = memory_bound(6 << 30)
    assert bound.BasicLimitInformation.LimitFlags == 0x100 | 0x400
    assert (bound.ProcessMemoryLimit, bound.JobMemoryLimit) == (6 << 30, 0)


def test_a_job_is_given_its_limits_before_any_process() -> None:
    kernel32 = PlayedKernel32()
    job = Job(memory_bound(6 << 30), kernel32)
    assert job.assign(1234)
    assert job.assign_me()
    job.terminate()
    job.close()
    job.close()
    size = ctypes.sizeof(ExtendedLimits)
    assert kernel32.calls == [
        ("set", 77, windows_job.EXTENDED_LIMIT_INFORMATION, size),
        ("assign", 77, 1234),
        ("assign", 77, -1),
        ("terminate", 77, 1),
        ("close", 77),
    ]
    read = ExtendedLimits.from_buffer_copy(kernel32.limits)
    assert read.ProcessMemoryLimit == 6 << 30


def test_a_job_that_windows_does_not_give_is_an_error() -> None:
    with pytest.raises(OSError, match="gives no job"):
        Job(kill_on_close(), PlayedKernel32(gives=False))
    refusing = PlayedKernel32(takes=False)
    with pytest.raises(OSError, match="does not take"):
        Job(kill_on_close(), refusing)
    assert refusing.calls[-1] == ("close", 77)
    assert not Job(kill_on_close(), PlayedKernel32(assigns=False)).assign(1)


def test_crash_dialogs_are_off_and_what_was_set_stays() -> None:
    modes = [0x0004]
    kernel32 = SimpleNamespace(GetErrorMode=lambda: modes[-1], SetErrorMode=modes.append)
    windows_job.without_dialogs(kernel32)
    assert modes[-1] == 0x8007


@pytest.mark.windows
def test_a_process_in_a_bounded_job_is_refused_more_memory() -> None:
    script = (
        "from dflwrap.common.windows.job import Job, memory_bound\n"
        "assert Job(memory_bound(256 << 20)).assign_me()\n"
        "try:\n    bytearray(512 << 20)\nexcept MemoryError:\n    print('bounded')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "bounded"
