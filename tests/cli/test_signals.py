"""Ctrl-C and its kin from the first moment to the last: real signals to real processes."""

from __future__ import annotations

import ctypes
import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from support import DOUBLE, assert_conserved, environment, small_frames, until

from dflwrap.cli.terminal.signals import CLOSING, _Console
from dflwrap.supervisor.stop_request import ENDING, FINISHING, Control

LIMIT = 120.0

posix = pytest.mark.posix


class Run:
    """`dflwrap extract` on the double, whose frames take `seconds` each."""

    def __init__(
        self, tmp_path: Path, frames: Path, *more: str, seconds: float = 0.0, start: str = ""
    ) -> None:
        self.tmp_path = tmp_path
        script = tmp_path / "script.json"
        script.write_text(json.dumps({"options": {"frame_seconds": seconds}}))
        command = [
            *(sys.executable, "-m", "dflwrap", "extract", "--json", "--cpu-only", "--workers", "1"),
            *("--input-dir", str(frames), "--output-dir", str(tmp_path / "aligned"), "--extractor", "dfl"),
            *("--dfl-root", str(DOUBLE), "--dfl-python", sys.executable, *more),
        ]
        if start:
            command = [sys.executable, "-c", start, *command]
        self.out, self.err = tmp_path / "out.txt", tmp_path / "err.txt"
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=environment({"DFLWRAP_DOUBLE_SCRIPT": str(script)}),
            )

    def said(self, text: str) -> bool:
        return text in self.err.read_text()

    def code(self) -> int:
        try:
            return self.process.wait(LIMIT)
        finally:
            self.process.kill()
            assert "Traceback" not in self.err.read_text()

    def faces(self) -> int:
        folder = self.tmp_path / "aligned"
        return len(list(folder.iterdir())) if folder.is_dir() else 0


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_frames(tmp_path_factory.mktemp("signals") / "frames", 8)


@pytest.fixture(scope="module")
def large_frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 frames of 24 megapixels: looking at one, or converting it, takes a third of a second."""
    folder = small_frames(tmp_path_factory.mktemp("large") / "frames", 1, (6000, 4000))
    for number in range(2, 41):
        shutil.copyfile(folder / "00001.png", folder / f"{number:05d}.png")
    return folder


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_amid_the_imports_is_code_4_and_changes_nothing(
    frames: Path, tmp_path: Path, number: signal.Signals
) -> None:
    """At the import of the command line's library, which is there before any handler of a run could be."""
    (tmp_path / "typer.py").write_text(
        f"import os, time\nos.kill(os.getpid(), {int(number)})\ntime.sleep(60)\n"
    )
    start = (
        "import os, sys\n"
        f"os.environ['PYTHONPATH'] = {str(tmp_path)!r} + os.pathsep + os.environ.get('PYTHONPATH', '')\n"
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    run = Run(tmp_path, frames, start=start)
    assert run.code() == 4
    assert run.said("interrupted")
    assert not (tmp_path / "aligned").exists() and not (tmp_path / "aligned_dflwrap").exists()


@posix
def test_ctrl_c_before_the_folders_are_read_is_code_4_and_changes_nothing(
    frames: Path, tmp_path: Path
) -> None:
    start = (
        "import os, signal, sys\nimport dflwrap.cli.running as running\nchoose = running.choose_extractors\n"
        "def interrupted(*arguments, **more):\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n    return choose(*arguments, **more)\n"
        "running.choose_extractors = interrupted\n"
        "sys.argv = sys.argv[3:]\nfrom dflwrap.cli.start import run\nrun()"
    )
    run = Run(tmp_path, frames, start=start)
    assert run.code() == 4, run.err.read_text()
    assert run.said("Run the same command again to resume")
    assert not (tmp_path / "aligned").exists() and not (tmp_path / "aligned_dflwrap").exists()


@posix
def test_ctrl_c_is_heard_while_frames_are_looked_at(tmp_path: Path, large_frames: Path) -> None:
    run = Run(tmp_path, large_frames, "--skip-blurry")
    assert until((tmp_path / "aligned_dflwrap" / "run.db").exists, LIMIT)
    time.sleep(1.0)
    run.process.send_signal(signal.SIGINT)
    assert run.code() == 4
    report = json.loads(run.out.read_text())
    assert_conserved(report)
    assert report["frames"]["total"] == 40
    filtered = [row for row in report["not_attempted"] if row["cause"] == "filtered"]
    assert len(filtered) < 40, "it continued to the end"


@posix
def test_ctrl_c_is_heard_while_the_first_batch_is_converted(tmp_path: Path, large_frames: Path) -> None:
    run = Run(tmp_path, large_frames, "--max-side", "960")
    assert until(lambda: list((tmp_path / "aligned_dflwrap" / "attempts").glob("*/in/*")), LIMIT)
    run.process.send_signal(signal.SIGINT)
    assert run.code() == 4
    report = json.loads(run.out.read_text())
    assert_conserved(report)
    assert report["frames"]["quarantined"] == 0, "the frame whose conversion was called off is not to blame"
    assert report["frames"]["extracted"] < 40


@posix
def test_each_ctrl_c_is_acknowledged_at_once(frames: Path, tmp_path: Path) -> None:
    run = Run(tmp_path, frames, seconds=6.0)
    assert until(
        lambda: (tmp_path / "aligned_dflwrap" / "attempts" / "0001" / "events.jsonl").exists(), LIMIT
    )
    events = tmp_path / "aligned_dflwrap" / "attempts" / "0001" / "events.jsonl"
    assert until(lambda: b"frame_started" in events.read_bytes(), LIMIT)
    run.process.send_signal(signal.SIGINT)
    assert until(lambda: run.said(FINISHING), LIMIT)
    assert run.process.poll() is None, "the frame at work takes longer than the answer"
    run.process.send_signal(signal.SIGINT)
    assert until(lambda: run.said(ENDING), LIMIT)
    assert run.code() == 4


@posix
@pytest.mark.parametrize("name", ["SIGHUP", "SIGINT"])
def test_a_signal_that_was_ignored_at_the_start_stays_ignored(
    frames: Path, tmp_path: Path, name: str
) -> None:
    """As `nohup` leaves SIGHUP, and a shell's `&` in a script SIGINT."""
    start = (
        f"import os, signal, sys\nsignal.signal(signal.{name}, signal.SIG_IGN)\n"
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    run = Run(tmp_path, frames, seconds=0.3, start=start)
    assert until(lambda: run.faces() > 0, LIMIT)
    run.process.send_signal(getattr(signal, name))
    assert run.code() == 0
    assert not run.said(FINISHING)
    assert run.faces() == 8


@posix
def test_sighup_without_nohup_stops_the_run(frames: Path, tmp_path: Path) -> None:
    run = Run(tmp_path, frames, seconds=0.5)
    assert until(lambda: run.faces() > 0, LIMIT)
    run.process.send_signal(signal.SIGHUP)
    assert run.code() == 4


@posix
def test_a_stop_takes_no_lock_that_the_interrupted_code_may_hold() -> None:
    """The handler runs amid a wait for the very flag that it sets, many times over."""
    control = Control()
    script = (
        "import signal, sys, threading, os, time\n"
        "from dflwrap.supervisor.stop_request import Control\n"
        "for _ in range(300):\n"
        "    control = Control()\n"
        "    signal.signal(signal.SIGALRM, lambda *_: control.request_stop())\n"
        "    signal.setitimer(signal.ITIMER_REAL, 0.0005)\n"
        "    while not control.pause(0.0001): pass\n"
        "print('done')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60, check=False)
    assert done.stdout.strip() == b"done", done.stderr
    assert not control.stopping


class Kernel:
    """Windows' side of it: it keeps the routine, and calls it from a thread of its own."""

    def __init__(self) -> None:
        self.routine: ctypes._CFuncPtr | None = None

    def SetConsoleCtrlHandler(self, routine: ctypes._CFuncPtr, add: bool) -> int:
        self.routine = routine if add else None
        return 1


@pytest.mark.parametrize("event", sorted(CLOSING))
def test_a_closed_window_ends_the_run_and_waits_for_its_report(event: int) -> None:
    """Not shown on Windows itself: the seam is the routine that it is given."""
    kernel, control, order = Kernel(), Control(), []
    with _Console(control, kernel):
        routine = kernel.routine
        assert routine is not None

        def close() -> None:
            order.append(("returned", routine(event)))

        thread = threading.Thread(target=close)
        thread.start()
        assert until(lambda: control.at_once, 10)
        time.sleep(0.2)
        order.append(("report", 0))
    thread.join(10)
    assert order == [("report", 0), ("returned", 1)]
    assert kernel.routine is None


def test_ctrl_c_and_ctrl_break_are_left_to_python() -> None:
    kernel, control = Kernel(), Control()
    with _Console(control, kernel):
        assert kernel.routine is not None
        assert [kernel.routine(event) for event in (0, 1)] == [0, 0]
    assert not control.stopping
