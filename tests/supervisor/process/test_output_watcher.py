"""Black-box mode: outcomes are read from the output folder alone."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from dflwrap.common.events import EventKind
from dflwrap.supervisor.process.output_watcher import OutputWatcher, is_whole

WHOLE = b"\xff\xd8 picture \xff\xd9"


@pytest.fixture
def output(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    (tmp_path / "out_debug").mkdir()
    return tmp_path / "out"


def debug(output: Path, name: str, content: bytes = WHOLE) -> None:
    (output.with_name("out_debug") / name).write_bytes(content)


def polled(watcher: OutputWatcher) -> dict[str | None, list[str]]:
    events = watcher.poll(at_once=True)
    assert all(event.kind is EventKind.FRAME_DONE for event in events)
    return {event.frame: event.data["faces"] for event in events}


def test_a_whole_debug_picture_says_that_its_frame_is_done_once(output: Path) -> None:
    watcher = OutputWatcher(output, ["a.png", "b.jpg", "c.png"])
    assert polled(watcher) == {}
    (output / "a_0.jpg").write_bytes(WHOLE)
    assert polled(watcher) == {}, "faces alone may be half of them"
    debug(output, "a.jpg")
    debug(output, "b.jpg")
    assert polled(watcher) == {"a.png": ["a_0.jpg"], "b.jpg": []}
    assert polled(watcher) == {}
    assert watcher.first_open == "c.png"


def test_a_debug_picture_in_the_making_waits(output: Path) -> None:
    watcher = OutputWatcher(output, ["a.png"])
    for content in (b"", b"\xff", WHOLE[:-1], WHOLE[:-2]):
        debug(output, "a.jpg", content)
        assert polled(watcher) == {}
        assert watcher.first_open == "a.png"
    debug(output, "a.jpg")
    assert polled(watcher) == {"a.png": []}
    assert watcher.first_open is None


def test_faces_are_given_to_the_right_frame_in_their_order(output: Path) -> None:
    watcher = OutputWatcher(output, ["a.png", "a_1.png", "a_1_2.png"])
    for name in ("a_0", "a_10", "a_2", "a_1_0", "a_1_2_0", "a_1_2_1"):
        (output / f"{name}.jpg").write_bytes(WHOLE)
    for stem in ("a", "a_1", "a_1_2"):
        debug(output, f"{stem}.jpg")
    assert polled(watcher) == {
        "a.png": ["a_0.jpg", "a_2.jpg", "a_10.jpg"],
        "a_1.png": ["a_1_0.jpg"],
        "a_1_2.png": ["a_1_2_0.jpg", "a_1_2_1.jpg"],
    }


def test_other_files_mean_nothing(output: Path) -> None:
    watcher = OutputWatcher(output, ["a.png"])
    for name in ("a_².jpg", "a_.jpg", "a_x.jpg", "_0.jpg", "a_0.png", ".jpg"):
        (output / name).write_bytes(WHOLE)
    debug(output, "stranger.jpg")
    assert polled(watcher) == {}
    debug(output, "a.jpg")
    assert polled(watcher) == {"a.png": []}


def test_a_slow_listing_is_not_made_ten_times_a_second(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watcher = OutputWatcher(output, ["a.png", "b.png"])
    listings = 0
    really = os.listdir

    def slow(folder: Path) -> list[str]:
        nonlocal listings
        listings += 1
        time.sleep(0.05)
        return really(folder)

    monkeypatch.setattr(os, "listdir", slow)
    for _ in range(20):
        assert watcher.poll() == []
    assert listings == 1, "twenty looks within some seconds of fifty milliseconds each would be a core"
    debug(output, "a.jpg")
    assert polled(watcher) == {"a.png": []}, "the last look of an attempt sees everything"


def test_a_quick_one_is(output: Path) -> None:
    watcher = OutputWatcher(output, ["a.png"])
    assert watcher.poll() == []
    debug(output, "a.jpg")
    deadline = time.monotonic() + 60
    while not (events := watcher.poll()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [event.frame for event in events] == ["a.png"]


def test_missing_folders_are_no_news(tmp_path: Path) -> None:
    watcher = OutputWatcher(tmp_path / "nothing", ["b.png", "a.png"])
    assert watcher.poll() == []
    assert watcher.first_open == "a.png"


def test_whole_means_a_file_that_ends_as_a_jpeg(tmp_path: Path) -> None:
    assert not is_whole(tmp_path / "missing.jpg")
    assert not is_whole(tmp_path)
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd9")
    assert not is_whole(tmp_path / "a.jpg")
    (tmp_path / "a.jpg").write_bytes(WHOLE)
    assert is_whole(tmp_path / "a.jpg")
