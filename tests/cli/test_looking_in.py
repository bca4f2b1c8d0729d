"""`dflwrap status` and `dflwrap stop`: real runs, looked at and ended from another process."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from support import dflwrap, small_frames, until
from test_unattended import LIMIT, START, Run, recorder

pytestmark = pytest.mark.posix


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_frames(tmp_path_factory.mktemp("looking") / "data_src", 8)


def status(path: Path) -> tuple[int, list[dict[str, Any]]]:
    done = dflwrap("status", path, "--json")
    return done.code, json.loads(done.stdout)["runs"]


def begun(tmp_path: Path, frames: Path, *more: str, seconds: float = 4.0) -> Run:
    run = Run(tmp_path, frames, *more, seconds=seconds, program=START)
    assert until(lambda: list((tmp_path / "aligned").glob("*.jpg")), LIMIT)
    return run


def test_a_run_is_seen_while_it_works_stopped_and_seen_after_it(frames: Path, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    run = begun(tmp_path, frames, "--when-done", str(recorder(programs, "after")))
    code, [seen] = status(tmp_path / "aligned")
    assert (code, seen["state"], seen["frames"]["total"]) == (0, "running", 8)
    assert 0 < seen["frames"]["extracted"] < 8 and seen["frames"]["open"] > 0
    assert seen["stage"] == "extracting" and seen["attempt"] == 1 and seen["began"] < seen["time"]
    text = dflwrap("status", run.folder).stdout
    assert "aligned: running" in text and "attempt 1: DeepFaceLab, CPU, 1 worker" in text

    stopped = dflwrap("stop", tmp_path / "aligned")
    assert stopped.code == 0 and "has ended (asked with dflwrap stop)" in stopped.stdout, stopped
    assert run.code() == 4
    assert "asked with dflwrap stop. Run the same command again to resume." in run.err.read_text()
    assert not (programs / "called").exists(), "nothing follows a stop by the user"
    assert not list(run.folder.glob("stop.request*"))
    code, [seen] = status(tmp_path)
    assert (code, seen["state"], seen["reason"]) == (1, "interrupted", "asked with dflwrap stop")

    again = Run(tmp_path, frames)
    assert again.code() == 0, "an old request stops no new run"
    code, [seen] = status(tmp_path)
    assert (code, seen["state"], seen["frames"]["extracted"]) == (0, "complete", 8)
    assert dflwrap("stop", tmp_path / "aligned").code == 1, "nothing is under way"


def test_a_request_that_was_left_behind_stops_no_run(frames: Path, tmp_path: Path) -> None:
    from dflwrap.supervisor.outside.stop_file import ask_to_stop

    assert Run(tmp_path, frames).code() == 0
    ask_to_stop(tmp_path / "aligned_dflwrap", at_once=True)
    run = Run(tmp_path, frames, "--redo", "all", seconds=0.5)
    assert run.code() == 0, run.said


def test_stop_now_does_not_wait_for_the_frames_at_work(frames: Path, tmp_path: Path) -> None:
    run = begun(tmp_path, frames, seconds=5)
    (tmp_path / "script.json").write_text("{}")
    assert dflwrap("stop", tmp_path / "aligned", "--now").code == 0
    assert run.code() == 4
    assert "Ending now." in run.out.read_text()


def test_a_killed_run_is_called_so_and_resumes(frames: Path, tmp_path: Path) -> None:
    run = begun(tmp_path, frames)
    run.process.send_signal(signal.SIGKILL)
    run.process.wait(LIMIT)
    code, [seen] = status(tmp_path / "aligned")
    assert (code, seen["state"]) == (1, "ended")
    assert "killed, or the power went" in dflwrap("status", tmp_path / "aligned").stdout
    assert Run(tmp_path, frames).code() == 0


def test_a_stop_that_needs_the_user_is_told_with_its_steps(frames: Path, tmp_path: Path) -> None:
    faults = {"import": {"fault": "raise", "text": "ModuleNotFoundError: No module named 'cv2'"}}
    run = Run(tmp_path, frames, faults=faults)
    assert run.code() == 3
    code, [seen] = status(tmp_path)
    assert code == 3 and seen["state"] == "stopped"
    assert seen["stop"]["cause"] == run.err.read_text().splitlines()[-1] and seen["stop"]["steps"]


def test_of_a_folder_all_runs_below_it_are_shown_and_stopped(frames: Path, tmp_path: Path) -> None:
    runs = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        runs.append(Run(tmp_path / name, frames, seconds=4, program=START))
    for name in ("one", "two"):
        assert until(lambda n=name: list((tmp_path / n / "aligned").glob("*.jpg")), LIMIT)
    code, seen = status(tmp_path)
    assert code == 0 and [run["state"] for run in seen] == ["running", "running"]
    assert dflwrap("stop", tmp_path).code == 0
    assert [run.code() for run in runs] == [4, 4]
    assert [run["state"] for run in status(tmp_path)[1]] == ["interrupted", "interrupted"]


@pytest.mark.parametrize("command", ["status", "stop"])
def test_where_no_run_is_there_is_one_sentence(command: str, tmp_path: Path) -> None:
    done = dflwrap(command, tmp_path)
    assert done.code == 2 and "No run of dflwrap" in done.stderr and len(done.stderr.splitlines()) == 1


def test_status_writes_nothing_into_a_run_under_way(frames: Path, tmp_path: Path) -> None:
    """No file below the run is opened for writing, and no connection of SQLite leads there."""
    run = begun(tmp_path, frames, seconds=3)
    names = {path.name for path in run.folder.iterdir()}
    opened = _opened_for_writing(tmp_path)
    assert {path.name for path in run.folder.iterdir()} == names
    assert opened == []
    run.process.send_signal(signal.SIGINT)
    assert run.code() == 4


def _opened_for_writing(folder: Path) -> list[str]:
    """By an audit hook in the process itself: every `open` of Python, and every connection of SQLite."""
    import subprocess

    hook = (
        "import os, sys\n"
        f"root = {str(folder)!r}\n"
        "def hear(event, arguments):\n"
        "    if event == 'sqlite3.connect' and str(arguments[0]).startswith(root): print('BAD', arguments[0])\n"
        "    if event == 'open' and str(arguments[0]).startswith(root):\n"
        "        flags = arguments[2] or 0\n"
        "        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT): print('BAD', arguments[0])\n"
        "    if event in ('os.remove', 'os.rename', 'os.mkdir') and str(arguments[0]).startswith(root): print('BAD')\n"
        "sys.addaudithook(hear)\nsys.argv = ['dflwrap', 'status', root, '--once']\n"
        "from dflwrap.cli.start import run\nrun()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", hook], capture_output=True, text=True, timeout=LIMIT, env={**os.environ}
    )
    assert done.returncode == 0, done.stderr
    return [line for line in done.stdout.splitlines() if "BAD" in line]
