"""A disk that is full at any moment ends the run with its cause, a report and no process left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
import pytest
from disks import small_disk
from support import DOUBLE, all_gone, assert_conserved, dflwrap, small_frames, start_dflwrap

from dflwrap.common.errors import NeedsUserError
from dflwrap.common.events import Event
from dflwrap.common.plan import AttemptSpec, ExtractOptions, Plan
from dflwrap.extractors.base import ConsoleReader, Extractor, ExtractorInfo, Launch
from dflwrap.ledger.ledger import Ledger
from dflwrap.report.report_file import ReportFile
from dflwrap.supervisor.attempt.monitor import Attempt, Watch
from dflwrap.supervisor.stop_request import Control

FRAMES = 6


def arguments(frames: Path, output: Path, *more: str) -> list[str | Path]:
    return [
        *("extract", "--input-dir", frames, "--output-dir", output, "--json"),
        *("--dfl-root", DOUBLE, "--dfl-python", sys.executable, "--extractor", "dfl"),
        *("--cpu-only", "--image-size", "256", "--workers", "1", *more),
    ]


def leave(disk: Path, room: int) -> None:
    """Fill `disk` but for `room` bytes."""
    usage = os.statvfs(disk)
    (disk / "filler.bin").write_bytes(b"\0" * (usage.f_bavail * usage.f_bsize - room))


def use_up_inodes(disk: Path, left: int) -> list[Path]:
    fillers = [disk / f"filler-{number}" for number in range(os.statvfs(disk).f_favail - left)]
    for filler in fillers:
        filler.touch()
    return fillers


def on_disk(run_folder: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((run_folder / "report.json").read_text())
    return report


@pytest.mark.parametrize("room", [0, 96, 150, 200, 260, 320])
def test_a_disk_with_this_much_room_in_kib_ends_with_its_cause(tmp_path: Path, room: int) -> None:
    frames = small_frames(tmp_path / "frames", FRAMES)
    with small_disk(tmp_path / "disk", "4m") as disk:
        leave(disk, room * 1024)
        done = dflwrap(*arguments(frames, disk / "aligned"))
        assert done.code in (0, 3), done.stderr
        if done.code == 3:
            assert done.stderr.strip().splitlines()[-1] == "disk-full"
            assert "The disk is full" in done.stderr
        if done.stdout:  # it came as far as to know the frames
            assert_conserved(done.report)
            assert done.report["frames"]["quarantined"] == 0
            report = on_disk(disk / "aligned_dflwrap")
            assert (
                report["run"]["state"]
                == done.report["run"]["state"]
                == {0: "complete", 3: "stopped"}[done.code]
            )
            assert report["frames"] == done.report["frames"]
        assert not (disk / "aligned_dflwrap" / "report.reserve").exists()


@pytest.mark.parametrize("left", [2, 8, 14, 26])
def test_a_disk_without_inodes_is_called_that(tmp_path: Path, left: int) -> None:
    frames = small_frames(tmp_path / "frames", FRAMES)
    with small_disk(tmp_path / "disk", "20m", 100) as disk:
        use_up_inodes(disk, left)
        done = dflwrap(*arguments(frames, disk / "aligned"))
        assert done.code == 3, done.stderr
        assert done.stderr.strip().splitlines()[-1] == "disk-full"
        assert "out of inodes" in done.stderr and "df -i" in done.stderr


def test_waiting_for_the_disk_waits_for_inodes_and_also_at_the_start_of_an_attempt(tmp_path: Path) -> None:
    frames, said = small_frames(tmp_path / "frames", FRAMES), tmp_path / "said.txt"
    with small_disk(tmp_path / "disk", "20m", 100) as disk:
        fillers = use_up_inodes(disk, 14)
        words = arguments(frames, disk / "aligned", "--wait-for-disk")
        with said.open("wb") as stderr:
            running = start_dflwrap(*words, stdout=subprocess.PIPE, stderr=stderr)
        try:
            deadline = time.monotonic() + 90
            while "waiting until" not in said.read_text():
                assert running.poll() is None and time.monotonic() < deadline, said.read_text()
                time.sleep(0.05)
            assert "out of inodes" in said.read_text()
            for filler in fillers:
                filler.unlink()
            stdout = running.communicate(timeout=120)[0]
        finally:
            running.kill()
            running.wait()
        assert running.returncode == 0, said.read_text()
        assert json.loads(stdout)["frames"]["extracted"] == FRAMES


def test_copies_of_frames_never_fill_the_disk(tmp_path: Path) -> None:
    """Frames that have to be converted: 14 of 580 kB each on a disk of 5 MB."""
    frames = tmp_path / "frames"
    frames.mkdir()
    noise = np.random.default_rng(7)
    for number in range(14):
        image = noise.integers(0, 255, (400, 480, 3), dtype=np.uint8)
        assert cv2.imwrite(str(frames / f"{number}.bmp"), image)
    with small_disk(tmp_path / "disk", "5m") as disk:
        done = dflwrap(*arguments(frames, disk / "aligned"))
        assert done.code == 0, done.stderr
        assert done.report["frames"]["extracted"] == 14
        given = [attempt["frames"] for attempt in done.report["attempts"]]
        assert given == [14], "each copy makes room for the next when its frame is done"


class _Silent:
    def feed(self, stream: str, line: bytes) -> Iterable[Event]:
        return ()

    def idle(self, stream: str, text: bytes) -> Iterable[Event]:
        return ()


class Sleeping(Extractor):
    supported_fields = frozenset[str]()
    reports_frames = True

    def info(self) -> ExtractorInfo:
        return ExtractorInfo("sleeping", "1", sys.executable, "", "")

    def launch(self, spec: AttemptSpec, *, black_box: bool = False) -> Launch:
        return Launch((sys.executable, "-c", "import time; time.sleep(600)"), dict(os.environ))

    def console(self) -> ConsoleReader:
        return _Silent()


@pytest.mark.parametrize("left", [0, 1, 2, 3])
def test_no_process_is_left_where_a_log_cannot_be_made(tmp_path: Path, left: int) -> None:
    """left: files that can still be made, of plan.json, events.jsonl, stdout.log and stderr.log."""
    with small_disk(tmp_path / "disk", "4m", 60) as disk:
        folder = disk / "0001"
        folder.mkdir()
        fillers = use_up_inodes(disk, left)
        files = [str(folder / name) for name in ("", "in", "out", "events.jsonl")]
        spec = AttemptSpec(1, Plan(), ExtractOptions(), *files, ("a.png",))
        watch = Watch(lambda events: None, lambda line: None, lambda tree: None)
        before = {child.pid for child in psutil.Process().children(recursive=True)}
        with pytest.raises(NeedsUserError, match="out of inodes") as raised:
            Attempt(spec, Sleeping(), watch, Control(), black_box=False).run()
        assert raised.value.cause == "disk-full"
        assert len(list(folder.iterdir())) == left, "it did not fail where this test wants it"
        left_over = [c for c in psutil.Process().children(recursive=True) if c.pid not in before]
        assert all_gone(left_over, 5)
        del fillers


def test_the_report_can_be_written_on_a_disk_that_has_filled_up(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "2m") as disk:
        ledger = Ledger(tmp_path / "run.db")
        report = ReportFile(disk / "report.json", ledger)
        report.reserve()
        report.running()
        assert on_disk(disk)["run"]["state"] == "running"
        leave(disk, 0)
        report.write(report.build("complete", None))
        assert on_disk(disk)["run"]["state"] == "complete"


def test_the_report_says_running_from_the_start_and_after_a_kill(tmp_path: Path) -> None:
    frames, output = small_frames(tmp_path / "frames", FRAMES), tmp_path / "aligned"
    done = dflwrap(*arguments(frames, output))
    assert done.code == 0 and on_disk(tmp_path / "aligned_dflwrap")["run"]["state"] == "complete"
    for number in range(FRAMES):
        (frames / f"9{number}.png").write_bytes((frames / "00001.png").read_bytes())
    script = tmp_path / "script.json"
    script.write_text('{"options": {"frame_seconds": 2}}')
    running = start_dflwrap(
        *arguments(frames, output),
        env={"DFLWRAP_DOUBLE_SCRIPT": str(script)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 90
        while len(list(output.glob("*.jpg"))) <= FRAMES:
            assert running.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        running.kill()
        running.wait()
    report = on_disk(tmp_path / "aligned_dflwrap")
    assert_conserved(report)
    assert (report["run"]["state"], report["frames"]["total"]) == ("running", 2 * FRAMES)
    assert report["frames"]["not_attempted"] == FRAMES, "the figures of the start"
