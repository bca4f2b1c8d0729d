"""What the checks ask Windows, behind one small interface; on other systems there is nothing to ask."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from contextlib import suppress
from typing import Any, Protocol

POWERCFG_BOUND = 3.0
"""Seconds."""
PF_AVX = 39
"""PF_AVX_INSTRUCTIONS_AVAILABLE (winnt.h)."""
VIDEO_CLASS = r"SYSTEM\CurrentControlSet\Control\Class\{4d36e968-e325-11ce-bfc1-08002be10318}"
"""Display adapters: one sub-key 0000, 0001, ... each."""
MOST_ADAPTERS = 16


class MemoryStatus(ctypes.Structure):
    """MEMORYSTATUSEX (sysinfoapi.h), in types that are as wide everywhere."""

    _fields_ = (
        ("length", ctypes.c_uint32),
        ("load", ctypes.c_uint32),
        ("total_physical", ctypes.c_uint64),
        ("free_physical", ctypes.c_uint64),
        ("commit_limit", ctypes.c_uint64),
        ("commit_free", ctypes.c_uint64),
        ("total_virtual", ctypes.c_uint64),
        ("free_virtual", ctypes.c_uint64),
        ("extended", ctypes.c_uint64),
    )


class Windows(Protocol):
    """Settings of a Windows machine. No method raises; None = not set, or not to be read."""

    def value(self, key: str, name: str) -> int | str | None:
        """A value below HKEY_LOCAL_MACHINE."""

    def commit(self) -> tuple[int, int] | None:
        """(limit, free) bytes of memory that may still be promised: RAM and page file together."""

    def has_avx(self) -> bool | None: ...

    def power_settings(self) -> str:
        """The output of powercfg about the sleep timer; "" where it does not answer."""


class RealWindows:
    """Asks the machine that this runs on."""

    def __init__(self, registry: Any = None, kernel: Any = None) -> None:
        """registry: the module winreg; kernel: kernel32. Others in tests."""
        self._registry, self._kernel = registry, kernel
        if sys.platform == "win32":
            import winreg

            self._registry = registry or winreg
            self._kernel = kernel or ctypes.windll.kernel32

    def value(self, key: str, name: str) -> int | str | None:
        reg = self._registry
        with suppress(OSError):  # not there, or not for this user
            # The 64-bit view: a 32-bit Python would be led elsewhere.
            access = reg.KEY_READ | reg.KEY_WOW64_64KEY
            with reg.OpenKey(reg.HKEY_LOCAL_MACHINE, key, 0, access) as opened:
                value = reg.QueryValueEx(opened, name)[0]
                return value if isinstance(value, int | str) else None
        return None

    def commit(self) -> tuple[int, int] | None:
        status = MemoryStatus(length=ctypes.sizeof(MemoryStatus))
        if not self._kernel.GlobalMemoryStatusEx(ctypes.byref(status)):
            return None
        return status.commit_limit, status.commit_free

    def has_avx(self) -> bool | None:
        return bool(self._kernel.IsProcessorFeaturePresent(PF_AVX))

    def power_settings(self) -> str:
        command = ["powercfg", "/query", "SCHEME_CURRENT", "SUB_SLEEP", "STANDBYIDLE"]  # found by its name
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, timeout=POWERCFG_BOUND, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return ""
        return done.stdout.decode("ascii", "replace")


def adapters(windows: Windows) -> list[str]:
    """Names of the display adapters that Windows knows, also those without a driver that answers."""
    found = []
    for number in range(MOST_ADAPTERS):
        name = windows.value(rf"{VIDEO_CLASS}\{number:04d}", "DriverDesc")
        if isinstance(name, str):
            found.append(name)
    return found


def here() -> Windows | None:
    """The Windows that this runs on; None on other systems."""
    return RealWindows() if sys.platform == "win32" else None
