"""Hard links to read-only frames, as Windows makes and refuses them: removed, and the frame keeps its mark."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dflwrap.common import trees
from dflwrap.common.trees import remove_file, remove_tree
from dflwrap.common.windows import files as windows_files
from dflwrap.frames import batch
from dflwrap.frames.batch import link_frame
from dflwrap.frames.judgement import Entry
from dflwrap.ledger.ledger import Ledger
from dflwrap.ledger.records import NewFrame, Outcome
from dflwrap.report.quarantine import lay_out

READ_ONLY = stat.S_IREAD


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """`unlink` refuses what is marked read-only, as DeleteFile does; which files that were. On Windows itself the
    real thing."""
    asked: list[str] = []
    if os.name == "nt":
        yield asked
        return
    unlink = os.unlink

    def refuse(path: Any, *, dir_fd: int | None = None) -> None:
        if not os.stat(path, dir_fd=dir_fd, follow_symlinks=False).st_mode & stat.S_IWUSR:
            asked.append(Path(path).name)
            raise PermissionError(13, "Access is denied", str(path))
        unlink(path, dir_fd=dir_fd)

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", refuse)
        patch.setattr(Path, "unlink", lambda path, missing_ok=False: refuse(path))
        patch.setattr(windows_files, "delete_name", unlink)
        for module in (trees, batch):
            patch.setattr(module, "os", SimpleNamespace(**{**vars(os), "name": "nt"}))
        yield asked


@pytest.fixture
def frame(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "frames" / "00001.png"
    path.parent.mkdir()
    path.write_bytes(b"frame")
    path.chmod(READ_ONLY)
    yield path
    path.chmod(stat.S_IREAD | stat.S_IWRITE)


def assert_untouched(frame: Path) -> None:
    assert frame.read_bytes() == b"frame"
    assert not frame.stat().st_mode & stat.S_IWUSR, "the user's mark is gone"


def test_a_batch_of_read_only_frames_goes(tmp_path: Path, refused: list[str], frame: Path) -> None:
    folder = tmp_path / "in"
    (folder / "deeper").mkdir(parents=True)
    for target in (folder / "00001.png", folder / "deeper" / "00001.png"):
        link_frame(frame, target)
        assert target.samefile(frame)
    (folder / "converted.png").write_bytes(b"ours")
    remove_tree(folder)
    assert not folder.exists()
    assert os.name == "nt" or refused == ["00001.png", "00001.png"]
    assert_untouched(frame)


def test_a_file_that_is_held_open_keeps_its_folder_and_ends_nothing(
    tmp_path: Path, refused: list[str], frame: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def held(path: Path) -> None:
        raise PermissionError(13, "held", str(path))

    folder = tmp_path / "in"
    folder.mkdir()
    link_frame(frame, folder / "00001.png")
    with monkeypatch.context() as patch:
        patch.setattr(windows_files, "delete_name", held)
        remove_tree(folder)
        assert [path.name for path in folder.iterdir()] == ["00001.png"]
    assert_untouched(frame)


def test_the_link_of_a_frame_that_has_left_quarantine_goes(
    tmp_path: Path, refused: list[str], frame: Path
) -> None:
    ledger = Ledger(tmp_path / "run.db")
    ledger.add_frames([NewFrame(frame.name, "00001", 5, 1, Entry.LINK, True, 0, "")])
    ledger.settle(1, Outcome.QUARANTINED, cause="imread-failed", evidence="broken")
    quarantine = tmp_path / "quarantine"
    lay_out(quarantine, frame.parent, ledger.frames(), ledger)
    assert (quarantine / frame.name).samefile(frame)
    lay_out(quarantine, frame.parent, [], ledger)
    assert list(quarantine.iterdir()) == []
    assert_untouched(frame)
    ledger.close()


@pytest.mark.skipif(os.name == "nt", reason="POSIX: what cannot be removed is an error")
def test_elsewhere_a_refusal_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no(*_: object, **__: object) -> None:
        raise PermissionError(13, "no")

    (tmp_path / "x").touch()
    monkeypatch.setattr(windows_files, "delete_name", lambda path: pytest.fail("a call of Windows"))
    monkeypatch.setattr(Path, "unlink", no)
    monkeypatch.setattr(shutil, "rmtree", no)
    with pytest.raises(PermissionError):
        remove_file(tmp_path / "x")
    with pytest.raises(PermissionError):
        remove_tree(tmp_path)
