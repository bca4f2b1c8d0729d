"""Programs started without root's right to open every file: as a user has them, also where the suite runs as root."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import chdir
from pathlib import Path

from support import Finished, environment
from warm import can_run_warm, run_warm

_DROP = """
import ctypes, os, sys
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2
for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
    ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
"""The set that bounds what an `exec` as root gives (capabilities(7))."""

_DROP_HERE = """
import ctypes
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, VERSION_3 = 24, 1, 2, 0x20080522
header, sets = (ctypes.c_uint32 * 2)(VERSION_3, 0), (ctypes.c_uint32 * 6)()
libc = ctypes.CDLL(None)
assert libc.capget(header, sets) == 0
for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
    assert libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0
    for number in range(3):  # effective, permitted, inheritable
        sets[number] &= ~(1 << capability)
assert libc.capset(header, sets) == 0
"""
"""The same without an `exec`: for this process, and for what it starts."""


def can_be_closed() -> bool:
    """Whether a folder without rights is closed to what `dflwrap_as_user` starts."""
    return os.name == "posix" and (os.geteuid() != 0 or sys.platform == "linux")


def dflwrap_as_user(*arguments: str | Path, cwd: Path | None = None, timeout: float = 300) -> Finished:
    """Run `dflwrap ARGUMENTS`. timeout: seconds."""
    words, env = [*map(str, arguments)], environment()
    as_root = os.name == "posix" and os.geteuid() == 0
    if can_run_warm(env):
        code = (_DROP_HERE if as_root else "") + "from dflwrap.cli.start import run\nrun()\n"
        with chdir(cwd or Path.cwd()):
            status, out, err = run_warm(words, code, env, timeout)
        return Finished(status, out.decode(), err.decode())
    command: Sequence[str] = [sys.executable, "-m", "dflwrap", *words]
    if as_root:
        command = [sys.executable, "-c", _DROP, *command]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=env,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        timeout=timeout,
        check=False,
    )
    return Finished(done.returncode, done.stdout, done.stderr)
