"""Windows: a click into the console's window must not stop what prints there."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import wintypes
from typing import Any

READ_WRITE = 0xC0000000
SHARE_READ_WRITE = 0x3
OPEN_EXISTING = 3
QUICK_EDIT = 0x0040
"""ENABLE_QUICK_EDIT_MODE: a click selects text, and every write to the console waits until a key is pressed
(microsoft/terminal#2678)."""
EXTENDED_FLAGS = 0x0080
"""ENABLE_EXTENDED_FLAGS: without it, a change of QUICK_EDIT is not taken."""
_INVALID_HANDLE = ctypes.c_void_p(-1).value


@contextmanager
def without_quick_edit(kernel32: Any = None) -> Iterator[None]:
    """Within the block a click selects nothing; afterwards the console is as it was. Does nothing elsewhere.

    Not covered: a dflwrap that is killed leaves the mode off; the window's own properties put it back.
    """
    kernel32 = kernel32 or _kernel32()
    before = None if kernel32 is None else _switch_off(kernel32)
    try:
        yield
    finally:
        if before is not None:
            handle, mode = before
            kernel32.SetConsoleMode(handle, mode | EXTENDED_FLAGS)
            kernel32.CloseHandle(handle)


def _switch_off(kernel32: Any) -> tuple[int, int] | None:
    """The console's input and its mode before; None where there is nothing to switch off.

    CONIN$ is the console also where stdin is a file.
    """
    handle = kernel32.CreateFileW("CONIN$", READ_WRITE, SHARE_READ_WRITE, None, OPEN_EXISTING, 0, None)
    if handle is None or handle == _INVALID_HANDLE:
        return None
    mode = ctypes.c_uint32()
    is_on = kernel32.GetConsoleMode(handle, ctypes.byref(mode)) and mode.value & QUICK_EDIT
    if is_on and kernel32.SetConsoleMode(handle, (mode.value & ~QUICK_EDIT) | EXTENDED_FLAGS):
        return handle, mode.value
    kernel32.CloseHandle(handle)
    return None


def _kernel32() -> Any:
    if sys.platform != "win32":
        return None
    kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel32.CreateFileW.restype = wintypes.HANDLE
    kernel32.CreateFileW.argtypes = (
        wintypes.LPCWSTR,
        wintypes.DWORD,
        wintypes.DWORD,
        ctypes.c_void_p,
        wintypes.DWORD,
        wintypes.DWORD,
        wintypes.HANDLE,
    )
    kernel32.GetConsoleMode.argtypes = (wintypes.HANDLE, ctypes.c_void_p)
    kernel32.SetConsoleMode.argtypes = (wintypes.HANDLE, wintypes.DWORD)
    kernel32.CloseHandle.argtypes = (wintypes.HANDLE,)
    return kernel32
