"""The process that makes report.html: `python -m dflwrap.report.page.process`. Whatever happens to it, the run goes on.

One JSON object on stdin: `database`, `target`, `alive`, `seconds`. It ends when stdin ends, for then dflwrap has.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from contextlib import suppress
from pathlib import Path

import psutil

from dflwrap.common.errors import DflwrapError
from dflwrap.report.page.writing import make_page

MADE, NOT_MADE = 0, 1
"""Exit codes."""


def main() -> int:
    """Make the page that stdin asks for; the reason for a failure goes to stderr."""
    request = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    with suppress(psutil.Error, OSError):
        if sys.platform == "win32":
            psutil.Process().nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
        else:
            os.nice(10)
    try:
        make_page(
            Path(request["database"]),
            Path(request["target"]),
            alive=bool(request["alive"]),
            seconds=float(request["seconds"]),
        )
    except (DflwrapError, OSError) as error:
        print(error, file=sys.stderr)
        return NOT_MADE
    return MADE


def _end_with_parent() -> None:
    while os.read(0, 1024):  # ends when the other end is closed, also by a kill
        pass
    os._exit(NOT_MADE)


if __name__ == "__main__":
    sys.exit(main())
