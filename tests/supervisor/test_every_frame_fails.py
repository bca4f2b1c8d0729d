"""Where every frame fails the run still ends, undisturbed and when it is stopped: real processes, to their end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from support import (
    DOUBLE,
    SHORT_PAUSES,
    Finished,
    all_gone,
    assert_conserved,
    small_frames,
    start_dflwrap,
    until,
)

LIMIT = 400.0
"""Seconds after which a run counts as one that never ends; the longest of them takes a tenth of it when idle."""

SIZE = (1200, 900)
"""So large that copying them for a second try takes longer than failing: the copies queue."""

MOST = 60
"""Frames of the largest run here."""

pytestmark = pytest.mark.posix


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nobody writes into them: each run has links."""
    return small_frames(tmp_path_factory.mktemp("pictures") / "frames", MOST, SIZE)


class Run:
    """A dflwrap under way on the double."""

    def __init__(
        self,
        tmp_path: Path,
        pictures: Path,
        frames: int,
        script: dict[str, Any],
        *more: str,
        program: str = SHORT_PAUSES,
    ) -> None:
        self.tmp_path = tmp_path
        path = tmp_path / "script.json"
        path.write_text(json.dumps(script))
        (tmp_path / "frames").mkdir()
        for picture in sorted(pictures.iterdir())[:frames]:
            (tmp_path / "frames" / picture.name).hardlink_to(picture)
        self._streams = tmp_path / "stdout.txt", tmp_path / "stderr.txt"
        command = [
            *("extract", "--json", "--image-size", "256", "--cpu-only"),
            *("--input-dir", str(tmp_path / "frames")),
            *("--output-dir", str(tmp_path / "aligned"), "--workers", "2", "--extractor", "dfl"),
            *("--dfl-root", str(DOUBLE), "--dfl-python", sys.executable, *more),
        ]
        out, err = (path.open("wb") for path in self._streams)
        with out, err:
            self.process = start_dflwrap(
                *command,
                program=program,
                stdout=out,
                stderr=err,
                env={"DFLWRAP_DOUBLE_SCRIPT": str(path)},
                start_new_session=True,
            )

    @property
    def stderr(self) -> str:
        return self._streams[1].read_text()

    def until(self, happened: Callable[[], object]) -> None:
        assert until(lambda: happened() or self.process.poll() is not None, LIMIT), self.stderr
        assert self.process.poll() is None, self.stderr

    def host(self) -> psutil.Process | None:
        """The extractor's main process."""
        for process in psutil.Process(self.process.pid).children(recursive=True):
            try:
                line = process.cmdline()
            except psutil.Error:
                continue
            if "--input-dir" in line and not any("guard" in word for word in line):
                return process
        return None

    def finish(self) -> Finished:
        family = psutil.Process(self.process.pid).children(recursive=True)
        try:
            code = self.process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(60)
            pytest.fail(f"it does not end: {self.stderr[-3000:]}")
        assert all_gone(family, 30)
        assert "Traceback" not in self.stderr
        return Finished(code, self._streams[0].read_text(), self.stderr)


@pytest.mark.parametrize(
    ("frames", "fault"), [(40, "raise"), (40, "cuda_oom"), (30, "segfault"), (12, "unreadable")]
)
def test_it_ends(tmp_path: Path, pictures: Path, frames: int, fault: str) -> None:
    done = Run(tmp_path, pictures, frames, {"*.png": fault}).finish()
    assert_conserved(done.report)
    assert done.code in (1, 3), done.stderr
    assert done.report["frames"]["extracted"] == done.report["frames"]["no_face"] == 0


def test_it_ends_after_its_host_was_killed(tmp_path: Path, pictures: Path) -> None:
    run = Run(tmp_path, pictures, 4, {"*.png": [{"fault": "slow", "seconds": 0.5}, "raise"]})
    run.until(lambda: "re-encoding it" in run.stderr)
    host = run.host()
    assert host is not None
    host.kill()
    done = run.finish()
    assert_conserved(done.report)
    assert done.code in (1, 3), done.stderr


@pytest.mark.parametrize("fault", ["raise", "segfault", "cuda_oom"])
def test_one_ctrl_c_ends_it(tmp_path: Path, pictures: Path, fault: str) -> None:
    """Frames that fail and fail must not keep it: what has not begun is not begun."""
    run = Run(tmp_path, pictures, 60, {"*.png": [{"fault": "slow", "seconds": 0.2}, fault]})
    run.until((tmp_path / "script.json.fired" / "__png-1").exists)
    time.sleep(1)  # a few have failed and queue for their second try
    run.process.send_signal(signal.SIGINT)
    began = time.monotonic()
    done = run.finish()
    assert_conserved(done.report)
    assert done.code == 4, done.stderr
    assert done.report["frames"]["not_attempted"] > 30, "it continued with the frames"
    print(f"{fault}: ended {time.monotonic() - began:.1f} s after Ctrl-C")


def test_a_second_ctrl_c_ends_it_at_once(tmp_path: Path, pictures: Path) -> None:
    run = Run(tmp_path, pictures, 12, {"*.png": {"fault": "slow", "seconds": 45}})
    run.until(lambda: list((tmp_path / "script.json.fired").glob("*")))
    run.process.send_signal(signal.SIGINT)
    time.sleep(1)
    run.process.send_signal(signal.SIGINT)
    began = time.monotonic()
    done = run.finish()
    assert_conserved(done.report)
    assert done.code == 4, done.stderr
    print(f"ended {time.monotonic() - began:.1f} s after the second Ctrl-C")


def test_a_long_clip_of_which_nothing_comes_any_more_is_not_suspected_frame_by_frame(
    tmp_path: Path, pictures: Path
) -> None:
    """The extractor has worked, so that frames may be suspected; with a small limit for the test."""
    few = (
        "import dflwrap.planning.blame as blame, dflwrap.planning.policy as policy\n"
        "for room in (blame, policy):\n"
        "    assert room.MOST_WITHOUT_PROGRESS > 3\n"
        "    room.MOST_WITHOUT_PROGRESS = 3\n" + SHORT_PAUSES
    )
    script = {"*000[1-9]?.png": "raise", "*0000[5-9].png": "raise"}
    run = Run(tmp_path, pictures, 40, script, program=few)
    done = run.finish()
    assert_conserved(done.report)
    assert done.code == 3, done.stderr
    assert done.report["frames"]["extracted"] == 4
    assert len(done.report["attempts"]) < 20, done.report["decisions"]
