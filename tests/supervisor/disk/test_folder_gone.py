"""A folder of the run goes away: its frames are not to blame, the run waits, and all are extracted in the end."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from disks import small_disk
from support import DOUBLE, Started, assert_conserved, dflwrap, small_frames, start_dflwrap

FRAMES = 12

pytestmark = pytest.mark.posix


@dataclass
class Running:
    process: Started
    said: Path

    def until(self, condition: Callable[[], bool], seconds: float = 90) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, self.said.read_text()
            assert time.monotonic() < deadline, self.said.read_text()
            time.sleep(0.02)

    def until_said(self, words: str) -> None:
        self.until(lambda: words in self.said.read_text())

    def end(self) -> dict[str, Any]:
        stdout = self.process.communicate(timeout=180)[0]
        report: dict[str, Any] = json.loads(stdout)
        assert_conserved(report)
        return report


def arguments(frames: Path, output: Path, *more: str) -> list[str | Path]:
    return [
        *("extract", "--input-dir", frames, "--output-dir", output, "--json"),
        *("--dfl-root", DOUBLE, "--dfl-python", sys.executable, "--extractor", "dfl"),
        *("--cpu-only", "--image-size", "256", "--workers", "2", *more),
    ]


def script(tmp_path: Path, seconds: float) -> dict[str, str]:
    path = tmp_path / "script.json"
    path.write_text(json.dumps({"options": {"frame_seconds": seconds}}))
    return {"DFLWRAP_DOUBLE_SCRIPT": str(path)}


@contextmanager
def running(tmp_path: Path, frames: Path, output: Path, *more: str) -> Iterator[Running]:
    """A run that takes half a second a frame, with two faces in the faceset already."""
    said = tmp_path / "said.txt"
    env = script(tmp_path, 0.5)
    with said.open("wb") as stderr:
        process = start_dflwrap(
            *arguments(frames, output, *more), env=env, stdout=subprocess.PIPE, stderr=stderr
        )
    run = Running(process, said)
    try:
        run.until(lambda: output.is_dir() and len(list(output.iterdir())) >= 2)
        yield run
    finally:
        process.kill()
        process.wait()


def resumed(tmp_path: Path, frames: Path, output: Path) -> dict[str, Any]:
    done = dflwrap(*arguments(frames, output), env=script(tmp_path, 0.0))
    assert done.code == 0, done.stderr
    assert_conserved(done.report)
    return done.report


@pytest.mark.parametrize("gone", ["frames", "aligned", "aligned_dflwrap"])
def test_a_folder_that_comes_back_costs_no_frame(tmp_path: Path, gone: str) -> None:
    frames, output = small_frames(tmp_path / "frames", FRAMES), tmp_path / "aligned"
    folder, away = tmp_path / gone, tmp_path / "away"
    with running(tmp_path, frames, output) as run:
        folder.rename(away)
        run.until_said("Waiting for it for up to 30 min")
        away.rename(folder)
        report = run.end()
        said = run.said.read_text()
    assert run.process.returncode == 0, said
    assert report["frames"]["extracted"] == len(list(output.iterdir())) == FRAMES
    assert said.count("Waiting for it") == 1
    assert ": quarantined:" not in said


def test_a_folder_that_comes_back_costs_no_frame_without_events_either(tmp_path: Path) -> None:
    frames, output, away = small_frames(tmp_path / "frames", FRAMES), tmp_path / "aligned", tmp_path / "away"
    with running(tmp_path, frames, output, "--no-agent") as run:
        frames.rename(away)
        run.until_said("Waiting for it for up to 30 min")
        away.rename(frames)
        report = run.end()
    assert run.process.returncode == 0, run.said.read_text()
    assert report["frames"]["extracted"] == len(list(output.iterdir())) == FRAMES


def test_the_built_in_extractor_does_not_blame_frames_either(tmp_path: Path, clean_frames: Path) -> None:
    frames, output, away = tmp_path / "frames", tmp_path / "aligned", tmp_path / "away"
    frames.mkdir()
    for number in range(15):
        for frame in clean_frames.iterdir():
            shutil.copy(frame, frames / f"{number}-{frame.name}")
    builtin = ("--extractor", "builtin", "--workers", "1")
    with running(tmp_path, frames, output, *builtin) as run:
        frames.rename(away)
        run.until_said("Waiting for it for up to 30 min")
        away.rename(frames)
        report = run.end()
    assert run.process.returncode == 0, run.said.read_text()
    assert report["frames"]["extracted"] == report["frames"]["total"] == 180


def test_an_input_folder_that_stays_away_stops_the_run_and_blames_no_frame(tmp_path: Path) -> None:
    frames, output, away = small_frames(tmp_path / "frames", FRAMES), tmp_path / "aligned", tmp_path / "away"
    with running(tmp_path, frames, output, "--folder-timeout", "1") as run:
        frames.rename(away)
        report = run.end()
        said = run.said.read_text()
    assert run.process.returncode == 3, said
    assert said.strip().splitlines()[-1] == report["run"]["stop"]["cause"] == "input-dir-missing"
    assert report["frames"]["quarantined"] == 0 and report["frames"]["not_attempted"] > 0
    on_disk = json.loads((tmp_path / "aligned_dflwrap" / "report.json").read_text())
    assert on_disk["run"]["state"] == "stopped"
    away.rename(frames)
    assert resumed(tmp_path, frames, output)["frames"]["extracted"] == FRAMES


def test_an_output_folder_that_stays_away_stops_the_run_and_blames_no_frame(tmp_path: Path) -> None:
    frames, output, away = small_frames(tmp_path / "frames", FRAMES), tmp_path / "aligned", tmp_path / "away"
    with running(tmp_path, frames, output, "--folder-timeout", "1") as run:
        output.rename(away)
        report = run.end()
        said = run.said.read_text()
    assert run.process.returncode == 3, said
    assert said.strip().splitlines()[-1] == report["run"]["stop"]["cause"] == "output-dir-missing"
    assert not output.exists(), "nothing is written to another place instead"
    away.rename(output)
    assert resumed(tmp_path, frames, output)["frames"]["extracted"] == FRAMES


def test_waiting_has_no_bound_where_the_user_says_so_and_hears_ctrl_c(tmp_path: Path) -> None:
    frames, output, away = small_frames(tmp_path / "frames", FRAMES), tmp_path / "aligned", tmp_path / "away"
    with running(tmp_path, frames, output, "--folder-timeout", "0", "--wait-for-disk") as run:
        frames.rename(away)
        run.until_said("Waiting for it.")
        time.sleep(2)
        run.process.send_signal(signal.SIGINT)
        report = run.end()
        said = run.said.read_text()
    assert run.process.returncode == 4, said
    assert report["frames"]["quarantined"] == 0
    away.rename(frames)
    assert resumed(tmp_path, frames, output)["frames"]["extracted"] == FRAMES


def test_an_unmounted_disk_leaves_an_empty_folder_and_no_frame_removed(tmp_path: Path) -> None:
    kept = small_frames(tmp_path / "kept", FRAMES)
    output = tmp_path / "aligned"
    mount_point = tmp_path / "usb"
    with small_disk(mount_point, "8m"):
        for frame in kept.iterdir():
            shutil.copy(frame, mount_point)
        with running(tmp_path, mount_point, output, "--folder-timeout", "1") as run:
            subprocess.run(["umount", "-l", str(mount_point)], check=True)
            report = run.end()
            said = run.said.read_text()
        assert run.process.returncode == 3, said
        assert report["run"]["stop"]["cause"] == "input-dir-missing"
        assert "not mounted" in report["run"]["stop"]["sentence"]
        assert report["frames"]["quarantined"] == report["frames"]["removed"] == 0

        again = dflwrap(*arguments(mount_point, output), env=script(tmp_path, 0.0))
        assert again.code == 3, again.stderr
        assert again.stderr.strip().splitlines()[-1] == "input-dir-missing"
        report = json.loads((tmp_path / "aligned_dflwrap" / "report.json").read_text())
        assert (report["frames"]["total"], report["frames"]["removed"]) == (FRAMES, 0)

        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", str(mount_point)], check=True)
        for frame in kept.iterdir():
            shutil.copy2(frame, mount_point)
        assert resumed(tmp_path, mount_point, output)["frames"]["extracted"] == FRAMES


def test_frames_removed_during_the_run_are_not_attempted_and_no_failure(tmp_path: Path) -> None:
    frames, output = small_frames(tmp_path / "frames", FRAMES), tmp_path / "aligned"
    with running(tmp_path, frames, output) as run:
        (frames / "00011.png").unlink()
        (frames / "00012.png").unlink()
        report = run.end()
        said = run.said.read_text()
    assert run.process.returncode == 0, said
    assert report["frames"]["extracted"] == FRAMES - 2
    told = {row["frame"]: row["evidence"] for row in report["not_attempted"]}
    assert told == dict.fromkeys(("00011.png", "00012.png"), "removed during the run")
    report = resumed(tmp_path, frames, output)
    assert report["frames"] == {
        "total": FRAMES - 2,
        "extracted": FRAMES - 2,
        "no_face": 0,
        "quarantined": 0,
        "not_attempted": 0,
        "removed": 2,
    }
    assert report["removed"] == ["00011.png", "00012.png"]


def test_frames_removed_between_two_runs_leave_the_total_and_come_back_with_their_files(
    tmp_path: Path,
) -> None:
    frames, output, away = small_frames(tmp_path / "frames", 4), tmp_path / "aligned", tmp_path / "away.png"
    (frames / "bad.png").write_bytes(b"no image at all")
    done = dflwrap(*arguments(frames, output))
    assert (done.code, done.report["frames"]["quarantined"]) == (1, 1), done.stderr
    (frames / "bad.png").rename(away)
    report = resumed(tmp_path, frames, output)
    assert (report["frames"]["total"], report["frames"]["removed"], report["removed"]) == (4, 1, ["bad.png"])
    away.rename(frames / "bad.png")
    done = dflwrap(*arguments(frames, output))
    assert done.code == 1, done.stderr
    assert done.report["frames"]["removed"] == 0
    assert done.report["quarantined"][0]["cause"] == "imread-failed", "checked again, not handed out"


def test_an_output_disk_that_is_unmounted_and_mounted_again_costs_no_frame(tmp_path: Path) -> None:
    """The files that were open belong to the mount that is no more: ledger and lock are opened again."""
    frames, disk = small_frames(tmp_path / "frames", FRAMES), tmp_path / "disk"
    output = disk / "usb" / "aligned"
    with small_disk(disk, "32m"):
        (disk / "usb").mkdir()
        (disk / "store").mkdir()
        bind = ["mount", "--bind", str(disk / "store"), str(disk / "usb")]
        subprocess.run(bind, check=True)
        with running(tmp_path, frames, output) as run:
            subprocess.run(["umount", "-l", str(disk / "usb")], check=True)
            run.until_said("The output folder is not there any more")
            subprocess.run(bind, check=True)
            report = run.end()
        subprocess.run(["umount", "-l", str(disk / "usb")], check=True)
        assert run.process.returncode == 0, run.said.read_text()
        assert report["frames"]["extracted"] == len(list((disk / "store" / "aligned").iterdir())) == FRAMES
        assert not list((disk / "usb").iterdir()), "nothing is written beside the disk"
