"""Frames are checked beside the extractor, each once, in bounded time."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil
import pytest
from damaged import cut
from support import until

from dflwrap.frames.judgement import Entry
from dflwrap.ledger.records import FrameRow
from dflwrap.supervisor.attempt.frame_checker import FrameChecker
from dflwrap.supervisor.batch import Batch

SECONDS = 60.0


def batch_of(folder: Path, picture: Path, *, whole: int, damaged: int, linked: bool = True) -> Batch:
    batch = Batch()
    data = picture.read_bytes()
    for number in range(whole + damaged):
        name = f"{number:03}.jpg"
        (folder / name).write_bytes(data if number < whole else cut(data))
        batch.frames[name] = FrameRow(
            number, name, name, name[:-4], Entry.LINK, True, 0, None, 0, None, None, None, 0
        )
        if linked:
            batch.linked.add(name)
    return batch


@pytest.fixture
def picture(clean_frames: Path) -> Path:
    return clean_frames / "00001.jpg"


def test_each_frame_gets_its_answer(tmp_path: Path, picture: Path) -> None:
    batch = batch_of(tmp_path, picture, whole=30, damaged=30)
    with FrameChecker(tmp_path, batch, thorough=True) as checker:
        for name in (*batch.frames, *batch.frames):
            checker.ask(name)
        checker.wait(set(batch.frames), SECONDS)
        results = [checker.result(name) for name in sorted(batch.frames)]
        assert [bool(result and result.damage) for result in results] == [False] * 30 + [True] * 30
        assert checker.notes() == []
    assert not [one for one in psutil.Process().children() if "decoder" in " ".join(one.cmdline())]


def test_a_copy_that_a_converter_made_is_whole_at_once(tmp_path: Path, picture: Path) -> None:
    batch = batch_of(tmp_path, picture, whole=0, damaged=1, linked=False)
    with FrameChecker(tmp_path, batch, thorough=True) as checker:
        checker.ask("000.jpg")
        result = checker.result("000.jpg")
        assert result is not None and not result.damage


def test_a_frame_that_is_gone_counts_as_whole_and_is_told(tmp_path: Path, picture: Path) -> None:
    batch = batch_of(tmp_path, picture, whole=1, damaged=0)
    (tmp_path / "000.jpg").unlink()
    with FrameChecker(tmp_path, batch, thorough=True) as checker:
        checker.ask("000.jpg")
        checker.wait({"000.jpg"}, SECONDS)
        result = checker.result("000.jpg")
        assert result is not None and not result.damage
        assert "1 frame(s) could not be checked" in checker.notes()[0]


def test_a_frame_that_has_its_outcome_is_no_longer_asked_about(tmp_path: Path, picture: Path) -> None:
    batch = batch_of(tmp_path, picture, whole=20, damaged=0)
    names = set(batch.frames)
    with FrameChecker(tmp_path, batch, thorough=True) as checker:
        for name in sorted(names):
            checker.ask(name)
        for name in sorted(names)[5:]:
            checker.forget(name)
            batch.forget(name)
        checker.wait(names, SECONDS)
        assert batch.given == 20 and sorted(batch.frames) == sorted(names)[:5]
        assert {checker.result(name) is not None for name in names} == {True}
        assert not checker.undecided


@pytest.mark.skipif(os.name == "nt", reason="SIGSTOP")
def test_a_decoder_that_hangs_holds_up_neither_the_wait_nor_the_end(tmp_path: Path, picture: Path) -> None:
    batch = batch_of(tmp_path, picture, whole=2, damaged=0)
    with FrameChecker(tmp_path, batch, thorough=True) as checker:
        checker.ask("000.jpg")
        checker.wait({"000.jpg"}, SECONDS)
        for child in psutil.Process().children():
            if "dflwrap.frames.decoding.decoder" in child.cmdline():
                child.send_signal(signal.SIGSTOP)
        checker.ask("001.jpg")
        checker.wait({"001.jpg"}, 0.5)
        assert checker.result("001.jpg") is None
    assert until(lambda: not [c for c in psutil.Process().children() if "decoder" in str(c.cmdline())], 10)
