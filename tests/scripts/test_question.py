"""The one question of install.py: asked where somebody is there, and not waited for without an end."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
import _install
_install.ANSWER_BOUND = float(sys.argv[2])
print("WANTS", _install.wants_builtin(), flush=True)
"""


@pytest.mark.posix
@pytest.mark.parametrize(
    ("answer", "bound", "wants"),
    [(b"\n", 60, True), (b"y\n", 60, True), (b"no\n", 60, False), (b"", 1, True)],
)
def test_at_a_terminal(answer: bytes, bound: float, wants: bool) -> None:
    pty = pytest.importorskip("pty")
    here, there = pty.openpty()
    command = [sys.executable, "-B", "-c", SCRIPT, str(SCRIPTS), str(bound)]
    process = subprocess.Popen(command, stdin=there, stdout=there, stderr=there)
    os.close(there)
    shown, deadline = b"", time.monotonic() + 60
    try:
        while time.monotonic() < deadline:
            if select.select([here], [], [], 0.1)[0]:
                try:
                    shown += os.read(here, 4096)
                except OSError:  # the other side is gone
                    break
            if answer and shown.rstrip().endswith(b"[Y/n]"):
                os.write(here, answer)
                answer = b""
                shown += b"\n"
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()
        os.close(here)
    assert f"WANTS {wants}".encode() in shown and b"MB" in shown


def test_nobody_is_asked_without_a_terminal() -> None:
    done = subprocess.run(
        [sys.executable, "-B", "-c", SCRIPT, str(SCRIPTS), "60"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.split() == [b"WANTS", b"False"]
