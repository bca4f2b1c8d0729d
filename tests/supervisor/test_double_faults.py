"""The supervisor against the test double of DeepFaceLab: real processes that fail on command.

Each fault ends with every frame accounted for: innocents extracted, the poison frame named.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
import pytest
from support import DOUBLE, Finished, assert_conserved, contents, dflwrap, small_frames

from dflwrap.faceset.face_file.verify import verify_face

FRAMES = 8
POISON = "00004.png"
ITSELF = "*00004.png"
"""The poison frame in the double's script: under its own name, and under the one it gets when re-encoded."""

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the double's faults are POSIX")


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_frames(tmp_path_factory.mktemp("double") / "frames", FRAMES)


def extract(frames: Path, tmp_path: Path, script: dict[str, Any], *more: str) -> Finished:
    path = tmp_path / "script.json"
    path.write_text(json.dumps(script))
    return dflwrap(
        *("extract", "--input-dir", frames, "--output-dir", tmp_path / "aligned", "--json"),
        *("--dfl-root", DOUBLE, "--dfl-python", sys.executable, "--extractor", "dfl", "--cpu-only"),
        *("--image-size", "256", "--workers", "2", *more),
        env={"DFLWRAP_DOUBLE_SCRIPT": str(path)},
    )


def check(done: Finished, tmp_path: Path, *, poison: set[str]) -> dict[str, Any]:
    """Conservation; every innocent frame extracted; nothing half-written in the faceset."""
    report = done.report
    assert_conserved(report)
    assert {row["frame"] for row in report["quarantined"]} == poison, (report["decisions"], done.stderr)
    assert report["frames"]["extracted"] == FRAMES - len(poison)
    sources = [verify_face(path).source_filename for path in sorted((tmp_path / "aligned").iterdir())]
    assert len(sources) == len(set(sources)) == FRAMES - len(poison)
    assert done.code == (1 if poison else 0), done.stderr
    return report


def test_without_a_fault_all_frames_come_back_in_one_attempt(frames: Path, tmp_path: Path) -> None:
    report = check(extract(frames, tmp_path, {}), tmp_path, poison=set())
    assert len(report["attempts"]) == 1


@pytest.mark.parametrize(
    "fault", ["raise", "segfault", "kill", "abort", "exit", "half_jpeg", "bare_jpeg", "zero_jpeg", "lie"]
)
def test_a_poison_frame_costs_one_frame(frames: Path, tmp_path: Path, fault: str) -> None:
    report = check(extract(frames, tmp_path, {ITSELF: fault}), tmp_path, poison={POISON})
    assert len(report["attempts"]) <= 3, report["decisions"]


@pytest.mark.parametrize("fault", ["raise", "segfault"])
def test_a_frame_that_fails_once_is_extracted(frames: Path, tmp_path: Path, fault: str) -> None:
    check(extract(frames, tmp_path, {POISON: {"fault": fault, "times": 1}}), tmp_path, poison=set())


def test_a_swallowed_landmark_error_is_not_called_no_face(frames: Path, tmp_path: Path) -> None:
    done = extract(frames, tmp_path, {ITSELF: "landmarks"})
    assert_conserved(done.report)
    assert POISON not in done.report["no_face"]


@pytest.mark.parametrize("stage", ["start", "import", "worker_start"])
def test_a_start_that_fails_once_is_tried_again(frames: Path, tmp_path: Path, stage: str) -> None:
    check(extract(frames, tmp_path, {stage: {"fault": "segfault", "times": 1}}), tmp_path, poison=set())


@pytest.mark.parametrize(
    ("stage", "fault"),
    [
        ("start", "done"),
        ("start", "exit"),
        ("start", "segfault"),
        ("start", "tf_import"),
        ("import", "tf_import"),
        ("first_frame", "kill"),
    ],
)
def test_an_extractor_that_never_works_ends_the_run_with_code_3(
    frames: Path, tmp_path: Path, stage: str, fault: str
) -> None:
    done = extract(frames, tmp_path, {stage: fault})
    assert done.code == 3, done.stderr
    assert_conserved(done.report)
    assert done.report["frames"]["not_attempted"] == FRAMES
    assert done.stderr.strip().splitlines()[-1] == done.report["run"]["stop"]["cause"]


@pytest.mark.parametrize("fault", ["flood", "long_line", "nuls", "bad_utf8", "utf16"])
def test_hostile_output_neither_stops_nor_fills_anything(frames: Path, tmp_path: Path, fault: str) -> None:
    script = {POISON: {"fault": fault, "bytes": 60_000_000 if fault == "flood" else 50_000_000}}
    check(extract(frames, tmp_path, script), tmp_path, poison=set())
    assert size_of_logs(tmp_path) < 110_000_000


@pytest.mark.slow
def test_a_gigabyte_of_output_neither_stops_nor_fills_anything(frames: Path, tmp_path: Path) -> None:
    script = {POISON: {"fault": "flood", "bytes": 10**9}}
    check(extract(frames, tmp_path, script), tmp_path, poison=set())
    assert size_of_logs(tmp_path) < 110_000_000


def size_of_logs(tmp_path: Path) -> int:
    logs = list((tmp_path / "aligned_dflwrap" / "attempts").rglob("*.log"))
    assert logs
    return sum(log.stat().st_size for log in logs)


@pytest.mark.parametrize("fault", ["fill_disk", "eat_memory"])
def test_a_frame_that_takes_all_room_once_is_extracted(frames: Path, tmp_path: Path, fault: str) -> None:
    script = {POISON: {"fault": fault, "bytes": 200_000_000, "times": 1}}
    check(extract(frames, tmp_path, script), tmp_path, poison=set())


def test_a_frame_that_always_eats_memory_costs_one_frame(frames: Path, tmp_path: Path) -> None:
    done = extract(frames, tmp_path, {ITSELF: {"fault": "eat_memory", "bytes": 200_000_000}})
    check(done, tmp_path, poison={POISON})


def test_a_disk_that_is_full_for_one_frame_stops_with_the_cause_and_keeps_the_others(
    frames: Path, tmp_path: Path
) -> None:
    """A full disk is never a frame's fault: nothing is quarantined for it."""
    done = extract(frames, tmp_path, {ITSELF: {"fault": "fill_disk", "bytes": 20_000_000}})
    assert_conserved(done.report)
    assert (done.code, done.report["run"]["stop"]["cause"]) == (3, "disk-full"), done.stderr
    assert done.report["frames"]["extracted"] == FRAMES - 1
    assert done.report["frames"]["quarantined"] == 0
    assert {path.suffix for path in (tmp_path / "aligned").iterdir()} == {".jpg"}, "no filler"


def test_black_box_isolates_a_poison_frame_and_delivers_the_innocents(frames: Path, tmp_path: Path) -> None:
    script = {"options": {"no_response": 2}, ITSELF: "segfault"}
    report = check(
        extract(frames, tmp_path, script, "--no-agent", "--workers", "1"), tmp_path, poison={POISON}
    )
    assert len(report["attempts"]) <= 6, report["decisions"]


def test_a_question_is_refused_not_waited_for(frames: Path, tmp_path: Path) -> None:
    began = time.monotonic()
    done = extract(frames, tmp_path, {"finish": "ask"})
    assert_conserved(done.report)
    assert done.report["frames"]["extracted"] == FRAMES
    assert time.monotonic() - began < 120


def test_a_detached_child_does_not_outlive_the_attempt(frames: Path, tmp_path: Path) -> None:
    done = extract(frames, tmp_path, {POISON: {"fault": "detach", "seconds": 600}})
    check(done, tmp_path, poison=set())
    pids = [int(text) for text in (tmp_path / "script.json.detached").read_text().split()]
    assert pids
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_what_is_written_outside_is_never_promoted(frames: Path, tmp_path: Path) -> None:
    done = extract(frames, tmp_path, {POISON: {"fault": "outside", "path": str(tmp_path / "stray.jpg")}})
    check(done, tmp_path, poison=set())


@pytest.mark.parametrize("fault", ["raise", "kill", "landmarks"])
def test_a_frame_prepared_anew_is_extracted_within_the_same_attempt(
    frames: Path, tmp_path: Path, fault: str
) -> None:
    done = extract(frames, tmp_path, {POISON: {"fault": fault, "originals": True}})
    report = check(done, tmp_path, poison=set())
    assert len(report["attempts"]) == 1
    assert any(f"{POISON} failed; re-encoding it" in d["sentence"] for d in report["decisions"]), report


@pytest.mark.parametrize("fault", ["raise", "kill", "segfault"])
def test_a_poison_frame_costs_no_second_attempt(frames: Path, tmp_path: Path, fault: str) -> None:
    report = check(extract(frames, tmp_path, {POISON: fault}), tmp_path, poison={POISON})
    assert len(report["attempts"]) == 1, report["decisions"]


def test_faces_of_a_downscaled_copy_are_where_the_original_has_them(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in range(1, FRAMES + 1):
        size = (3600, 5000, 3) if f"{number:05d}.png" == POISON else (160, 200, 3)
        assert cv2.imwrite(str(folder / f"{number:05d}.png"), np.full(size, 90, np.uint8))
    for side in ("plain", "copied"):
        (tmp_path / side).mkdir()
        script = {POISON: {"fault": "raise", "originals": True}} if side == "copied" else {}
        check(extract(folder, tmp_path / side, script), tmp_path / side, poison=set())
    plain, copied = (verify_face(tmp_path / side / "aligned" / "00004_0.jpg") for side in ("plain", "copied"))
    assert copied.source_rect == pytest.approx(
        plain.source_rect, abs=10
    )  # the double has a margin of 10 pixels
    assert np.allclose(copied.source_landmarks, plain.source_landmarks, atol=10)


def test_a_link_that_leaves_the_input_folder_is_a_frame_and_its_target_is_only_read(
    frames: Path, tmp_path: Path
) -> None:
    linked, elsewhere = tmp_path / "linked", tmp_path / "another disk"
    linked.mkdir()
    elsewhere.mkdir()
    for path in sorted(frames.iterdir()):
        (elsewhere / path.name).write_bytes(path.read_bytes())
        (linked / path.name).symlink_to(elsewhere / path.name)
    before = contents(elsewhere)
    check(extract(linked, tmp_path, {POISON: {"fault": "raise", "originals": True}}), tmp_path, poison=set())
    assert contents(elsewhere) == before
    assert all((linked / name).is_symlink() for name in before)
