"""DeepFaceLab's manual options: what a machine can do is done, the rest is named; and the last page of a run."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from support import DOUBLE, Finished, assert_conserved, dflwrap, small_frames

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the double's faults are POSIX")

EMPTY = ["00002.png", "00004.png"]


def extract(tmp_path: Path, *options: str, script: dict[str, Any] | None = None) -> Finished:
    source = tmp_path / "frames"
    if not source.exists():
        small_frames(source, 5)
    faces = {"options": {"faces": dict.fromkeys(EMPTY, 0)}}
    (tmp_path / "script.json").write_text(json.dumps({**faces, **(script or {})}))
    return dflwrap(
        *("extract", "--input-dir", source, "--output-dir", tmp_path / "aligned", "--extractor", "dfl"),
        *("--dfl-root", DOUBLE, "--dfl-python", sys.executable, "--cpu-only", "--workers", "1"),
        *("--image-size", "256", "--second-look", "off", *options),
        env={"DFLWRAP_DOUBLE_SCRIPT": str(tmp_path / "script.json")},
    )


def report(tmp_path: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((tmp_path / "aligned_dflwrap" / "report.json").read_text())
    assert_conserved(read)
    return read


def test_with_manual_fix_the_automatic_pass_runs_and_the_rest_is_named(tmp_path: Path) -> None:
    done = extract(tmp_path, "--manual-fix", "--manual-window-size", "800")
    assert done.code == 0, done.stderr
    assert report(tmp_path)["frames"]["extracted"] == 3
    assert report(tmp_path)["manual"] == EMPTY
    page = done.stdout[done.stdout.index("By hand: 2 frames for you") :]
    assert all(name in page for name in EMPTY) and "00001.png" not in page
    assert "RE-EXTRACT DELETED ALIGNED_DEBUG" in page and "would delete this faceset" in " ".join(
        page.split()
    )


def test_with_nothing_left_manual_fix_says_so(tmp_path: Path) -> None:
    done = extract(tmp_path, "--manual-fix", script={"options": {"faces": {}}})
    assert done.code == 0 and "no frame is left for you" in done.stdout
    assert report(tmp_path)["manual"] == []


def test_without_the_option_nothing_is_left_to_a_person(tmp_path: Path) -> None:
    done = extract(tmp_path)
    assert done.code == 0 and "By hand" not in done.stdout
    assert report(tmp_path)["manual"] is None


def test_frames_whose_debug_pictures_were_deleted_are_named(tmp_path: Path) -> None:
    assert extract(tmp_path, "--output-debug").code == 0
    (tmp_path / "aligned_debug" / "00003.jpg").unlink()
    done = extract(tmp_path, "--output-debug", "--manual-output-debug-fix")
    assert done.code == 0, done.stderr
    assert report(tmp_path)["manual"] == ["00003.png"]
    assert len(list((tmp_path / "aligned").glob("*.jpg"))) == 3, "the faceset is as it was"
    done = extract(tmp_path, "--manual-output-debug-fix", "--manual-fix")
    assert report(tmp_path)["manual"] == ["00002.png", "00003.png", "00004.png"]


def test_without_debug_pictures_there_is_nothing_to_compare_with(tmp_path: Path) -> None:
    done = extract(tmp_path, "--manual-output-debug-fix")
    assert done.code == 2 and "extract with --output-debug first" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["frames", "script.json"]


@pytest.mark.parametrize("options", [("--detector", "manual"), ("--detector", "manual", "--manual-fix")])
def test_the_manual_detector_is_refused(tmp_path: Path, options: tuple[str, ...]) -> None:
    done = extract(tmp_path, *options)
    assert done.code == 2 and "a person at the screen" in done.stderr


def test_the_last_page_has_the_elapsed_time_and_what_to_look_at(tmp_path: Path) -> None:
    done = extract(tmp_path, script={"*00003.png": "raise"})
    assert done.code == 1, done.stderr
    assert re.search(r"^Elapsed: +\d+ min \d\d s$", done.stdout, re.MULTILINE)
    looks = done.stdout[done.stdout.index("Look at:") :]
    assert "quarantine/: these frames with their reasons" in looks and '"no_face"' in looks
    assert (tmp_path / "aligned_dflwrap" / "quarantine" / "00003.png.txt").exists()


def test_the_last_page_of_a_stopped_run_leads_to_its_logs(tmp_path: Path) -> None:
    done = extract(tmp_path, script={"start": "exit"})
    assert done.code == 3, done.stderr
    [look] = re.findall(r"(attempts/\d{4}/): what the extractor said last", done.stdout)
    assert (tmp_path / "aligned_dflwrap" / look / "stderr.log").exists()


def test_a_clean_run_has_nothing_to_look_at(tmp_path: Path) -> None:
    done = extract(tmp_path, script={"options": {"faces": {}}})
    assert done.code == 0 and "Look at" not in done.stdout and "Elapsed" in done.stdout
