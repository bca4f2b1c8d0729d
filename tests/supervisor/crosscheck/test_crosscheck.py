"""Failures that say nothing: an extractor that reports frames without a face is cross-checked by a second extractor."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from support import DOUBLE, Finished, assert_conserved, dflwrap

from dflwrap.samples.generator import make_frames

BLIND = {"options": {"default_faces": 0, "frame_seconds": 0.05}}


@pytest.fixture(scope="module")
def talking_head(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("doubt") / "frames"
    make_frames(folder, 24, (640, 360), 0, False)
    return folder


def extract(source: Path, tmp_path: Path, *more: str) -> Finished:
    script = tmp_path / "script.json"
    script.write_text(json.dumps(BLIND))
    return dflwrap(
        *("extract", "--input-dir", source, "--output-dir", tmp_path / "aligned", "--json", "--cpu-only"),
        *(
            "--dfl-root",
            DOUBLE,
            "--dfl-python",
            sys.executable,
            "--image-size",
            "256",
            "--workers",
            "1",
            *more,
        ),
        env={"DFLWRAP_DOUBLE_SCRIPT": str(script)},
    )


def test_a_blind_extractor_stops_the_run_and_its_empty_frames_are_not_believed(
    talking_head: Path, tmp_path: Path
) -> None:
    done = extract(talking_head, tmp_path)
    assert done.code == 3, done.stderr
    assert_conserved(done.report)
    assert done.report["frames"]["no_face"] == 0
    assert done.report["frames"]["not_attempted"] == 24
    assert "found no face in" in done.report["run"]["stop"]["sentence"]


def test_the_built_in_extractor_finishes_where_that_is_allowed(talking_head: Path, tmp_path: Path) -> None:
    done = extract(talking_head, tmp_path, "--on-gpu-failure", "builtin")
    assert done.code == 0, done.stderr
    assert_conserved(done.report)
    assert done.report["frames"]["extracted"] == 24
    assert [attempt["extractor"] for attempt in done.report["attempts"]] == ["deepfacelab", "builtin"]
    names = sorted(path.name for path in talking_head.iterdir())
    assert done.report["extracted_by"] == {"builtin": names}


def test_frames_that_really_are_empty_stay_no_face(tmp_path: Path) -> None:
    source = tmp_path / "frames"
    source.mkdir()
    for number in range(24):
        cv2.imwrite(str(source / f"{number:03d}.png"), np.full((180, 320, 3), number, np.uint8))
    done = extract(source, tmp_path)
    assert done.code == 0, done.stderr
    assert done.report["frames"]["no_face"] == 24
    assert "no disagreement" in done.stderr


@pytest.mark.parametrize(("mode", "extracted"), [("sample", 0), ("all", 6)])
def test_the_second_look_reports_and_extracts_when_asked(
    talking_head: Path, tmp_path: Path, mode: str, extracted: int
) -> None:
    source = tmp_path / "frames"
    source.mkdir()
    for path in sorted(talking_head.iterdir())[:6]:
        (source / path.name).write_bytes(path.read_bytes())
    done = extract(source, tmp_path, "--second-look", mode)
    assert done.code == 0, done.stderr
    assert_conserved(done.report)
    assert done.report["second_look"]["looked"] == len(done.report["second_look"]["found"]) == 6
    assert done.report["frames"]["extracted"] == extracted
    assert done.report["frames"]["no_face"] == 6 - extracted


def test_a_finished_run_gets_the_second_look_that_is_asked_for_afterwards_once(
    talking_head: Path, tmp_path: Path
) -> None:
    source = tmp_path / "frames"
    source.mkdir()
    for path in sorted(talking_head.iterdir())[:3]:
        (source / path.name).write_bytes(path.read_bytes())
    assert extract(source, tmp_path, "--second-look", "off").report["frames"]["no_face"] == 3
    sample = extract(source, tmp_path, "--second-look", "sample")
    assert sample.code == 0 and sample.report["second_look"]["looked"] == 3, sample.stderr
    assert "finished already" in extract(source, tmp_path, "--second-look", "sample").stderr
    done = extract(source, tmp_path, "--second-look", "all")
    assert done.code == 0, done.stderr
    assert done.report["frames"]["extracted"] == 3
