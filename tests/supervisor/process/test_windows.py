"""The tree of Windows: with stand-ins for the job, for NtResumeProcess and for creation flags here, itself there."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from types import SimpleNamespace
from typing import Any, ClassVar

import psutil
import pytest
from support import until

from dflwrap.common.errors import NeedsUserError
from dflwrap.extractors.base import Launch
from dflwrap.supervisor.process import tree as trees
from dflwrap.supervisor.process import windows as tree_windows

stand_in = pytest.mark.skipif(sys.platform == "win32", reason="stand-ins for what is real here")
windows = pytest.mark.windows

SLEEPS = (sys.executable, "-S", "-c", "import time; time.sleep(60)")


class PlayedPopen(subprocess.Popen[bytes]):
    flags: ClassVar[list[int]] = []

    def __init__(self, argv: list[str], *, creationflags: int, **options: Any) -> None:
        self.flags.append(creationflags)
        super().__init__(argv, **options)
        self._handle = 4711


class PlayedJob:
    def __init__(self, limits: Any) -> None:
        self.limits, self.closed = limits, False

    def assign(self, process: int) -> bool:
        return False  # so that the tree ends its processes by itself

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def order(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is asked of Windows, in order. `resume:` answers with what is put at the list's front."""
    asked: list[str] = []
    monkeypatch.setattr(PlayedPopen, "flags", [])
    monkeypatch.setattr(tree_windows, "without_dialogs", lambda: asked.append("without dialogs"))
    monkeypatch.setattr(tree_windows, "Job", PlayedJob)
    monkeypatch.setattr(
        tree_windows, "subprocess", SimpleNamespace(**{**vars(subprocess), "Popen": PlayedPopen})
    )

    def resume(handle: int) -> int:
        asked.append(f"resume {handle}, flags {PlayedPopen.flags}")
        return 0

    monkeypatch.setattr(tree_windows, "_resume", resume)
    return asked


def end(tree: tree_windows.WindowsTree) -> None:
    tree.close()
    tree.stdout.close()
    tree.stderr.close()


@stand_in
def test_the_start_is_suspended_in_a_group_of_its_own_and_no_crash_waits_for_a_click(
    order: list[str],
) -> None:
    tree = tree_windows.WindowsTree(Launch(SLEEPS, dict(os.environ)))
    try:
        # CREATE_SUSPENDED and CREATE_NEW_PROCESS_GROUP; the error mode is inherited, so it is set before.
        assert order == ["without dialogs", f"resume 4711, flags [{0x4 | 0x200}]"]
        job: Any = tree._job
        assert job.limits.BasicLimitInformation.LimitFlags == 0x2000 | 0x400
    finally:
        end(tree)
    assert tree._process.poll() is not None and job.closed


@stand_in
def test_a_process_that_windows_does_not_let_run_is_ended_and_told(
    order: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree_windows, "_resume", lambda handle: -1073741790)
    marker = f"marker-{uuid.uuid4()}"
    with pytest.raises(NeedsUserError, match="0xC0000022") as raised:
        tree_windows.WindowsTree(Launch((*SLEEPS, marker), dict(os.environ)))
    assert raised.value.cause == "program-not-started"
    assert until(
        lambda: not [p for p in psutil.process_iter(["cmdline"]) if marker in (p.info["cmdline"] or ())], 20
    )


@pytest.mark.usefixtures("order")
@stand_in
@pytest.mark.parametrize(
    ("launched", "word"),
    [
        (Launch(("no-such-program-anywhere",), dict(os.environ)), "No such file"),
        (Launch((sys.executable, "-c", ""), {**os.environ, "A": "nul\0"}), "null"),
        (Launch((sys.executable, "a\0b"), dict(os.environ)), "null"),
        (Launch((sys.executable, "-c", ""), dict(os.environ), "/no/such/folder"), "/no/such/folder"),
    ],
)
def test_what_cannot_be_started_is_one_sentence(launched: Launch, word: str) -> None:
    with pytest.raises(NeedsUserError) as raised:
        tree_windows.WindowsTree(launched)
    assert raised.value.cause == "program-not-started" and word in str(raised.value)


@stand_in
def test_the_status_of_resuming_is_read_as_signed() -> None:
    handles: list[int] = []

    def refuse(handle: Any) -> int:
        handles.append(handle.value)
        return -1073741790

    assert tree_windows._resume(4711, SimpleNamespace(NtResumeProcess=refuse)) < 0
    assert handles == [4711]


@stand_in
@pytest.mark.usefixtures("order")
def test_the_process_table_is_not_read_for_every_process_at_every_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []
    status = psutil.Process.status

    def counted(process: psutil.Process) -> str:
        asked.append(process.pid)
        return status(process)

    monkeypatch.setattr(psutil.Process, "status", counted)
    tree = tree_windows.WindowsTree(Launch(SLEEPS, dict(os.environ)))
    try:
        vitals = [tree.vitals() for _ in range(20)]
        assert all(one.processes == 1 for one in vitals)
        assert len(asked) == 1, "psutil's status() reads the whole process table on Windows"
        psutil.Process(tree.pid).suspend()
        assert tree.vitals().stopped == ()
        monkeypatch.setattr(tree_windows, "STOPPED_EVERY", 0.0)
        assert until(lambda: tree.vitals().stopped == (tree.pid,), 20)
        monkeypatch.setattr(tree_windows, "STOPPED_EVERY", 1000.0)
        assert tree.vitals().stopped == (tree.pid,), "what was seen is remembered until the next look"
    finally:
        end(tree)


def test_one_look_asks_for_the_status_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(psutil.Process, "status", lambda self: asked.append(self.pid) or "running")
    trees.measure([psutil.Process()])
    assert len(asked) == 1


def test_macos_does_not_tell_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "sys", SimpleNamespace(platform="darwin"))
    assert trees.measure([psutil.Process()]).io_bytes == 0


# -- on Windows itself --------------------------------------------------------------------------------------

SPAWNS = (
    "import subprocess, sys, time\n"
    'child = \'import subprocess, sys, time; subprocess.Popen([sys.executable, "-c", "import time; '
    "time.sleep(120)\", sys.argv[1]]); time.sleep(120)'\n"
    "subprocess.Popen([sys.executable, '-c', child, sys.argv[1]])\n"
    "time.sleep(3)\nprint('ready', flush=True)\ntime.sleep(120)\n"
)


def marked(marker: str) -> list[psutil.Process]:
    return [p for p in psutil.process_iter(["cmdline"]) if marker in (p.info["cmdline"] or ())]


@windows
@pytest.mark.parametrize("how", ["kill", "close", "kill of dflwrap"])
def test_a_killed_job_leaves_nobody_behind_a_venv_launcher(how: str) -> None:
    """sys.executable of a venv on Windows is a launcher that starts the real Python as a child."""
    marker = f"marker-{uuid.uuid4()}"
    if how == "kill of dflwrap":
        owner = (
            "import os, sys\nfrom dflwrap.extractors.base import Launch\n"
            "from dflwrap.supervisor.process.start import start_tree\n"
            "tree = start_tree(Launch((sys.executable, '-c', sys.argv[1], sys.argv[2]), dict(os.environ)))\n"
            "print(tree.stdout.readline(), flush=True)\nimport time; time.sleep(60)"
        )
        parent = subprocess.Popen([sys.executable, "-c", owner, SPAWNS, marker], stdout=subprocess.PIPE)
        assert parent.stdout is not None and b"ready" in parent.stdout.readline()
        for process in [*psutil.Process(parent.pid).children(), psutil.Process(parent.pid)]:
            if SPAWNS in process.cmdline() and owner in process.cmdline():
                process.kill()
        parent.wait(30)
        parent.stdout.close()
    else:
        tree = tree_windows.WindowsTree(Launch((sys.executable, "-c", SPAWNS, marker), dict(os.environ)))
        assert tree.stdout.readline().strip() == b"ready" and len(marked(marker)) >= 3
        tree.kill() if how == "kill" else tree.close()
        assert until(lambda: not marked(marker), 30)
        end(tree)
    assert until(lambda: not marked(marker), 30)


@windows
def test_ctrl_break_is_the_gentle_stop() -> None:
    script = (
        "import signal, sys, time\n"
        "def stop(*_):\n    print('finishing', flush=True); sys.exit(7)\n"
        "signal.signal(signal.SIGBREAK, stop)\nprint('ready', flush=True)\n"
        "while True: time.sleep(0.1)"
    )
    tree = tree_windows.WindowsTree(Launch((sys.executable, "-c", script), dict(os.environ)))
    try:
        assert tree.stdout.readline().strip() == b"ready"
        tree.ask_to_stop()
        assert tree.stdout.readline().strip() == b"finishing"
        assert until(lambda: tree.poll() == 7, 30)
    finally:
        end(tree)


@windows
def test_a_crash_ends_at_once_with_its_status() -> None:
    script = "import faulthandler; faulthandler._raise_exception(0xC0000005)"  # ctypes would catch it
    tree = tree_windows.WindowsTree(Launch((sys.executable, "-c", script), dict(os.environ)))
    try:
        assert until(lambda: tree.poll() is not None, 30)
        assert (tree.poll() or 0) & 0xFFFFFFFF == 0xC0000005
    finally:
        end(tree)
