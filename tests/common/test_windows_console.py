"""QuickEdit is off while a run prints, and as it was afterwards: against a stand-in for kernel32."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from dflwrap.common.windows.console import without_quick_edit

CMD = 0x0001 | 0x0002 | 0x0004 | 0x0010 | 0x0020 | 0x0040 | 0x0080
"""A new cmd window of Windows 10: QuickEdit among them."""


class PlayedKernel32:
    def __init__(self, mode: int | None, *, takes: bool = True) -> None:
        self.mode, self._takes = mode, takes
        self.closed: list[int] = []

    def CreateFileW(self, name: str, *rest: object) -> int:
        assert (name, rest) == ("CONIN$", (0xC0000000, 3, None, 3, 0, None))
        return 9 if self.mode is not None else 2**64 - 1

    def GetConsoleMode(self, handle: int, mode: Any) -> int:
        assert handle == 9 and self.mode is not None
        mode._obj.value = self.mode
        return 1

    def SetConsoleMode(self, handle: int, mode: int) -> int:
        if not self._takes:
            return 0
        if not mode & 0x80:  # without ENABLE_EXTENDED_FLAGS QuickEdit stays as it is
            mode = (mode & ~0x40) | ((self.mode or 0) & 0x40)
        self.mode = mode
        return 1

    def CloseHandle(self, handle: int) -> int:
        self.closed.append(handle)
        return 1


@pytest.mark.parametrize("mode", [CMD, CMD & ~0x80])
def test_quick_edit_is_off_meanwhile_and_back_afterwards(mode: int) -> None:
    kernel32 = PlayedKernel32(mode)
    with pytest.raises(ValueError), without_quick_edit(kernel32):  # noqa: PT012 - what is seen within it
        assert kernel32.mode == (CMD & ~0x40)
        raise ValueError("however the run ends")
    assert kernel32.mode == CMD and kernel32.closed == [9]


@pytest.mark.parametrize(
    "kernel32", [PlayedKernel32(CMD & ~0x40), PlayedKernel32(None), PlayedKernel32(CMD, takes=False)]
)
def test_what_has_no_quick_edit_is_left_alone(kernel32: PlayedKernel32) -> None:
    before = kernel32.mode
    with without_quick_edit(kernel32):
        assert kernel32.mode == before
    assert kernel32.mode == before and kernel32.closed == ([] if before is None else [9])


@pytest.mark.skipif(sys.platform == "win32", reason="what other systems do")
def test_elsewhere_nothing_is_asked() -> None:
    with without_quick_edit():
        pass


@pytest.mark.windows
def test_a_real_console_is_as_before() -> None:
    with without_quick_edit():
        pass
