"""A process tree as one thing: what it is given, how it ends, and that nobody is left behind."""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from support import until

from dflwrap.common.errors import NeedsUserError
from dflwrap.extractors.base import Launch
from dflwrap.supervisor.process.start import start_tree
from dflwrap.supervisor.process.tree import ProcessTree

NO_SUCH_FILE = "cannot find the file" if sys.platform == "win32" else "No such file"

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


def launch(script: str, *arguments: str, env: dict[str, str] | None = None) -> Launch:
    return Launch((sys.executable, "-c", script, *arguments), {**os.environ, **(env or {})})


def ended(tree: ProcessTree, seconds: float = 20.0) -> int:
    assert until(lambda: tree.poll() is not None, seconds)
    status = tree.poll()
    assert status is not None
    return status


def run(launched: Launch) -> tuple[int, bytes, bytes]:
    tree = start_tree(launched)
    try:
        out, err = tree.stdout.read(), tree.stderr.read()
        return ended(tree), out, err
    finally:
        tree.close()
        tree.stdout.close()
        tree.stderr.close()


def marked(marker: str) -> list[psutil.Process]:
    """Every living process that carries the marker in its command line, wherever it hangs in the tree."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        if marker in (process.info["cmdline"] or []) and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


# Grandchildren of the worst kind: in sessions of their own, deaf to SIGTERM, SIGHUP and SIGINT, and the last
# one keeps forking children that outlive it.
WORST = """
import os, signal, subprocess, sys, time
marker = sys.argv[1]
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(number, signal.SIG_IGN)
deaf = ("import os,signal,sys,time\\n"
        "for s in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT): signal.signal(s, signal.SIG_IGN)\\n")
sleeper = deaf + "time.sleep(120)"
forker = deaf + ("import subprocess\\n"
    "end = time.monotonic() + 60\\n"
    "while time.monotonic() < end:\\n"
    "    subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(60)', sys.argv[1]],"
    " start_new_session=True); time.sleep(0.3)\\n")
nested = deaf + ("import subprocess\\n"
    "subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(120)', sys.argv[1]],"
    " start_new_session=True)\\n")
for script in (sleeper, forker, nested):
    subprocess.Popen([sys.executable, "-S", "-c", script, marker], start_new_session=True)
time.sleep(1.0)
print("ready", flush=True)
time.sleep(120)
"""


@posix
@pytest.mark.parametrize(
    "end",
    ["kill -9 of dflwrap", "kill", "close", "the extractor ends", "SIGTERM to guard", "kill -9 of guard"],
)
def test_nobody_is_left_behind(end: str) -> None:
    marker = f"marker-{uuid.uuid4()}"
    stays = "time.sleep(120)\n"
    script = WORST.removesuffix(stays) if end == "the extractor ends" else WORST
    if end == "kill -9 of dflwrap":
        owner = (
            "import os, sys\nfrom dflwrap.extractors.base import Launch\n"
            "from dflwrap.supervisor.process.start import start_tree\n"
            "tree = start_tree(Launch((sys.executable, '-c', sys.argv[1], sys.argv[2]), dict(os.environ)))\n"
            "print(tree.stdout.readline(), flush=True)\nimport time; time.sleep(60)"
        )
        parent = subprocess.Popen([sys.executable, "-c", owner, script, marker], stdout=subprocess.PIPE)
        assert parent.stdout is not None
        assert b"ready" in parent.stdout.readline()
        assert len(marked(marker)) >= 4
        parent.kill()
        parent.wait()
        parent.stdout.close()
        assert until(lambda: not marked(marker), 5.0), marked(marker)
        return
    tree = start_tree(launch(script, marker))
    try:
        assert tree.stdout.readline() == b"ready\n"
        if end == "kill":
            assert len(marked(marker)) >= 4
            tree.kill()
            assert ended(tree, 30) == -signal.SIGKILL
        elif end == "SIGTERM to guard":
            os.kill(tree.pid, signal.SIGTERM)
            ended(tree, 30)
        elif end == "kill -9 of guard":
            # Not covered: what a grandchild forked after the last look, once it has lost its parent too.
            assert tree.vitals().processes >= 4
            os.kill(tree.pid, signal.SIGKILL)
            assert ended(tree, 30) == -signal.SIGKILL
        elif end == "the extractor ends":
            assert ended(tree, 30) == 0
        if end != "close":
            assert until(lambda: not marked(marker), 5.0), marked(marker)
    finally:
        tree.close()
        tree.stdout.close()
        tree.stderr.close()
    assert until(lambda: not marked(marker), 5.0), marked(marker)


AS_ON_MACOS = """
import sys, dflwrap.supervisor.process.guard as guard
guard._prctl = lambda *_: None
sys.exit(guard.main())
"""
"""The guard where no process can be a subreaper, and nobody dies with its parent."""


@posix
@pytest.mark.parametrize(
    "end", ["kill -9 of guard", "the extractor ends", "kill -9 of the extractor", "close"]
)
def test_without_a_subreaper_the_session_is_ended(end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers as multiprocessing starts them, in the session of the extractor; one of them has lost its parent. No look
    at the tree has been taken yet."""
    from dflwrap.supervisor.process import posix as tree_posix

    monkeypatch.setattr(tree_posix, "GUARD", (sys.executable, "-P", "-c", AS_ON_MACOS))
    marker = f"marker-{uuid.uuid4()}"
    sleeps = "[sys.executable, '-S', '-c', 'import time; time.sleep(120)', sys.argv[1]]"
    orphan = f"import subprocess, sys; subprocess.Popen({sleeps})"
    script = (
        "import subprocess, sys, time\n"
        f"subprocess.Popen({sleeps})\n"
        f"subprocess.run([sys.executable, '-c', {orphan!r}, sys.argv[1]])\n"
        "print('ready', flush=True)\n"
    )
    tree = start_tree(launch(script if end == "the extractor ends" else script + "time.sleep(120)\n", marker))
    try:
        assert tree.stdout.readline() == b"ready\n"
        if end == "kill -9 of guard":
            os.kill(tree.pid, signal.SIGKILL)
            assert ended(tree, 30) == -signal.SIGKILL
        elif end == "kill -9 of the extractor":
            (main,) = psutil.Process(tree.pid).children()
            main.kill()
            assert ended(tree, 30) == -signal.SIGKILL
        elif end == "the extractor ends":
            assert ended(tree, 30) == 0
        else:
            tree.close()
        assert until(lambda: not marked(marker), 10.0), marked(marker)
    finally:
        tree.close()
        tree.stdout.close()
        tree.stderr.close()
        for process in marked(marker):
            process.kill()


@posix
@pytest.mark.parametrize(
    ("script", "status"),
    [
        ("pass", 0),
        ("raise SystemExit(3)", 3),
        ("import os; os._exit(255)", 255),
        ("import os; os.kill(os.getpid(), 9)", -9),
        ("import os; os.kill(os.getpid(), 11)", -11),
        ("import os; os.abort()", -6),
        ("import os, signal; signal.raise_signal(signal.SIGINT)", -2),
    ],
)
def test_the_exit_status_comes_through(script: str, status: int) -> None:
    assert run(launch(script))[0] == status


def test_a_status_is_the_same_however_often_it_is_asked_for() -> None:
    tree = start_tree(launch("raise SystemExit(3)"))
    assert ended(tree) == 3
    tree.close()
    assert tree.poll() == 3
    tree.close()
    assert tree.poll() == 3


def test_the_environment_is_handed_over_exactly(tmp_path: Path) -> None:
    dump = "import json, os, sys; json.dump(sorted(map(list, os.environ.items())), sys.stdout)"
    env = {
        "PATH": os.environ["PATH"],
        "LC_ALL": "C.UTF-8",
        "A": "b=c\n'\"$(id)",
        "Größe": "写真",
        "EMPTY": "",
    }
    if sys.platform == "win32":
        env["SYSTEMROOT"] = os.environ["SYSTEMROOT"]
    if sys.platform == "linux":
        env["RAW"] = os.fsdecode(b"\xff\xfe")
    env["LONG"] = "x" * (30_000 if sys.platform == "win32" else 100_000)  # Windows: 32,767 characters at most
    status, out, err = run(Launch((sys.executable, "-S", "-c", dump), env))
    assert (status, err) == (0, b"")
    got = dict(json.loads(out))
    if sys.platform == "win32":
        got.pop("__PYVENV_LAUNCHER__", None)  # a virtual environment's launcher tells its Python who it is
        env = {key.upper(): value for key, value in env.items()}  # as `os.environ` shows them there
    assert got == env


def test_a_large_environment_does_not_block_the_start() -> None:
    env = {f"V{n}": "x" * 1000 for n in range(500)}
    script = "import os; print(sum(k.startswith('V') for k in os.environ))"
    assert run(launch(script, env=env))[1].split() == [b"500"]


def test_arguments_folder_and_stdin_are_as_asked(tmp_path: Path) -> None:
    folder = tmp_path / "a b ü;'$"
    folder.mkdir()
    script = (
        "import sys, os\n"
        "print(sys.argv[1:] == ['a b', ';', '', '--', 'ü'], os.listdir(), sys.stdin.read() == '')"
    )
    (folder / "witness").touch()
    arguments = ("a b", ";", "", "--", "ü")
    launched = Launch((sys.executable, "-c", script, *arguments), dict(os.environ), str(folder))
    assert run(launched)[1].decode().split("\n")[0] == "True ['witness'] True"


@posix
def test_the_extractor_has_its_signals_and_no_descriptors_of_ours() -> None:
    script = (
        "import signal, os\n"
        "print([signal.getsignal(s) for s in (signal.SIGHUP, signal.SIGTERM)] == [signal.SIG_DFL] * 2,"
        " signal.getsignal(signal.SIGINT) is signal.default_int_handler,"
        " sorted(int(f) for f in os.listdir('/proc/self/fd'))[:-1] if os.path.exists('/proc/self/fd') else [0, 1, 2])"
    )
    assert run(launch(script))[1].decode().strip() == "True True [0, 1, 2]"


@pytest.mark.parametrize(
    ("launched", "word"),
    [
        (Launch(("no-such-program-anywhere", "x"), dict(os.environ)), NO_SUCH_FILE),
        (Launch((__file__, "x"), dict(os.environ)), ""),
        (Launch((sys.executable, "-c", ""), dict(os.environ), "/no/such/folder"), "/no/such/folder"),
        (Launch((sys.executable, "-c", ""), {**os.environ, "A": "nul\0"}), "null"),
        (Launch((sys.executable, "a\0b"), dict(os.environ)), "null"),
    ],
)
def test_a_program_that_cannot_start_is_one_clear_sentence(launched: Launch, word: str) -> None:
    tree = None
    with pytest.raises(NeedsUserError) as raised:  # noqa: PT012 - Windows says so at once, POSIX a moment later
        tree = start_tree(launched)
        ended(tree)
    if tree is not None:
        assert tree.stderr.read() == b"", "a traceback of ours"
        tree.close()
    assert raised.value.cause == "program-not-started"
    assert launched.argv[0] in str(raised.value)
    assert word in str(raised.value)
    assert "\n" not in str(raised.value) and raised.value.steps


@posix
def test_a_gentle_stop_reaches_the_main_process_alone() -> None:
    script = (
        "import signal, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(30)'])\n"
        "def stop(*_):\n"
        "    print('finishing', child.poll(), flush=True); child.kill(); sys.exit(7)\n"
        "signal.signal(signal.SIGTERM, stop); print('ready', flush=True); time.sleep(30)"
    )
    tree = start_tree(launch(script))
    assert tree.stdout.readline() == b"ready\n"
    tree.ask_to_stop()
    assert tree.stdout.readline() == b"finishing None\n"
    assert ended(tree) == 7
    tree.ask_to_stop()
    tree.kill()  # both are harmless on what has ended
    tree.close()


@posix
def test_a_stopped_tree_can_be_killed_and_is_seen_as_stopped() -> None:
    tree = start_tree(launch("import time; print('ready', flush=True); time.sleep(60)"))
    tree.stdout.readline()
    (main,) = psutil.Process(tree.pid).children()
    main.suspend()
    assert until(lambda: tree.vitals().stopped == (main.pid,), 60)
    tree.kill()
    assert ended(tree, 30) == -signal.SIGKILL
    tree.close()


def test_vitals_count_the_work_of_the_whole_tree() -> None:
    burn = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass\n"
    script = (
        f"import subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, '-c', {burn + 'print(1, flush=True); time.sleep(60)'!r}])\n"
        f"{burn}print(2, flush=True)\ntime.sleep(60)"
    )
    tree = start_tree(launch(script))
    try:
        assert {tree.stdout.readline().strip(), tree.stdout.readline().strip()} == {b"1", b"2"}
        vitals = tree.vitals()
        assert vitals.processes >= 2
        assert vitals.cpu_seconds >= 0.55
        assert vitals.stopped == ()
    finally:
        tree.close()
    assert tree.vitals().processes == 0


def test_the_windows_tree_implements_the_whole_interface() -> None:
    windows = importlib.import_module("dflwrap.supervisor.process.windows")
    assert issubclass(windows.WindowsTree, ProcessTree) and not windows.WindowsTree.__abstractmethods__


def test_a_windows_process_that_a_driver_holds_does_not_end_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows cannot end a process inside of a driver's call before that returns."""
    windows = importlib.import_module("dflwrap.supervisor.process.windows")
    monkeypatch.setattr(windows, "CLOSE_BOUND", 0.2)
    done: list[str] = []
    tree = object.__new__(windows.WindowsTree)
    tree._in_job = True
    tree._job = SimpleNamespace(
        terminate=lambda: done.append("terminate"), close=lambda: done.append("close")
    )
    process = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)"])
    monkeypatch.setattr(process, "kill", lambda: done.append("kill"))
    tree._process = process
    try:
        tree.close()
        assert done == ["terminate", "kill", "close"] and process.poll() is None
    finally:
        process.terminate()
        process.wait(30)


class PlayedFunction:
    """A function of a DLL: it may be given argument types."""

    def __init__(self, does: Callable[..., object]) -> None:
        self.argtypes: tuple[object, ...] = ()
        self._does = does

    def __call__(self, *arguments: object) -> object:
        return self._does(*arguments)


def test_a_windows_process_runs_only_once_it_is_in_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """Flags as in winbase.h. Not suspended, a child could be started before the job holds its parent, and outlive us;
    in our process group, our Ctrl-C would kill it at once, and CTRL_BREAK_EVENT could not be sent to it alone."""
    windows = importlib.import_module("dflwrap.supervisor.process.windows")
    happened: list[str] = []
    given: dict[str, int] = {}

    class PlayedJob:
        def __init__(self, limits: object) -> None:
            self.assign = lambda handle: happened.append(f"assigned {handle}") or True
            self.terminate = self.close = lambda: None

    def popen(argv: list[str], *, creationflags: int = 0, **more: Any) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(argv, **more)
        process._handle = 4711  # type: ignore[attr-defined]
        given["flags"] = creationflags
        happened.append("created")
        return process

    resume = PlayedFunction(lambda handle: happened.append(f"resumed {handle.value}") or 0)
    monkeypatch.setattr(windows, "without_dialogs", lambda: None)
    monkeypatch.setattr(ctypes, "WinDLL", lambda name: SimpleNamespace(NtResumeProcess=resume), raising=False)
    monkeypatch.setattr(windows, "Job", PlayedJob)
    monkeypatch.setattr(windows, "subprocess", SimpleNamespace(**{**vars(subprocess), "Popen": popen}))
    tree = windows.WindowsTree(launch("pass"))
    try:
        assert happened == ["created", "assigned 4711", "resumed 4711"]
        assert given["flags"] & 0x00000004, "CREATE_SUSPENDED"
        assert given["flags"] & 0x00000200, "CREATE_NEW_PROCESS_GROUP"
    finally:
        tree._process.wait(30)
        tree.stdout.close()
        tree.stderr.close()
