"""The built-in extractor as a command: real processes, every frame reported, nothing left behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest
from support import all_gone

from dflwrap.common.events import EVENTS_ENV, Event, EventKind, parse_event
from dflwrap.extractors.builtin.settings import FrameDone, WorkerSettings
from dflwrap.extractors.builtin.worker import FrameHandler
from dflwrap.faceset.face_file.verify import verify_face
from dflwrap.samples import make_frames

COMMAND = [sys.executable, "-m", "dflwrap.extractors.builtin", "extract"]
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


class Run:
    """One extraction under test."""

    def __init__(self, frames: Path, scratch: Path, *flags: str) -> None:
        self.output = scratch / "faces"
        self.events_path = scratch / "events.jsonl"
        self.process = subprocess.Popen(
            [
                *COMMAND,
                "--input-dir",
                str(frames),
                "--output-dir",
                str(self.output),
                "--threads",
                "1",
                *flags,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            start_new_session=True,
            env={**os.environ, EVENTS_ENV: str(self.events_path)},
        )
        self.out = ""
        self.err = ""

    def wait(self, timeout: float = 400) -> int:
        self.out, self.err = self.process.communicate(timeout=timeout)
        return self.process.returncode

    def events(self, kind: EventKind) -> list[Event]:
        if not self.events_path.exists():
            return []
        lines = self.events_path.read_bytes().split(b"\n")
        return [event for line in lines if (event := parse_event(line)) is not None and event.kind is kind]

    def wait_for(self, condition: Callable[[], object], timeout: float = 400) -> None:
        deadline = time.monotonic() + timeout
        while not condition():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < deadline, "it never came"
            time.sleep(0.005)


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    for process in psutil.process_iter(["cmdline"]):
        assert str(tmp_path) not in " ".join(process.info["cmdline"] or []), "a process is left behind"


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clip")
    make_frames(folder, frames=12, size=(640, 360))
    return folder


@pytest.fixture(scope="module")
def slow_frame(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A frame that takes about half a second, so that a worker can be caught at it."""
    path = tmp_path_factory.mktemp("slow") / "slow.png"
    noise = np.random.default_rng(0).integers(0, 255, (2000, 3000, 3), dtype=np.uint8)
    cv2.imwrite(str(path), noise, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    return path


def test_an_ugly_folder_ends_with_every_frame_reported_and_every_face_whole(
    tmp_path: Path, scratch: Path
) -> None:
    frames = tmp_path / "frames"
    manifest = make_frames(frames, frames=6, size=(640, 360), ugly=True)
    before = {path: path.read_bytes() for path in frames.rglob("*") if path.is_file()}
    run = Run(
        frames, scratch, "--workers", "2", "--output-debug", "--face-type", "full_face", "--image-size", "256"
    )
    assert run.wait() == 0, run.err

    done = {event.frame: event for event in run.events(EventKind.FRAME_DONE)}
    failed = {event.frame: event for event in run.events(EventKind.FRAME_FAILED)}
    listed = {name for name in (*manifest.frames, *manifest.ugly) if "/" not in name}
    assert set(done) | set(failed) == listed - {"twin.png"}
    assert not set(done) & set(failed)
    assert set(failed) == {
        "truncated.jpg",
        "zero_bytes.jpg",
        "text.png",
        "folder_named.jpg",
        "broken_link.jpg",
    }
    assert {event.data["kind"] for event in failed.values()} == {"unreadable"}
    assert "Duplicate filenames are not allowed, skipping: twin.png" in run.out
    assert {name for name, event in done.items() if not event.data["looked"]} == {
        "small_100x100.png",
        "tiny_1x1.png",
    }
    assert {name for name, event in done.items() if not event.data["faces"]} == {
        "small_100x100.png",
        "tiny_1x1.png",
        "black.png",
    }

    written = sorted(path.name for path in run.output.iterdir())
    assert written == sorted(name for event in done.values() for name in event.data["faces"])
    for event in done.values():
        for index, name in enumerate(event.data["faces"]):
            metadata = verify_face(run.output / name, 256)
            assert name == f"{Path(event.frame or '').stem}_{index}.jpg"
            assert (metadata.face_type, metadata.source_filename) == ("full_face", event.frame)
    debug = {path.name for path in (scratch / "faces_debug").iterdir()}
    assert debug == {f"{Path(name or '').stem}.jpg" for name in done}

    faces = len(written)
    for line in (f"Images found:        {len(listed) - 1}", f"Faces detected:      {faces}", "Done."):
        assert line in run.out.splitlines()
    finished = run.events(EventKind.FINISHED)[-1].data
    assert finished == {"done": len(done), "failed": len(failed), "total": len(listed) - 1}
    assert before == {path: path.read_bytes() for path in frames.rglob("*") if path.is_file()}


def test_two_worker_processes_write_what_one_handler_writes(clip: Path, scratch: Path) -> None:
    run = Run(clip, scratch, "--workers", "2")
    (scratch / "alone").mkdir()
    handler = FrameHandler(
        WorkerSettings(str(clip), str(scratch / "alone"), None, "whole_face", 512, 90, 0, threads=1)
    )
    for frame in sorted(path.name for path in clip.iterdir()):
        assert isinstance(handler.handle(frame), FrameDone)
    assert run.wait() == 0, run.err
    faces, alone = (
        {path.name: path.read_bytes() for path in folder.iterdir()}
        for folder in (run.output, scratch / "alone")
    )
    assert faces == alone
    assert len(faces) == 16  # 12 frames, two people in the last third


@posix_only
def test_a_killed_worker_costs_no_frame(tmp_path: Path, scratch: Path, slow_frame: Path) -> None:
    frames = tmp_path / "frames"
    make_frames(frames, frames=4, size=(640, 360))
    shutil.copy(slow_frame, frames / "00002b.png")
    run = Run(frames, scratch)
    run.wait_for(lambda: [e for e in run.events(EventKind.FRAME_STARTED) if e.frame == "00002b.png"])
    pid = run.events(EventKind.WORKER_STARTED)[0].data["pid"]
    os.kill(pid, signal.SIGKILL)
    run.wait_for(lambda: run.events(EventKind.WORKER_LOST), timeout=60)
    assert run.wait() == 0, run.err
    (lost,) = run.events(EventKind.WORKER_LOST)
    assert (lost.frame, lost.data["pid"], lost.data["exit_status"]) == ("00002b.png", pid, -9)
    assert len(run.events(EventKind.WORKER_REPLACED)) == 1
    assert len(run.events(EventKind.FRAME_DONE)) == 5
    assert not run.events(EventKind.FRAME_FAILED)
    assert not list(run.output.glob(".part-*"))


@posix_only
def test_a_frame_that_kills_its_worker_twice_is_the_only_one_lost(
    tmp_path: Path, scratch: Path, slow_frame: Path
) -> None:
    frames = tmp_path / "frames"
    make_frames(frames, frames=4, size=(640, 360))
    shutil.copy(slow_frame, frames / "00002b.png")
    run = Run(frames, scratch, "--workers", "2")
    for times in (1, 2):
        run.wait_for(
            lambda n=times: sum(e.frame == "00002b.png" for e in run.events(EventKind.FRAME_STARTED)) == n
        )
        started = [e for e in run.events(EventKind.FRAME_STARTED) if e.frame == "00002b.png"][-1]
        births = run.events(EventKind.WORKER_STARTED) + run.events(EventKind.WORKER_REPLACED)
        os.kill([e for e in births if e.worker == started.worker][-1].data["pid"], signal.SIGKILL)
    assert run.wait() == 0, run.err
    (failed,) = run.events(EventKind.FRAME_FAILED)
    assert (failed.frame, failed.data["kind"]) == ("00002b.png", "worker_lost")
    assert {e.frame for e in run.events(EventKind.FRAME_DONE)} == {f"{i:05d}.jpg" for i in range(1, 5)}
    assert len(run.events(EventKind.WORKER_LOST)) == 2
    # The second try was alone: no other frame was begun in it, or still in work at its start.
    kinds = (EventKind.FRAME_STARTED, EventKind.FRAME_DONE, EventKind.WORKER_LOST)
    story = [
        e
        for line in run.events_path.read_bytes().splitlines()
        if (e := parse_event(line)) and e.kind in kinds
    ]
    begin = [i for i, e in enumerate(story) if e.kind is kinds[0] and e.frame == "00002b.png"][1]
    assert story[begin + 1].kind is EventKind.WORKER_LOST
    assert sum(e.kind is kinds[0] for e in story[:begin]) == sum(e.kind in kinds[1:] for e in story[:begin])


@posix_only
def test_a_stop_signal_to_the_group_lets_the_frame_in_work_be_finished(
    tmp_path: Path, scratch: Path, slow_frame: Path
) -> None:
    frames = tmp_path / "frames"
    frames.mkdir()
    for index in range(4):
        shutil.copy(slow_frame, frames / f"{index}.png")
    run = Run(frames, scratch)
    run.wait_for(lambda: run.events(EventKind.FRAME_STARTED))
    began = time.monotonic()
    os.killpg(run.process.pid, signal.SIGTERM)
    assert run.wait() == 0, run.err
    assert time.monotonic() - began < 60
    assert [e.frame for e in run.events(EventKind.FRAME_STARTED)] == ["0.png"]
    assert [e.frame for e in run.events(EventKind.FRAME_DONE)] == ["0.png"]
    assert run.events(EventKind.FINISHED)[-1].data == {"done": 1, "failed": 0, "total": 4}
    assert "Stopped." in run.out


@posix_only
def test_workers_do_not_outlive_a_killed_host(clip: Path, scratch: Path) -> None:
    run = Run(clip, scratch, "--workers", "2")
    run.wait_for(lambda: len(run.events(EventKind.WORKER_STARTED)) == 2)
    pids = [event.data["pid"] for event in run.events(EventKind.WORKER_STARTED)]
    run.process.kill()
    run.wait()
    assert all_gone([psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)], 5)


def test_nothing_is_written_into_a_folder_that_holds_something(clip: Path, scratch: Path) -> None:
    (scratch / "faces").mkdir()
    (scratch / "faces" / "mine.jpg").write_bytes(b"x")
    run = Run(clip, scratch)
    assert run.wait() == 2
    assert "is not empty" in run.err
    assert "Traceback" not in run.err
    assert [path.name for path in run.output.iterdir()] == ["mine.jpg"]


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--input-dir", "nowhere"], "Input directory not found"),
        (["--detector", "manual"], "no manual mode"),
        (["--jpeg-quality", "101"], "between 1 and 100"),
        (["--face-type", "nose"], "invalid choice"),
    ],
)
def test_bad_usage_is_one_clear_sentence(clip: Path, scratch: Path, flags: list[str], sentence: str) -> None:
    run = Run(clip, scratch, *flags)
    assert run.wait() == 2
    assert sentence in run.err
    assert "Traceback" not in run.err


def test_an_empty_folder_is_zero_images_and_no_worker(tmp_path: Path, scratch: Path) -> None:
    (tmp_path / "empty").mkdir()
    run = Run(tmp_path / "empty", scratch, "--cpu-only", "--force-gpu-idxs", "0")
    assert run.wait() == 0
    assert "Images found:        0" in run.out
    assert not run.events(EventKind.WORKER_STARTED)


def test_a_gpu_that_is_asked_for_is_honestly_declined(tmp_path: Path, scratch: Path) -> None:
    (tmp_path / "empty").mkdir()
    run = Run(tmp_path / "empty", scratch, "--force-gpu-idxs", "0,1")
    assert run.wait() == 0
    assert "run on the CPU" in run.out


def test_help_loads_neither_tensorflow_nor_opencv() -> None:
    code = (
        "import sys; from dflwrap.extractors.builtin.cli import main\n"
        "try: main(['extract', '--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'tensorflow', 'cv2', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "--max-faces-from-image" in done.stdout
