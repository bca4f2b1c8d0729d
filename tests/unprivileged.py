"""Programs started without root's right to open every file: as a user has them, also where the suite runs as root."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from support import Finished, environment

_DROP = """
import ctypes, os, sys
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2
for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
    ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
"""The set that bounds what an `exec` as root gives (capabilities(7))."""


def can_be_closed() -> bool:
    """Whether a folder without rights is closed to what `dflwrap_as_user` starts."""
    return os.name == "posix" and (os.geteuid() != 0 or sys.platform == "linux")


def dflwrap_as_user(*arguments: str | Path, cwd: Path | None = None, timeout: float = 300) -> Finished:
    """Run `dflwrap ARGUMENTS`. timeout: seconds."""
    command: Sequence[str] = [sys.executable, "-m", "dflwrap", *map(str, arguments)]
    if os.name == "posix" and os.geteuid() == 0:
        command = [sys.executable, "-c", _DROP, *command]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=environment(),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        timeout=timeout,
        check=False,
    )
    return Finished(done.returncode, done.stdout, done.stderr)
