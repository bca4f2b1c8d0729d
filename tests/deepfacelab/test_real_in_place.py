"""Frames read in place by a real DeepFaceLab, on a disk without links. (test_real_dfl.py says what it needs.)"""

from __future__ import annotations

import json
from pathlib import Path

import cv2
from no_links import NO_COPIES, NO_LINKS
from support import Finished, assert_conserved, contents, dflwrap

from .test_real_dfl import PYTHON, ROOT, frame, pixels, pytestmark  # noqa: F401 - the marks are this file's too


def extract(frames: Path, output: Path, limits: str) -> Finished:
    return dflwrap(
        *("extract", "--input-dir", frames, "--output-dir", output, "--json", "--output-debug"),
        *("--extractor", "dfl", "--dfl-root", str(ROOT), "--dfl-python", str(PYTHON)),
        *("--cpu-only", "--image-size", "256", "--workers", "1", "--second-look", "off"),
        limits=limits,
    )


def test_nothing_is_copied_or_touched_and_the_faces_are_those_of_linked_frames(tmp_path: Path) -> None:
    frames = tmp_path / "Größe and spaces"
    frames.mkdir()
    for number, faces in enumerate([1, 0, 2, 1, 1, 0], start=1):
        ending = "jpg" if number % 2 else "png"
        quality = [cv2.IMWRITE_JPEG_QUALITY, 100, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x111111]
        parameters = quality if ending == "jpg" else []
        assert cv2.imwrite(str(frames / f"{number:05d}.{ending}"), frame(number, faces), parameters)
    before = {
        path.name: (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino)
        for path in frames.iterdir()
    }
    linked = extract(frames, tmp_path / "linked", "")
    done = extract(frames, tmp_path / "aligned", NO_LINKS + NO_COPIES)
    assert linked.code == done.code == 0, done.stderr
    assert_conserved(done.report)
    assert done.report["frames"] == linked.report["frames"]
    assert done.report["frames"]["extracted"] >= 3 and len(done.report["attempts"]) == 1
    assert pixels(tmp_path / "aligned") == pixels(tmp_path / "linked")
    assert contents(tmp_path / "aligned_debug").keys() == contents(tmp_path / "linked_debug").keys()
    control = tmp_path / "aligned_dflwrap" / "attempts" / "0001" / "control.jsonl"
    told = [json.loads(line) for line in control.read_text().splitlines()]
    in_place = {name for one in told if one.get("folder") == str(frames) for _, name in one["names"]}
    assert in_place == before.keys()
    after = {
        path.name: (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino)
        for path in frames.iterdir()
    }
    assert after == before
