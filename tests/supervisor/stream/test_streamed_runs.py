"""Whole runs whose frames come as a stream: real processes, the test double as DeepFaceLab."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from support import DOUBLE, Started, assert_conserved, dflwrap, start_dflwrap, until

LIMIT = 240.0
FRAMES = 600
"""More than a black box gets at once (500), and twice what is made ready ahead."""
posix = pytest.mark.posix


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine of ten must be converted."""
    folder = tmp_path_factory.mktemp("stream") / "frames"
    folder.mkdir()
    picture = np.full((160, 200, 3), 90, np.uint8)
    data = {ending: cv2.imencode(ending, picture)[1].tobytes() for ending in (".webp", ".png")}
    for number in range(1, FRAMES + 1):
        ending = ".webp" if number % 10 else ".png"
        (folder / f"{number:05d}{ending}").write_bytes(data[ending])
    return folder


class Run:
    def __init__(self, tmp_path: Path, frames: Path, faults: dict[str, Any], *more: str) -> None:
        self.tmp_path, self.output = tmp_path, tmp_path / "aligned"
        self.attempts = tmp_path / "aligned_dflwrap" / "attempts"
        script = tmp_path / "script.json"
        script.write_text(json.dumps(faults))
        self.env = {"DFLWRAP_DOUBLE_SCRIPT": str(script)}
        self.arguments = [
            *("extract", "--json", "--cpu-only", "--workers", "2", "--second-look", "off"),
            *("--input-dir", str(frames), "--output-dir", str(self.output), "--extractor", "dfl"),
            *("--dfl-root", str(DOUBLE), "--dfl-python", sys.executable, *more),
        ]

    def start(self) -> Started:
        return start_dflwrap(
            *self.arguments,
            stdout=(self.tmp_path / "out.txt").open("wb"),
            stderr=(self.tmp_path / "err.txt").open("wb"),
            env=self.env,
        )

    def finish(self) -> dict[str, Any]:
        done = dflwrap(*self.arguments, env=self.env)
        assert done.code == 0, done.stderr
        assert_conserved(done.report)
        assert done.report["frames"]["extracted"] == FRAMES
        assert len(self.faces()) == FRAMES, "none is lost, none is there twice"
        return done.report

    def faces(self) -> list[str]:
        return sorted(os.listdir(self.output)) if self.output.is_dir() else []  # noqa: PTH208

    def told(self, attempt: int) -> list[str]:
        """Names that an attempt was given, in the order in which they were ready."""
        folder = self.attempts / f"{attempt:04d}"
        names: list[str] = json.loads((folder / "plan.json").read_text())["frames"]
        control = folder / "control.jsonl"
        for line in control.read_text().splitlines() if control.exists() else ():
            message = json.loads(line)
            names += [name for _, name in message["names"]] if message["type"] == "frames" else []
        return names

    def settled(self) -> set[int]:
        database = sqlite3.connect(self.tmp_path / "aligned_dflwrap" / "run.db")
        try:
            return {frame for (frame,) in database.execute("SELECT id FROM frames WHERE outcome IS NOT NULL")}
        finally:
            database.close()


def converted(names: list[str]) -> set[int]:
    return {int(name[8:15]) for name in names if name.startswith("dflwrap-")}


@posix
def test_the_first_face_is_there_long_before_the_last_conversion_and_ctrl_c_ends_in_order(
    tmp_path: Path, frames: Path
) -> None:
    run = Run(tmp_path, frames, {"options": {"frame_seconds": 0.02}})
    process = run.start()
    try:
        assert until(run.faces, LIMIT)
        ready = run.told(1)
        assert len(ready) < FRAMES / 2, "the others come while it works"
        assert until(lambda: len(run.faces()) > 50, LIMIT)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 4
    finally:
        process.kill()
    report = json.loads((tmp_path / "out.txt").read_text())
    assert_conserved(report)
    assert report["frames"]["quarantined"] == 0 and 50 <= report["frames"]["extracted"] < FRAMES
    folder = run.attempts / "0001"
    assert not (folder / "in").exists(), "copies do not stay"
    settled = run.settled()
    run.finish()
    assert not converted(run.told(2)) & settled, "what was settled is not converted again"


@posix
def test_dflwrap_killed_amid_the_stream_loses_and_doubles_nothing(tmp_path: Path, frames: Path) -> None:
    run = Run(tmp_path, frames, {"options": {"frame_seconds": 0.01}})
    process = run.start()
    try:
        assert until(lambda: len(run.faces()) > 50, LIMIT)
    finally:
        process.kill()
        process.wait(60)
    settled = run.settled()
    assert settled
    run.finish()
    assert not converted(run.told(2)) & settled


@posix
def test_frames_that_were_told_and_not_taken_come_back_when_the_extractor_crashes(
    tmp_path: Path, frames: Path
) -> None:
    run = Run(tmp_path, frames, {"host:00100.png": {"fault": "segfault", "times": 1}})
    report = run.finish()
    broken, *healthy = report["attempts"]  # the policy may begin with care again: one or more
    assert broken["cause"] and healthy and not any(attempt["cause"] for attempt in healthy)
    first = run.told(1)
    later = [name for attempt in healthy for name in run.told(attempt["number"])]
    assert len(first) < FRAMES, "it died amid the stream"
    assert set(first) & set(later) and len(set(later)) == len(later)


def test_an_extractor_that_cannot_be_told_starts_again_with_its_batch_whole(
    tmp_path: Path, frames: Path
) -> None:
    fork = tmp_path / "fork"
    shutil.copytree(DOUBLE, fork)
    extractor = fork / "mainscripts" / "Extractor.py"
    source = extractor.read_text(encoding="utf-8")
    extractor.write_text(source.replace("def process_data(self, data)", "def process_data(self, data, x=1)"))
    run = Run(tmp_path, frames, {}, "--dfl-root", str(fork))
    report = run.finish()
    given = [len(run.told(number)) for number in range(2, len(report["attempts"]) + 1)]
    assert given == [500, FRAMES - 500], "no more at once where frames must be converted first"
    assert [attempt["cause"] for attempt in report["attempts"]] == [None] * len(report["attempts"])


OBSERVED = """
import json
from dflwrap.supervisor.attempt.runner import AttemptRunner
end = AttemptRunner._end
def seen(self, running, result, judged):
    feed, checker = running.feed, running.checker
    kept = [running.batch.frames, running.batch.linked, feed._told, feed._taken, feed._there, checker._asked]
    with open({seen!r}, "a") as file:
        print(json.dumps([running.batch.given, *map(len, kept)]), file=file)
    return end(self, running, result, judged)
AttemptRunner._end = seen
"""


def test_nothing_is_kept_of_frames_that_are_settled(tmp_path: Path, frames: Path) -> None:
    """A hundred thousand of them would take a hundred megabytes; only those that failed are still asked about."""
    run = Run(tmp_path, frames, {"*00500.png": {"fault": "raise"}})
    seen = tmp_path / "seen.jsonl"
    dflwrap(*run.arguments, env=run.env, limits=OBSERVED.format(seen=str(seen)), timeout=LIMIT)
    given, *kept = json.loads(seen.read_text().splitlines()[0])
    assert given == FRAMES
    assert all(count <= 1 for count in kept), kept
    assert len(run.faces()) == FRAMES - 1
