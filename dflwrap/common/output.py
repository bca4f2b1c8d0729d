"""What goes to stdout and stderr, in an encoding that can take it."""

from __future__ import annotations

import os
import sys
from typing import TextIO


def prepare_output(*streams: TextIO | None) -> None:
    """No letter ends a run (by default of stdout and stderr): what a terminal's code page lacks is escaped, and
    files and pipes get UTF-8, as JSON has to be, whatever the code page of Windows. PYTHONIOENCODING is heeded."""
    for stream in streams or (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if stream is None or reconfigure is None:
            continue
        if stream.isatty() or os.environ.get("PYTHONIOENCODING"):
            reconfigure(errors="backslashreplace")
        else:
            reconfigure(encoding="utf-8", errors="backslashreplace")
