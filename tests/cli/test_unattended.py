"""Runs that nobody watches: real processes on the double, and recorders in place of the programs of the system."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from support import DOUBLE, assert_conserved, small_frames, start_dflwrap, until

LIMIT = 120.0
START = "from dflwrap.cli.start import run\nrun()"
SHORT = "import dflwrap.cli.night as night\nassert night.COUNTDOWN == 60\nnight.COUNTDOWN = 1\n" + START
"""dflwrap as it is, but with a countdown of a second."""


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_frames(tmp_path_factory.mktemp("night") / "data_src", 8)


class Run:
    """`dflwrap extract` on the double, whose frames take `seconds` each."""

    def __init__(
        self,
        tmp_path: Path,
        frames: Path,
        *more: str,
        seconds: float = 0.0,
        faults: dict[str, object] | None = None,
        env: dict[str, str] | None = None,
        program: str = SHORT,
    ) -> None:
        self.folder = tmp_path / "aligned_dflwrap"
        script = tmp_path / "script.json"
        script.write_text(json.dumps({"options": {"frame_seconds": seconds}, **(faults or {})}))
        self.out, self.err = tmp_path / "out.txt", tmp_path / "err.txt"
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = start_dflwrap(
                *("extract", "--cpu-only", "--workers", "1", "--input-dir", frames),
                *("--output-dir", tmp_path / "aligned", "--extractor", "dfl"),
                *("--dfl-root", DOUBLE, "--dfl-python", sys.executable, *more),
                program=program,
                stdout=out,
                stderr=err,
                env={"DFLWRAP_DOUBLE_SCRIPT": str(script), **(env or {})},
            )

    def code(self) -> int:
        try:
            return self.process.wait(LIMIT)
        finally:
            self.process.kill()
            assert "Traceback" not in self.err.read_text()

    @property
    def said(self) -> str:
        return self.out.read_text() + self.err.read_text()

    @property
    def log(self) -> str:
        return (self.folder / "dflwrap.log").read_text(encoding="utf-8")

    @property
    def report(self) -> dict[str, object]:
        report = json.loads((self.folder / "report.json").read_text(encoding="utf-8"))
        assert_conserved(report)
        return report


def recorder(folder: Path, name: str) -> Path:
    """A program `name` that writes down how it was called."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(
        f"#!{sys.executable}\nimport json, os, sys\n"
        f"facts = {{k: v for k, v in os.environ.items() if k.startswith('DFLWRAP_') and k != 'DFLWRAP_DEBUG'}}\n"
        f"json.dump([sys.argv, facts], open({str(folder / 'called')!r}, 'a'))\n"
    )
    path.chmod(0o755)
    return path


def called(folder: Path) -> list[str] | None:
    path = folder / "called"
    return json.loads(path.read_text())[0] if path.exists() else None


def with_recorders(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """No test may reach the system's own: these stand first on PATH, and nothing of the system's is behind them."""
    programs = tmp_path / "programs"
    for name in ("systemctl", "loginctl", "shutdown", "pm-suspend", "pmset", "osascript"):
        recorder(programs, name)
    return programs, {"PATH": str(programs)}


# -- the end by the clock ---------------------------------------------------------------------------


def test_max_hours_ends_it_with_code_4_the_reason_and_a_way_on(frames: Path, tmp_path: Path) -> None:
    run = Run(tmp_path, frames, "--max-hours", "0.001", seconds=1.5)
    assert run.code() == 4
    assert "0.001 hours are over (--max-hours). Run the same command again to resume." in run.err.read_text()
    report = run.report
    assert report["run"]["state"] == "interrupted"  # type: ignore[index]
    assert report["run"]["reason"] == "0.001 hours are over (--max-hours)"  # type: ignore[index]
    assert 0 < report["frames"]["extracted"] < 8, "the frames at work were finished"  # type: ignore[index]
    again = Run(tmp_path, frames)
    assert again.code() == 0
    assert again.report["frames"]["extracted"] == 8  # type: ignore[index]


def test_stop_at_ends_it_when_the_clock_shows_that_time(frames: Path, tmp_path: Path) -> None:
    """The clock is set: it shows 23 h 59 min 58 s after the start, as after a sleep."""
    wanted = datetime.now() - timedelta(minutes=2)
    program = (
        "import datetime, time\nimport dflwrap.unattended.deadline as d\nbegan = time.monotonic()\n"
        "reached = d.Deadline.reached\n"
        "ahead = lambda: datetime.datetime.now() + datetime.timedelta(days=time.monotonic() - began > 5)\n"
        "d.Deadline.reached = lambda self: reached(self, ahead)\n" + START
    )
    run = Run(tmp_path, frames, "--stop-at", f"{wanted:%H:%M}", seconds=2, program=program)
    assert run.code() == 4
    assert f"it is {wanted:%H:%M} (--stop-at). Run the same command again to resume." in run.err.read_text()
    assert "Stops tomorrow" in run.out.read_text() or "Stops at" in run.out.read_text()


@pytest.mark.parametrize(
    "wish", [("--stop-at", "25:00"), ("--max-hours", "nan"), ("--when-done", "no-such-program-anywhere --x")]
)
def test_a_wish_that_cannot_be_met_is_refused_before_anything_starts(
    frames: Path, tmp_path: Path, wish: tuple[str, str]
) -> None:
    run = Run(tmp_path, frames, *wish)
    assert run.code() == 2
    assert len(run.err.read_text().splitlines()) == 1 and wish[0] in run.err.read_text()
    assert not run.folder.exists()


# -- what follows the end ---------------------------------------------------------------------------


@pytest.mark.posix
@pytest.mark.parametrize(
    ("action", "wanted"), [("shutdown", ["systemctl", "poweroff"]), ("sleep", ["systemctl", "suspend"])]
)
def test_it_shuts_down_or_sleeps_after_a_whole_run(
    frames: Path, tmp_path: Path, action: str, wanted: list[str]
) -> None:
    programs, env = with_recorders(tmp_path)
    run = Run(tmp_path, frames, "--when-done", action, env=env)
    assert run.code() == 0
    assert called(programs) == [str(programs / wanted[0]), *wanted[1:]]
    assert "any key calls it off" in run.out.read_text()


@pytest.mark.posix
@pytest.mark.parametrize(
    ("code", "faults", "more"),
    [
        (0, {}, ()),
        (1, {"00004.png": "segfault"}, ()),
        (3, {"import": {"fault": "raise", "text": "ModuleNotFoundError: No module named 'cv2'"}}, ()),
        (4, {}, ("--max-hours", "0.0003")),
    ],
)
def test_a_command_follows_each_end_that_comes_by_itself(
    frames: Path, tmp_path: Path, code: int, faults: dict[str, object], more: tuple[str, ...]
) -> None:
    program = recorder(tmp_path / "programs and more", "after")
    run = Run(
        tmp_path,
        frames,
        *("--when-done", f'"{program}" --name "a b" $HOME ; echo', *more),
        seconds=1.0 if code == 4 else 0,
        faults=faults,
    )
    assert run.code() == code, run.said
    arguments, facts = json.loads((program.parent / "called").read_text())
    assert arguments == [str(program), "--name", "a b", "$HOME", ";", "echo"], "no shell has seen it"
    assert facts["DFLWRAP_EXIT_CODE"] == str(code)
    assert facts["DFLWRAP_RUN"] == str(run.folder) and facts["DFLWRAP_FACESET"] == str(tmp_path / "aligned")
    assert facts["DFLWRAP_REASON"] == ("0.0003 hours are over (--max-hours)" if code == 4 else "")


@pytest.mark.posix
def test_nothing_follows_ctrl_c(frames: Path, tmp_path: Path) -> None:
    programs, env = with_recorders(tmp_path)
    run = Run(tmp_path, frames, "--when-done", "shutdown", seconds=1, env=env)
    assert until(lambda: list((tmp_path / "aligned").glob("*.jpg")), LIMIT)
    run.process.send_signal(signal.SIGINT)
    assert run.code() == 4
    assert called(programs) is None and "any key" not in run.said


@pytest.mark.posix
def test_ctrl_c_after_a_stop_by_the_clock_counts_as_the_users(frames: Path, tmp_path: Path) -> None:
    programs, env = with_recorders(tmp_path)
    run = Run(tmp_path, frames, "--when-done", "shutdown", "--max-hours", "0.0005", seconds=8, env=env)
    assert until(lambda: "(--max-hours); finishing" in run.out.read_text(), LIMIT)
    run.process.send_signal(signal.SIGINT)
    assert run.code() == 4
    assert called(programs) is None


@pytest.mark.posix
def test_nothing_follows_a_run_that_could_not_start(tmp_path: Path) -> None:
    programs, env = with_recorders(tmp_path)
    (tmp_path / "empty").mkdir()
    run = Run(tmp_path, tmp_path / "missing", "--when-done", "shutdown", env=env)
    assert run.code() == 2
    assert called(programs) is None


@pytest.mark.posix
def test_ctrl_c_calls_the_countdown_off(frames: Path, tmp_path: Path) -> None:
    programs, env = with_recorders(tmp_path)
    run = Run(tmp_path, frames, "--when-done", "shutdown", env=env, program=START)
    assert until(lambda: "any key calls it off" in run.out.read_text(), LIMIT)
    run.process.send_signal(signal.SIGINT)
    assert run.code() == 0, "the run itself was whole"
    assert called(programs) is None and "Called off" in run.out.read_text()


@pytest.mark.posix
def test_a_command_that_fails_changes_no_exit_code(frames: Path, tmp_path: Path) -> None:
    run = Run(tmp_path, frames, "--when-done", f"{sys.executable} -c 'raise SystemExit(9)'")
    assert run.code() == 0
    assert "ended with exit code 9" in run.out.read_text()


# -- the log ----------------------------------------------------------------------------------------


def test_everything_that_was_said_is_in_the_log(frames: Path, tmp_path: Path) -> None:
    run = Run(tmp_path, frames, "--max-hours", "9", faults={"00004.png": "segfault", "00006.png": "raise"})
    assert run.code() == 1
    log = [line[20:] for line in run.log.splitlines()]
    said = [re.sub(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ", "", line) for line in run.said.splitlines()]
    assert len(said) > 15
    assert [line for line in said if line.strip() and line.rstrip() not in log] == []


def test_the_reason_of_a_stop_and_its_steps_are_in_the_log(frames: Path, tmp_path: Path) -> None:
    faults = {"import": {"fault": "raise", "text": "ModuleNotFoundError: No module named 'cv2'"}}
    run = Run(tmp_path, frames, faults=faults)
    assert run.code() == 3
    for line in run.err.read_text().splitlines():
        assert line in run.log


def test_an_error_that_ends_it_on_its_way_is_in_the_log(frames: Path, tmp_path: Path) -> None:
    program = (
        "import dflwrap.supervisor.run as r\n"
        "def broken(*_): raise ValueError('a fault of ours')\nr.prepare = broken\n" + START
    )
    run = Run(tmp_path, frames, program=program)
    assert run.code() == 5
    assert "dflwrap itself failed: ValueError: a fault of ours" in run.log


def test_a_call_that_does_nothing_leaves_no_log(frames: Path, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    run = Run(tmp_path, tmp_path / "none")
    assert run.code() == 2
    assert not run.folder.exists()


@pytest.mark.posix
def test_low_priority_reaches_the_extractor(frames: Path, tmp_path: Path) -> None:
    import psutil

    run = Run(tmp_path, frames, "--low-priority", seconds=1)
    assert until(lambda: list((tmp_path / "aligned").glob("*.jpg")), LIMIT)
    family = psutil.Process(run.process.pid).children(recursive=True)
    assert family and all(process.nice() >= 10 for process in family)
    run.process.send_signal(signal.SIGINT)
    assert run.code() == 4
    assert os.getpriority(os.PRIO_PROCESS, 0) == 0


@pytest.mark.posix
def test_it_shuts_down_also_where_nobody_reads_what_it_says(frames: Path, tmp_path: Path) -> None:
    """A terminal that takes nothing any more (Ctrl-S): here a pipe that is full from the start."""
    hurried = "import dflwrap.cli.running as r\nassert r.LAST_WORDS == 600\nr.LAST_WORDS = 2.0\n" + SHORT
    program = (
        "import fcntl, os, sys\nreader, writer = os.pipe()\nos.set_inheritable(reader, True)\n"
        "fcntl.fcntl(writer, fcntl.F_SETFL, os.O_NONBLOCK)\n"
        "try:\n    while True: os.write(writer, b'x' * 4096)\nexcept BlockingIOError: pass\n"
        "fcntl.fcntl(writer, fcntl.F_SETFL, 0)\nos.dup2(writer, 1)\n"
        f"os.execv(sys.executable, [sys.executable, '-c', {hurried!r}, *sys.argv[1:]])\n"
    )
    programs, env = with_recorders(tmp_path)
    run = Run(tmp_path, frames, "--when-done", "shutdown", env=env, program=program)
    assert run.code() == 0
    assert called(programs) == [str(programs / "systemctl"), "poweroff"]
    assert "systemctl is done" in run.log
