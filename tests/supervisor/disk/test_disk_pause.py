"""A disk that fills up during the run: with --wait-for-disk the run pauses, and continues when there is room."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from disks import small_disk
from support import DOUBLE, assert_conserved, small_frames, start_dflwrap

from dflwrap.common.errors import NeedsUserError
from dflwrap.common.plan import Plan
from dflwrap.frames.judgement import Entry
from dflwrap.ledger.ledger import Ledger
from dflwrap.ledger.records import NewFrame, Outcome
from dflwrap.supervisor.disk.disk_pause import DiskPause
from dflwrap.supervisor.stop_request import Control

FRAMES = 10


def fill(disk: Path) -> Path:
    filler = disk / "filler.bin"
    with filler.open("wb", buffering=0) as stream:
        try:
            while True:
                stream.write(b"\0" * 4096)
        except OSError:
            pass
    return filler


def until(condition: Callable[[], bool], running: subprocess.Popen[str], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert running.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)


def test_a_disk_that_is_full_again_and_again_with_nothing_gained_is_not_waited_for_forever(
    tmp_path: Path,
) -> None:
    ledger = Ledger(tmp_path / "run.db")
    ledger.add_frames(
        NewFrame(f"{number}.png", str(number), 10, 1, Entry.LINK, True, 0, "") for number in range(3)
    )
    nothing = SimpleNamespace(repair=lambda: None, clear_work=lambda _: None, notice=lambda _: None)
    services: Any = SimpleNamespace(
        ledger=ledger,
        promoter=nothing,
        folder=nothing,
        reporter=nothing,
        stage=lambda _: None,
        control=Control(),
        observer=SimpleNamespace(wait=lambda *_: True),
    )
    pause, full = DiskPause(), NeedsUserError("disk-full", "The disk is full.")
    assert not pause.room_again(NeedsUserError("output-not-writable", "No."), services, Plan())
    assert [pause.room_again(full, services, Plan()) for _ in range(3)] == [True] * 3
    assert not pause.room_again(full, services, Plan())
    ledger.settle(ledger.open_frames()[0].id, Outcome.NO_FACE, attempt=1)
    assert pause.room_again(full, services, Plan()), "something was gained in between"
    ledger.close()


@pytest.mark.parametrize("wait", [True, False])
def test_a_disk_that_filled_up_pauses_the_run_where_that_is_allowed(tmp_path: Path, wait: bool) -> None:
    frames, script, said = tmp_path / "frames", tmp_path / "script.json", tmp_path / "said.txt"
    small_frames(frames, FRAMES)
    script.write_text(json.dumps({"options": {"frame_seconds": 0.3}}))
    with small_disk(tmp_path / "disk", "24m") as disk:
        output = disk / "aligned"
        command: list[str | Path] = ["extract", "--input-dir", frames, "--output-dir", output]
        command += ["--json", "--dfl-root", DOUBLE, "--dfl-python", sys.executable, "--extractor", "dfl"]
        command += ["--cpu-only", "--image-size", "256", "--workers", "1"]
        command += ["--wait-for-disk"] if wait else []
        env = {"DFLWRAP_DOUBLE_SCRIPT": str(script)}
        with said.open("wb") as stderr:
            running = start_dflwrap(*command, env=env, stdout=subprocess.PIPE, stderr=stderr, page=True)
        try:
            until(lambda: output.is_dir() and len(list(output.iterdir())) >= 2, running)
            filler = fill(disk)
            if wait:
                until(lambda: "waiting until the output disk has" in said.read_text(), running)
                filler.unlink()
            stdout = running.communicate(timeout=120)[0]
        finally:
            running.kill()
            running.wait()
        report = json.loads(stdout)
        assert_conserved(report)
        faces = len(list(output.iterdir()))
        if wait:
            assert running.returncode == 0, said.read_text()
            assert report["frames"]["extracted"] == faces == FRAMES
        else:
            assert running.returncode == 3, said.read_text()
            assert report["run"]["stop"]["cause"] == "disk-full"
            assert report["frames"]["extracted"] == faces < FRAMES
        shutil.rmtree(output)
