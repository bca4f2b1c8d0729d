"""The suite can be collected on Windows: no test module needs, at its import, what only POSIX has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

# pytest and the standard library get what they need first; then the names go that Windows does not have.
WITHOUT_POSIX = """
import asyncio, concurrent.futures, faulthandler, http.server, multiprocessing.managers, multiprocessing.pool, os
import pathlib, shutil, signal, subprocess, sys, tarfile, tempfile
import _pytest.capture, _pytest.pathlib, cv2, filelock, hypothesis, numpy, platformdirs, psutil, pytest, rich.console
import tenacity, typer
for name in ("SIGALRM", "SIGCONT", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGQUIT", "SIGSTOP", "SIGUSR1", "SIGUSR2"):
    delattr(signal, name)
for name in ("fork", "getpgid", "getsid", "killpg", "mkfifo", "openpty", "setsid", "statvfs"):
    delattr(os, name)
for name in ("fcntl", "grp", "pty", "pwd", "resource", "termios", "tty"):
    sys.modules[name] = None
sys.exit(pytest.main(["--collect-only", "-q", "-p", "no:cacheprovider", "-W", "ignore", "tests"]))
"""


def test_every_module_imports_without_the_names_of_posix() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_POSIX],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
