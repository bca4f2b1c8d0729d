"""The choice at a terminal: asked for, taken, and not waited for without an end."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.posix

SCRIPT = """
import sys, time
from pathlib import Path
from dflwrap.cli.terminal.asking import ask_conflict, somebody_there
from dflwrap.supervisor.reconcile.conflict import ConflictError, Meets
conflict = ConflictError(Meets.ANOTHER_CLIP, "These frames are another clip", Path("aligned"), may_add=MAY_ADD)
assert somebody_there(sys.stdout)
ends = time.monotonic() + STOPS
print("ANSWER", ask_conflict(conflict, sys.stdout, lambda: time.monotonic() > ends, BOUND).value, flush=True)
"""


def asked(answers: list[str], *, may_add: bool = True, bound: float = 60, stops: float = 1e9) -> str:
    """What a person at a terminal sees who types `answers`, each after a prompt."""
    pty = pytest.importorskip("pty")
    here, there = pty.openpty()
    script = SCRIPT.replace("MAY_ADD", str(may_add)).replace("BOUND", str(bound)).replace("STOPS", str(stops))
    process = subprocess.Popen([sys.executable, "-c", script], stdin=there, stdout=there, stderr=there)
    os.close(there)
    shown, left, deadline = "", list(answers), time.monotonic() + 60
    try:
        while time.monotonic() < deadline:
            if select.select([here], [], [], 0.1)[0]:
                try:
                    data = os.read(here, 4096)
                except OSError:  # the other side is gone
                    break
                shown += data.decode()
            if left and shown.rstrip(" ").endswith(":"):
                answer = left.pop(0)
                os.write(here, answer.encode() + b"\n" if answer != "^D" else b"\x04")
                shown += "\n"
        assert process.wait(timeout=30) == 0, shown
    finally:
        process.kill()
        os.close(here)
    return shown


@pytest.mark.parametrize(
    ("answers", "taken"),
    [(["s"], "set-aside"), (["a"], "add"), (["q"], "stop"), (["x", "S"], "set-aside"), (["^D"], "stop")],
)
def test_the_answer_is_taken(answers: list[str], taken: str) -> None:
    shown = asked(answers)
    assert f"ANSWER {taken}" in shown
    assert "These frames are another clip" in shown and "nothing is lost" in shown


def test_what_cannot_be_chosen_is_not_offered() -> None:
    shown = asked(["a", "s"], may_add=False)
    assert "ANSWER set-aside" in shown and "  a  " not in shown and "[s/q]" in shown


def test_without_an_answer_nothing_is_changed() -> None:
    shown = asked([], bound=1)
    assert "No answer" in shown and "ANSWER stop" in shown


def test_ctrl_c_is_an_answer() -> None:
    assert "ANSWER stop" in asked([], stops=1)


def test_without_a_terminal_nobody_is_asked(tmp_path: Path) -> None:
    code = "import sys; from dflwrap.cli.terminal.asking import somebody_there; print(somebody_there(sys.stdout))"
    done = subprocess.run(
        [sys.executable, "-c", code], stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=True
    )
    assert done.stdout.split() == [b"False"]
