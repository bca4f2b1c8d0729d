"""What goes to stdout and stderr, in an encoding that can take it."""

from __future__ import annotations

import os
import sys
from typing import TextIO


def prepare_output(*streams: TextIO | None) -> None:
    """No letter ends a run (by default of stdout and stderr): what a terminal's code page lacks is escaped, and
    files and pipes get UTF-8, as JSON has to be, whatever the code page of Windows. PYTHONIOENCODING is respected."""
    for stream in streams or (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if stream is None or reconfigure is None:
            continue
        if stream.isatty() or os.environ.get("PYTHONIOENCODING"):
            reconfigure(errors="backslashreplace")
        else:
            reconfigure(encoding="utf-8", errors="backslashreplace")


def open_standard_streams() -> None:
    """Streams that were closed when dflwrap was started (`>&-`, a service, pythonw) lead to the null device.

    To be called first: the next file that is opened would get the closed stream's number, and whatever is printed,
    also by a child, would go into it.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)  # the lowest free number
            if opened != descriptor:
                os.dup2(opened, descriptor)
                os.close(opened)
            os.set_inheritable(descriptor, True)
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
