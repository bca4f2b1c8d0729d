"""Which folder is the one that it was, and a disk that does not answer."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from dflwrap.frames.judgement import Entry
from dflwrap.ledger.ledger import Ledger
from dflwrap.ledger.records import FrameRow, NewFrame
from dflwrap.supervisor.disk import storage as module
from dflwrap.supervisor.disk.storage import INPUT_GONE, KnownFolder, Storage


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "frames"
    path.mkdir()
    for name in ("a.png", "b.png"):
        (path / name).touch()
    return path


@pytest.fixture
def storage(tmp_path: Path, folder: Path) -> Storage:
    (tmp_path / "aligned").mkdir()
    (tmp_path / "aligned_dflwrap").mkdir()
    database = tmp_path / "aligned_dflwrap" / "run.db"
    made = Storage(folder, tmp_path / "aligned", database, Ledger(database))
    made.remember([])
    return made


def test_a_folder_whose_frames_were_all_removed_is_still_there(folder: Path) -> None:
    known = KnownFolder.remember(folder, ("a.png",), tell_by_inode=True)
    for frame in folder.iterdir():
        frame.unlink()
    assert known.why_gone() is None


def test_a_new_folder_of_the_same_name_is_another_until_a_frame_is_in_it(folder: Path) -> None:
    known = KnownFolder.remember(folder, ("a.png",), tell_by_inode=True)
    folder.rename(folder.with_name("away"))
    assert "not there" in (known.why_gone() or "")
    folder.mkdir()
    assert "another folder" in (known.why_gone() or "")
    (folder / "a.png").touch()  # copied back, say
    assert known.why_gone() is None


def test_a_disk_that_comes_back_under_another_number_is_known_by_its_files(folder: Path) -> None:
    known = KnownFolder.remember(folder, ("a.png",))
    known.device += 1
    assert known.why_gone() is None
    assert known.device == folder.stat().st_dev
    known.device += 1
    (folder / "a.png").unlink()
    assert "not mounted" in (known.why_gone() or "")


def test_a_folder_that_is_gone_when_it_is_to_be_remembered_is_gone(tmp_path: Path) -> None:
    assert KnownFolder.remember(tmp_path / "frames", ("a.png",)).why_gone() is not None
    (tmp_path / "empty").mkdir()
    assert KnownFolder.remember(tmp_path / "empty", ("a.png",)).why_gone() is not None
    assert KnownFolder.remember(tmp_path / "empty").why_gone() is None


@pytest.mark.posix
def test_frames_that_are_links_are_watched_where_they_lead(tmp_path: Path, storage: Storage) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    (disk / "a.png").touch()
    (storage.input_dir / "a.png").unlink()
    (storage.input_dir / "a.png").symlink_to(disk / "a.png")
    (row,) = [row for row in _rows(storage) if row.file_name == "a.png"]
    storage.remember([row.file_name])
    assert storage.gone() is None
    disk.rename(tmp_path / "unplugged")
    gone = storage.gone()
    assert gone is not None and gone.cause == INPUT_GONE and str(disk) in str(gone)


def _rows(storage: Storage) -> list[FrameRow]:
    storage.ledger.add_frames([NewFrame("a.png", "a", 1, 1, Entry.LINK, True, 0, "")])
    return storage.ledger.frames()


def test_a_disk_that_does_not_answer_is_gone_and_nobody_hangs(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dead share blocks every call forever; no file system here does, so the call that asks it is held."""
    answer = threading.Event()
    scandir = os.scandir

    def held(path: Path) -> object:
        answer.wait(60)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", held)
    monkeypatch.setattr(module, "ANSWER_BOUND", 0.3)
    began = time.monotonic()
    assert not storage.away(), "nothing is known yet"
    gone = storage.gone(bound=0.3)
    assert gone is not None and "does not answer" in str(gone)
    assert storage.away()
    storage.stopping = lambda: True
    assert storage.gone(bound=60) is not None
    assert time.monotonic() - began < 30
    answer.set()
    storage.stopping = lambda: False
    assert storage.gone(bound=60) is None
