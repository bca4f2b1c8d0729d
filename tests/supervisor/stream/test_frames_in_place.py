"""Where the file system has no links, the extractor reads frames where they lie: nothing is copied, nothing touched."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from disks import small_disk
from no_links import NO_COPIES, NO_LINKS
from support import (
    DOUBLE,
    Finished,
    assert_conserved,
    contents,
    dflwrap,
    small_frames,
    start_dflwrap,
    until,
)

from dflwrap.extractors.control_file import NO_FRAME
from dflwrap.faceset.face_file.verify import verify_face

DFL = ("--extractor", "dfl", "--dfl-root", DOUBLE, "--dfl-python", sys.executable)
BUILTIN = ("--extractor", "builtin")
OFF = ("--second-look", "off")


def extract(
    tmp_path: Path,
    frames: Path,
    *more: str | Path,
    faults: dict[str, Any] | None = None,
    limits: str = NO_LINKS + NO_COPIES,
    output: Path | None = None,
) -> Finished:
    script = tmp_path / "script.json"
    script.write_text(json.dumps(faults or {}))
    return dflwrap(
        *("extract", "--input-dir", frames, "--output-dir", output or tmp_path / "aligned", "--json"),
        *("--cpu-only", "--image-size", "256", "--workers", "1", *more),
        env={"DFLWRAP_DOUBLE_SCRIPT": str(script)},
        limits=limits,
    )


def state(folder: Path) -> dict[str, Any]:
    """All that a run may not change."""
    stats = {path.name: path.stat() for path in folder.iterdir()}
    times = {name: (info.st_mtime_ns, info.st_ino, info.st_mode) for name, info in stats.items()}
    return {"contents": contents(folder), "times": times}


def told(tmp_path: Path, attempt: int = 1) -> list[dict[str, Any]]:
    """The messages with frames of an attempt."""
    lines = (tmp_path / "aligned_dflwrap" / "attempts" / f"{attempt:04d}" / "control.jsonl").read_text()
    messages = [json.loads(line) for line in lines.splitlines()]
    return [message for message in messages if message["type"] == "frames"]


@pytest.mark.parametrize("who", [DFL, BUILTIN], ids=["agent", "built-in"])
def test_nothing_is_copied_and_the_faces_are_those_of_linked_frames(
    tmp_path: Path, clean_frames: Path, who: tuple[str | Path, ...]
) -> None:
    frames = tmp_path / "Größe and spaces"
    shutil.copytree(clean_frames, frames)
    before = state(frames)
    linked = extract(tmp_path, frames, *who, "--output-debug", limits="", output=tmp_path / "linked")
    done = extract(tmp_path, frames, *who, "--output-debug")
    assert linked.code == done.code == 0, done.stderr
    assert_conserved(done.report)
    assert done.report["frames"] == linked.report["frames"] and done.report["frames"]["extracted"] == 12
    assert len(done.report["attempts"]) == 1
    assert contents(tmp_path / "aligned") == contents(tmp_path / "linked")
    assert contents(tmp_path / "aligned_debug") == contents(tmp_path / "linked_debug")
    sources = {verify_face(path, 256).source_filename for path in (tmp_path / "aligned").iterdir()}
    assert sources == before["contents"].keys()
    assert {message["folder"] for message in told(tmp_path)} == {str(frames)}
    assert state(frames) == before


@pytest.mark.parametrize("who", [DFL, BUILTIN], ids=["agent", "built-in"])
def test_what_must_be_converted_or_named_anew_is_copied_beside_those_read_in_place(
    tmp_path: Path, clean_frames: Path, who: tuple[str | Path, ...]
) -> None:
    frames = tmp_path / "frames"
    shutil.copytree(clean_frames, frames)
    (frames / "00003.jpg").rename(frames / "Größe.jpg")
    image = cv2.imread(str(frames / "00005.jpg"))
    (frames / "00005.jpg").unlink()
    cv2.imwrite(str(frames / "00005.webp"), image, [cv2.IMWRITE_WEBP_QUALITY, 95])
    before = state(frames)
    done = extract(tmp_path, frames, *who, limits=NO_LINKS)
    assert done.code == 0, done.stderr
    assert_conserved(done.report)
    assert done.report["frames"]["extracted"] == 12
    in_place = {name for one in told(tmp_path) if "folder" in one for _, name in one["names"]}
    assert in_place == before["contents"].keys() - {"Größe.jpg", "00005.webp"}
    assert not (tmp_path / "aligned_dflwrap" / "attempts" / "0001" / "in").exists()
    assert state(frames) == before


def test_a_frame_that_kills_its_workers_costs_itself_and_stays_as_it_is(tmp_path: Path) -> None:
    """It is re-encoded for its retry, and the retry in an attempt of its own needs a copy: neither is the frame."""
    frames = small_frames(tmp_path / "frames", 9)
    before = state(frames)
    done = extract(tmp_path, frames, *DFL, *OFF, faults={"*00004.*": "segfault"}, limits=NO_LINKS)
    assert done.code == 1, done.stderr
    assert_conserved(done.report)
    assert done.report["frames"]["extracted"] == 8
    assert [row["frame"] for row in done.report["quarantined"]] == ["00004.png"]
    assert state(frames) == before


def test_an_error_and_a_dead_worker_are_tried_again_in_place(tmp_path: Path) -> None:
    frames = small_frames(tmp_path / "frames", 8)
    before = state(frames)
    faults = {
        "00003.png": {"fault": "segfault", "times": 1},
        "00006.png": {"fault": "raise", "times": 1},
    }
    done = extract(tmp_path, frames, *DFL, *OFF, faults=faults)
    assert done.code == 0, done.stderr
    assert done.report["frames"]["extracted"] == 8
    assert state(frames) == before


@pytest.mark.parametrize(
    ("fault", "code", "kind"), [("outside", 1, "quarantined"), ("remove", 0, "not_attempted")]
)
def test_a_frame_that_changes_while_the_run_works_fares_as_behind_a_link(
    tmp_path: Path, fault: str, code: int, kind: str
) -> None:
    """A worker overwrites or removes it: long after it was looked at, before it is read."""
    fates = []
    for number, limits in enumerate(("", NO_LINKS + NO_COPIES)):
        frames = small_frames(tmp_path / f"frames {number}", 8)
        # By whichever comes first: frames are told of in the order in which they are ready.
        first = {"fault": fault, "path": str(frames / "00008.png"), "times": 1}
        faults = {"0000[1-7].png": first}
        shutil.rmtree(tmp_path / "script.json.fired", ignore_errors=True)
        output = tmp_path / f"aligned {number}"
        done = extract(tmp_path, frames, *DFL, *OFF, faults=faults, limits=limits, output=output)
        assert done.code == code, done.stderr
        assert_conserved(done.report)
        assert done.report["frames"]["extracted"] == 7, done.stderr
        (row,) = done.report[kind]
        assert row["frame"] == "00008.png"
        fates.append((row["cause"], sorted(contents(output))))
    assert fates[0] == fates[1]


@pytest.mark.posix
def test_a_run_that_was_killed_amid_them_goes_on_and_has_touched_none(tmp_path: Path) -> None:
    """What a new start clears away of the attempt are no frames."""
    frames, output = small_frames(tmp_path / "frames", 60), tmp_path / "aligned"
    before = state(frames)
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"options": {"frame_seconds": 0.05}}))
    words = ("--input-dir", frames, "--output-dir", output, "--cpu-only", "--image-size", "256", *DFL, *OFF)
    code = NO_LINKS + NO_COPIES + "from dflwrap.cli.start import run\nrun()"
    killed = start_dflwrap(
        *("extract", *words),
        program=code,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={"DFLWRAP_DOUBLE_SCRIPT": str(script)},
    )
    try:
        assert until(lambda: output.is_dir() and len(list(output.glob("*.jpg"))) > 5, 240)
    finally:
        killed.kill()
        killed.wait()
    assert [path.name for path in (tmp_path / "aligned_dflwrap/attempts/0001/in").iterdir()] == [NO_FRAME]
    done = extract(tmp_path, frames, *DFL, *OFF)
    assert done.code == 0, done.stderr
    assert_conserved(done.report)
    assert done.report["frames"]["extracted"] == 60
    assert not (tmp_path / "aligned_dflwrap/attempts/0001/in").exists()
    assert state(frames) == before


def test_a_black_box_gets_copies_and_says_so_once(tmp_path: Path) -> None:
    frames = small_frames(tmp_path / "frames", 8)
    before = state(frames)
    faults = {"*00004.*": "segfault", "options": {"no_response": 3}}
    done = extract(tmp_path, frames, *DFL, *OFF, "--no-agent", faults=faults, limits=NO_LINKS)
    assert done.code == 1, done.stderr
    assert_conserved(done.report)
    assert done.report["frames"]["extracted"] == 7
    assert len(done.report["attempts"]) > 2
    assert done.stderr.count("frames are copied into the run folder") == 1
    assert state(frames) == before


def test_a_fork_that_cannot_be_hooked_gets_copies_after_its_first_start(tmp_path: Path) -> None:
    """It was started with nothing but a stand-in to list: that is no frame, and costs none."""
    frames, fork = small_frames(tmp_path / "frames", 6), tmp_path / "fork"
    shutil.copytree(DOUBLE, fork)
    extractor = fork / "mainscripts" / "Extractor.py"
    source = extractor.read_text(encoding="utf-8")
    extractor.write_text(source.replace("def process_data(self, data)", "def process_data(self, data, x=1)"))
    who = ("--extractor", "dfl", "--dfl-root", fork, "--dfl-python", sys.executable)
    done = extract(tmp_path, frames, *who, *OFF, limits=NO_LINKS)
    assert done.code == 0, done.stderr
    assert_conserved(done.report)
    assert done.report["frames"]["extracted"] == 6
    assert len(os.listdir(tmp_path / "aligned")) == 6  # noqa: PTH208
    assert "black-box mode" in done.stderr and done.stderr.count("frames are copied into the run folder") == 1


def test_frames_read_in_place_need_no_room_on_the_disk_of_the_faces(tmp_path: Path) -> None:
    """12 MB of frames beside a disk of 8 MB: one attempt, which is not made smaller."""
    frames = tmp_path / "frames"
    frames.mkdir()
    noise = np.random.default_rng(3)
    for number in range(1, 13):
        picture = noise.integers(0, 255, (580, 580, 3), dtype=np.uint8)
        assert cv2.imwrite(str(frames / f"{number:05d}.png"), picture)
    assert sum(path.stat().st_size for path in frames.iterdir()) > 11 << 20
    with small_disk(tmp_path / "disk", "8m") as disk:
        done = extract(tmp_path, frames, *DFL, *OFF, output=disk / "aligned")
        assert done.code == 0, done.stderr
        assert done.report["frames"]["extracted"] == 12
        assert len(done.report["attempts"]) == 1
        assert "room for copies" not in done.stderr
