"""A face that would run code in DeepFaceLab is named from the start to the report, and never adopted."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from support import DOUBLE, Finished, assert_conserved, contents, dflwrap, small_frames, start_dflwrap, until

from dflwrap.faceset.face_file.metadata import FaceMetadata, write_metadata
from dflwrap.faceset.face_file.verify import verify_face

FRAMES = 4
SIZE = 256


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def whole(source: str) -> bytes:
    points = tuple((float(i), float(i)) for i in range(68))
    metadata = FaceMetadata("whole_face", points, source, (0, 0, 9, 9), points, ((1.0, 0, 0), (0, 1.0, 0)))
    image = np.random.default_rng(1).integers(0, 255, (SIZE, SIZE, 3), dtype=np.uint8)
    return write_metadata(cv2.imencode(".jpg", image)[1].tobytes(), metadata)


def app15(root: Path) -> bytes:
    payload = pickle.dumps({"face_type": Evil(root / "ran")}, protocol=2)
    return b"\xff\xef" + (len(payload) + 2).to_bytes(2, "big") + payload


def in_its_metadata(root: Path) -> bytes:
    return whole("00002.png")[:2] + app15(root) + whole("00002.png")[2:]


def behind_its_end(root: Path) -> bytes:
    return whole("00002.png") + app15(root)


WAYS = pytest.mark.parametrize("hostile", [in_its_metadata, behind_its_end])
Way = Callable[[Path], bytes]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    small_frames(tmp_path / "frames", FRAMES)
    (tmp_path / "aligned").mkdir()
    return tmp_path


def command(root: Path) -> tuple[str | Path, ...]:
    return (
        *("extract", "--input-dir", root / "frames", "--output-dir", root / "aligned", "--cpu-only"),
        *("--dfl-root", DOUBLE, "--dfl-python", sys.executable, "--extractor", "dfl"),
        *("--image-size", str(SIZE), "--workers", "1", "--second-look", "off"),
    )


def extract(root: Path) -> Finished:
    return dflwrap(*command(root))


def check(root: Path, done: Finished, **hostile: str | None) -> None:
    """All frames extracted from what is harmless; exactly these faces are hostile; nothing ran."""
    report = json.loads((root / "aligned_dflwrap" / "report.json").read_bytes())
    assert done.code == 0, done.stderr
    assert_conserved(report)
    assert report["frames"]["extracted"] == FRAMES
    rows = {row["face"]: row["set_aside"] for row in report["hostile_faces"]}
    assert rows == hostile
    assert all(row["problem"] for row in report["hostile_faces"])
    assert not (root / "ran").exists()
    present = {path.name for path in (root / "aligned").iterdir()}
    for path in (root / "aligned").iterdir():
        if path.name not in rows:
            verify_face(path, SIZE)
    assert {name for name, kept in rows.items() if kept is None} <= present


@WAYS
def test_one_that_would_be_adopted_is_set_aside_and_its_frame_extracted(root: Path, hostile: Way) -> None:
    assert extract(root).code == 0
    shutil.rmtree(root / "aligned_dflwrap")  # as stock DeepFaceLab leaves it
    faces = contents(root / "aligned")
    (root / "aligned" / "00002_1.jpg").write_bytes(hostile(root))
    done = extract(root)
    check(root, done, **{"00002_1.jpg": "set_aside/00002_1.jpg"})
    assert (root / "aligned_dflwrap" / "set_aside" / "00002_1.jpg").read_bytes() == hostile(root)
    start, _, end = done.stdout.partition("frames  ")
    assert "00002_1.jpg: hostile: " in start and "00002_1.jpg: hostile: " in end
    assert "set aside as set_aside/00002_1.jpg" in end
    after = contents(root / "aligned")
    assert after.keys() == faces.keys()
    assert after["00001_0.jpg"] == faces["00001_0.jpg"], "adopted"


@WAYS
def test_a_stranger_stays_and_is_named_each_time(root: Path, hostile: Way) -> None:
    (root / "aligned" / "holiday.jpg").write_bytes(hostile(root))
    (root / "aligned" / "00777_0.jpeg").write_bytes(hostile(root))
    for _ in range(2):
        done = extract(root)
        check(root, done, **{"holiday.jpg": None, "00777_0.jpeg": None})
        start, _, end = done.stdout.partition("frames  ")
        for part in (start, end):
            assert "holiday.jpg: hostile: " in part
            assert "do not open this faceset with DeepFaceLab" in part
    (root / "aligned" / "holiday.jpg").unlink()
    (root / "aligned" / "00777_0.jpeg").unlink()
    check(root, extract(root))


@WAYS
def test_one_in_the_place_of_a_recorded_face_is_not_believed(root: Path, hostile: Way) -> None:
    assert extract(root).code == 0
    before = contents(root / "aligned")
    (root / "aligned" / "00002_0.jpg").write_bytes(hostile(root))
    check(root, extract(root), **{"00002_0.jpg": "set_aside/00002_0.jpg"})
    after = contents(root / "aligned")
    assert after.keys() == before.keys() and after["00002_0.jpg"] != hostile(root)
    check(root, extract(root), **{"00002_0.jpg": "set_aside/00002_0.jpg"})


def test_one_that_comes_during_the_run_is_named_at_its_end(root: Path) -> None:
    script = root / "script.json"
    script.write_text(json.dumps({"options": {"frame_seconds": 0.5}}))
    running = start_dflwrap(
        *command(root),
        env={"DFLWRAP_DOUBLE_SCRIPT": str(script)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert until(lambda: list((root / "aligned").glob("*.jpg")) or running.poll() is not None, 120)
        (root / "aligned" / "late.jpg").write_bytes(in_its_metadata(root))
        stdout = running.communicate(timeout=120)[0].decode()
    finally:
        running.kill()
        running.wait()
    check(root, Finished(running.wait(60), stdout, ""), **{"late.jpg": None})
    assert "late.jpg: hostile: " in stdout.partition("frames  ")[2]


def test_many_are_a_number_not_a_flood(root: Path) -> None:
    for number in range(40):
        (root / "aligned" / f"x{number:02}.jpg").write_bytes(in_its_metadata(root))
    done = extract(root)
    check(root, done, **{f"x{number:02}.jpg": None for number in range(40)})
    assert done.stdout.count(": hostile: ") == 20
    assert "and 30 more hostile faces" in done.stdout
