"""A frame that failed is retried within the attempt, as the copy that the supervisor prepares."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from dflwrap.extractors.control_file import CONTROL_ENV, NO_COPY, ControlWriter

from .conftest import Double

BAD = "00003.png"
ALL = [f"{n:05d}.png" for n in range(1, 7)]
OTHERS = ["00001.png", "00002.png", "00004.png", "00005.png", "00006.png"]
ORIGINALS: dict[str, Any] = {"originals": True}


@pytest.fixture
def repaired(double: Double, tmp_path: Path) -> Path:
    """The folder in which copies appear; the agent is told of it."""
    folder = tmp_path / "repaired"
    folder.mkdir()
    double.env |= {"DFLWRAP_REPAIRED": str(folder)}
    return folder


@pytest.mark.parametrize("fault", ["raise", "landmarks", "unreadable", "kill"])
def test_the_copy_takes_the_place_of_the_frame_that_failed(
    double: Double, repaired: Path, fault: str
) -> None:
    shutil.copy(double.frames / BAD, repaired / BAD)
    ran = double.run({BAD: {"fault": fault, **ORIGINALS}})
    assert ran.code == 0, ran.text
    assert ran.frames("repair_wanted") == [BAD]
    assert not ran.of("frame_failed")
    done = {event["frame"]: event for event in ran.of("frame_done")}
    assert sorted(done) == sorted([*OTHERS, BAD])
    assert [name for name, event in done.items() if event.get("repaired")] == [BAD]
    assert done[BAD]["faces"] == ["00003_0.jpg"]
    assert len(ran.of("worker_lost")) == (fault == "kill")


@pytest.mark.parametrize("fault", ["raise", "kill"])
def test_what_fails_as_a_copy_too_is_given_back(double: Double, repaired: Path, fault: str) -> None:
    shutil.copy(double.frames / BAD, repaired / BAD)
    ran = double.run({BAD: fault})
    assert ran.frames("repair_wanted") == ran.frames("frame_failed") == [BAD]
    assert ran.of("frame_failed")[0]["repaired"] is True
    assert sorted(ran.frames("frame_done")) == OTHERS
    assert ran.frames("frame_started").count(BAD) == 2, "no third try"


def test_copies_that_fail_one_after_another_are_no_sign_of_a_sick_worker(
    double: Double, repaired: Path
) -> None:
    bad = ["00001.png", "00002.png", "00004.png", "00005.png"]
    for name in bad:
        shutil.copy(double.frames / name, repaired / name)
    ran = double.run(dict.fromkeys(bad, "raise"))
    assert sorted(ran.frames("frame_failed")) == bad
    assert sorted(ran.frames("frame_done")) == ["00003.png", "00006.png"]
    assert not ran.of("worker_lost")


def test_where_no_copy_can_be_made_the_first_failure_stands(double: Double, repaired: Path) -> None:
    (repaired / f"{BAD}.no").touch()
    ran = double.run({BAD: {"fault": "raise", "text": "my own error"}})
    failed = ran.of("frame_failed")[0]
    assert failed["error"].endswith("my own error") and "repaired" not in failed
    assert ran.frames("frame_started").count(BAD) == 1
    assert sorted(ran.frames("frame_done")) == OTHERS


@pytest.mark.parametrize("fault", ["raise", "kill"])
def test_that_no_copy_can_be_made_is_heard_from_the_control_file(
    double: Double, repaired: Path, fault: str
) -> None:
    """The disk took no file that would say so."""
    control = double.folder / "control.jsonl"
    double.env |= {CONTROL_ENV: str(control), "DFLWRAP_REPAIR_TIMEOUT": "600"}
    ControlWriter(str(control)).send({"type": "no_copy", "frame": BAD})
    ran = double.run({BAD: fault})
    assert NO_COPY in ran.of("extractor_started")[0]["supported"]
    assert ran.frames("frame_failed") == ran.frames("repair_wanted") == [BAD]
    assert sorted(ran.frames("frame_done")) == OTHERS


@pytest.mark.parametrize("fault", ["raise", "kill"])
def test_an_answer_that_never_comes_is_not_waited_for(double: Double, repaired: Path, fault: str) -> None:
    double.env |= {"DFLWRAP_REPAIR_TIMEOUT": "0.5"}
    ran = double.run({BAD: fault})
    assert ran.frames("frame_failed") == [BAD] and "repaired" not in ran.of("frame_failed")[0]
    assert sorted(ran.frames("frame_done")) == OTHERS
    assert len(ran.of("finished")) == 1


def copies_of_all(double: Double, folder: Path) -> None:
    for frame in double.frames.iterdir():
        shutil.copy(frame, folder / frame.name)


def test_a_worker_that_fails_on_everything_makes_no_frame_guilty(double: Double, repaired: Path) -> None:
    copies_of_all(double, repaired)
    double.env |= {"DFLWRAP_WORKERS": "2"}
    broken = {"fault": "raise", "worker": "CPU1"}
    ran = double.run({"first_frame": broken, "steady": broken, "options": {"frame_seconds": 0.1}})
    assert not ran.of("frame_failed"), ran.events
    assert len(ran.of("frame_done")) == 6


def test_an_error_that_sticks_to_its_worker_is_no_proof_against_the_frames_after_it(
    double: Double, repaired: Path
) -> None:
    copies_of_all(double, repaired)
    ran = double.run({BAD: "sick"})
    assert sorted(ran.frames("frame_done")) == OTHERS
    assert ran.frames("frame_failed") == [BAD]


def test_copies_that_wait_when_the_last_worker_died_get_another(double: Double, repaired: Path) -> None:
    copies_of_all(double, repaired)
    double.env |= {"DFLWRAP_SPARE": "0"}
    first = [{"fault": "raise", "times": 1}, {"fault": "kill", "times": 2}]
    ran = double.run({"00001.png": first, "0000[2-6].png": {"fault": "raise", "originals": True}}, limit=60)
    assert len(ran.of("finished")) == 1
    assert sorted({*ran.frames("frame_done"), *ran.frames("frame_failed")}) == ["00001.png", *ALL[1:]]
