"""Workers and cards that are asked for, and are not there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from played_cards import cards, extract
from support import dflwrap, small_frames

from dflwrap.telemetry.limits import usable_cores


def test_an_index_that_no_card_has_is_refused_before_anything_starts(tmp_path: Path, driver: Path) -> None:
    (tmp_path / "play.txt").write_text(cards(2))
    done = extract(tmp_path, driver, 2, {"options": {"gpus": 2}}, "--force-gpu-idxs", "1,7")
    assert done.code == 2
    assert "there is no GPU 7" in done.stderr and "0 (Played), 1 (Played)" in done.stderr
    assert not (tmp_path / "aligned").exists() and not (tmp_path / "aligned_dflwrap").exists()


def test_an_index_is_taken_where_the_driver_shows_no_card_at_all(tmp_path: Path) -> None:
    """AMD and Intel cards: NVML does not see them."""
    done = extract(tmp_path, None, 2, {"options": {"gpus": 8}}, "--force-gpu-idxs", "7")
    assert "there is no GPU" not in done.stderr
    assert done.report["attempts"][0]["plan"]["devices"] == [7]


def test_an_index_is_taken_as_it_is_with_a_build_that_has_numbers_of_its_own(
    tmp_path: Path, driver: Path
) -> None:
    """tensorflow-directml counts DirectX devices."""
    (tmp_path / "play.txt").write_text(cards(2))
    site = tmp_path / "venv" / "lib" / "python3.7" / "site-packages"
    (site / "tensorflow_directml-1.15.5.dist-info").mkdir(parents=True)
    (tmp_path / "venv" / "pyvenv.cfg").write_text("version = 3.7.9\n")
    python = tmp_path / "venv" / "bin" / "python"
    python.parent.mkdir()
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)
    done = extract(
        tmp_path,
        driver,
        2,
        {},
        "--force-gpu-idxs",
        "7",
        "--dfl-python",
        str(python),
        "--on-gpu-failure",
        "stop",
    )
    assert done.code == 3 and "there is no GPU" not in done.stderr


def built_in(tmp_path: Path, *options: str) -> str:
    source = tmp_path / "frames"
    if not source.exists():
        small_frames(source, 3)
    folders = ("--input-dir", source, "--output-dir", tmp_path / "aligned")
    done = dflwrap("extract", *folders, "--extractor", "builtin", *options)
    assert done.code == 0, done.stderr
    return done.stdout


def test_an_index_for_the_built_in_extractor_is_told_to_have_no_effect(tmp_path: Path) -> None:
    said = built_in(tmp_path, "--force-gpu-idxs", "7", "--workers", "1")
    assert said.count("--force-gpu-idxs has no effect") == 1


def test_more_workers_than_cores_are_fewer_and_said(tmp_path: Path) -> None:
    said = built_in(tmp_path, "--workers", "500")
    wanted = min(3, usable_cores())
    assert f"CPU: {wanted} worker" in said and "not 500 as requested" in said


@pytest.mark.skipif(os.name == "nt", reason="the double's faults are POSIX")
@pytest.mark.parametrize("options", [(), ("--workers", "2")])
def test_one_frame_starts_one_worker(tmp_path: Path, options: tuple[str, ...]) -> None:
    done = extract(tmp_path, None, 1, {}, "--cpu-only", *options)
    assert done.code == 0, done.stderr
    events = (tmp_path / "aligned_dflwrap" / "attempts" / "0001" / "events.jsonl").read_text()
    assert events.count('"worker_starting"') == 1
    assert done.report["attempts"][0]["plan"]["workers"] == 1
    assert "CPU: 1 worker" in done.stderr


def test_the_last_frame_of_a_run_starts_one_worker(tmp_path: Path) -> None:
    done = extract(tmp_path, None, 5, {}, "--cpu-only", "--workers", "2", "--batch-size", "4")
    assert done.code == 0, done.stderr
    wide = min(2, usable_cores())
    assert [attempt["plan"]["workers"] for attempt in done.report["attempts"]] == [wide, 1]
