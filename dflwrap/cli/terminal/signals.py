"""Ctrl-C, SIGTERM, the closing terminal or window: heard at every moment, and answered at once.

Light: the start of the program imports it before anything else.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from dflwrap.supervisor.stop_request import Control

INTERRUPTED = 4
"""As in `dflwrap.common.errors.ExitCode`."""
NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
CLOSING = frozenset({2, 5, 6})
"""CTRL_CLOSE_EVENT, CTRL_LOGOFF_EVENT, CTRL_SHUTDOWN_EVENT."""
CLOSING_BOUND = 4.5
"""Seconds for the report: Windows ends a program 5 s after its window was closed (HandlerRoutine's page)."""


def _heed(handler: Any) -> None:
    """What is ignored stays so: `nohup` means SIGHUP, a job in the background of a script SIGINT."""
    for number in (getattr(signal, name) for name in NAMES if hasattr(signal, name)):
        try:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, handler)
        except (OSError, ValueError):
            continue


def end_before_the_start() -> None:
    """Until there is a run, a signal ends the program at once: there is nothing to finish."""

    def end(_number: int, _frame: FrameType | None) -> NoReturn:
        try:
            os.write(2, b"dflwrap: interrupted; nothing was started.\n")
        finally:
            os._exit(INTERRUPTED)  # an exception would come up amid the imports, and may be swallowed there

    _heed(end)


@contextmanager
def heard(control: Control) -> Iterator[None]:
    """Signals stop the run of `control`."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        control.request_stop()

    _heed(stop)
    with _Console(control) if sys.platform == "win32" else _nothing():
        yield


@contextmanager
def _nothing() -> Iterator[None]:
    yield


class _Console:
    """Windows: the closing of the window, logging off, shutting down reach no handler of Python's `signal`."""

    def __init__(self, control: Control, kernel32: Any = None) -> None:
        import ctypes

        self._control = control
        self._kernel32 = kernel32 or ctypes.WinDLL("kernel32")  # type: ignore[attr-defined,unused-ignore]
        self._ended = threading.Event()
        kind = getattr(ctypes, "WINFUNCTYPE", ctypes.CFUNCTYPE)
        self._routine = kind(ctypes.c_int, ctypes.c_uint32)(self._on_event)

    def __enter__(self) -> None:
        self._kernel32.SetConsoleCtrlHandler(self._routine, True)

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._kernel32.SetConsoleCtrlHandler(self._routine, False)

    def _on_event(self, event: int) -> int:
        """Called by Windows in a thread of its own; when it returns, the program is ended."""
        if event not in CLOSING:
            return 0
        self._control.request_stop()
        self._control.request_stop()  # there is no time for the frames at work
        self._ended.wait(CLOSING_BOUND)
        return 1
