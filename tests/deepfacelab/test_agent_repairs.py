"""A frame that failed is tried once more within the attempt, as the copy that the supervisor prepares."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from .conftest import Double

BAD = "00003.png"
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
    bad = ["00001.png", "00003.png", "00005.png", "00006.png"]
    for name in bad:
        shutil.copy(double.frames / name, repaired / name)
    ran = double.run(dict.fromkeys(bad, "raise"))
    assert sorted(ran.frames("frame_failed")) == bad
    assert sorted(ran.frames("frame_done")) == ["00002.png", "00004.png"]
    assert not ran.of("worker_lost")


def test_where_no_copy_can_be_made_the_first_failure_stands(double: Double, repaired: Path) -> None:
    (repaired / f"{BAD}.refused").touch()
    ran = double.run({BAD: {"fault": "raise", "text": "my own error"}})
    failed = ran.of("frame_failed")[0]
    assert failed["error"].endswith("my own error") and "repaired" not in failed
    assert ran.frames("frame_started").count(BAD) == 1
    assert sorted(ran.frames("frame_done")) == OTHERS


@pytest.mark.parametrize("fault", ["raise", "kill"])
def test_an_answer_that_never_comes_is_not_waited_for(double: Double, repaired: Path, fault: str) -> None:
    double.env |= {"DFLWRAP_REPAIR_TIMEOUT": "0.5"}
    ran = double.run({BAD: fault}, limit=30)
    assert ran.frames("frame_failed") == [BAD] and "repaired" not in ran.of("frame_failed")[0]
    assert sorted(ran.frames("frame_done")) == OTHERS
    assert len(ran.of("finished")) == 1
