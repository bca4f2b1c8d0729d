"""Moving and deleting on Windows: the calls against a stand-in for kernel32, the files themselves on Windows."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import stat
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dflwrap.common import retrying
from dflwrap.common.windows import files as windows_files
from dflwrap.common.windows.files import delete_name, move_file
from dflwrap.faceset import moving
from dflwrap.faceset.moving import move_without_overwriting

windows = pytest.mark.windows
stand_in = pytest.mark.skipif(os.name == "nt", reason="a stand-in for what is real here")

ALREADY_EXISTS, NOT_SAME_DEVICE, SHARING_VIOLATION, ACCESS_DENIED = 183, 17, 32, 5


class PlayedKernel32:
    """Moves and deletes real files by Windows' rules; `drives` are folders that stand for volumes of their own."""

    def __init__(self, *drives: Path) -> None:
        self._drives = drives
        self.error = 0
        self.held = 0
        """How many of the next moves find the file held open."""
        self.calls: list[tuple[Any, ...]] = []

    def _volume(self, path: str) -> Path | None:
        return next((drive for drive in self._drives if drive in Path(path).resolve().parents), None)

    def _fail(self, code: int) -> int:
        self.error = code
        return 0

    def MoveFileExW(self, source: str, target: str, flags: int) -> int:
        self.calls.append(("move", Path(source).name, Path(target).name, flags))
        if self.held:
            self.held -= 1
            return self._fail(SHARING_VIOLATION)
        if os.path.lexists(target):
            return self._fail(ALREADY_EXISTS)
        if self._volume(source) != self._volume(target):
            return self._fail(NOT_SAME_DEVICE)
        os.rename(source, target)  # noqa: PTH104
        return 1

    def CreateFileW(
        self, path: str, access: int, share: int, security: None, how: int, flags: int, template: None
    ) -> int | None:
        self.calls.append(("open", path, access, share, how, flags))
        if not os.path.lexists(path):
            self._fail(2)
            return ctypes.c_void_p(-1).value
        return 55

    def SetFileInformationByHandle(self, handle: int, kind: int, info: Any, size: int) -> int:
        self.calls.append(("set", handle, kind, info._obj.value, size))
        return 1 if not self.error else 0

    def CloseHandle(self, handle: int) -> int:
        self.calls.append(("close", handle))
        return 1


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> PlayedKernel32:
    """`move_without_overwriting` as on Windows, with `tmp_path/D` as another drive."""
    (tmp_path / "D").mkdir()
    kernel32 = PlayedKernel32(tmp_path / "D")
    monkeypatch.setattr(windows_files, "_kernel32", lambda: kernel32)
    monkeypatch.setattr(windows_files, "_last_error", lambda: kernel32.error)
    for module in (moving, retrying):
        monkeypatch.setattr(module, "os", SimpleNamespace(**{**vars(os), "name": "nt"}))
    return kernel32


@stand_in
def test_a_move_is_written_through_and_never_replaces(played: PlayedKernel32, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"face")
    move_without_overwriting(tmp_path / "a", tmp_path / "b")
    assert played.calls == [("move", "a", "b", 0x8)]
    (tmp_path / "a").write_bytes(b"other")
    with pytest.raises(FileExistsError):
        move_without_overwriting(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == b"face" and (tmp_path / "a").read_bytes() == b"other"


@stand_in
def test_a_held_file_is_moved_when_it_is_let_go(played: PlayedKernel32, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"face")
    played.held = 2
    move_without_overwriting(tmp_path / "a", tmp_path / "b")
    assert len(played.calls) == 3 and (tmp_path / "b").read_bytes() == b"face"


@stand_in
@pytest.mark.parametrize("held", [0, 2])
def test_a_faceset_on_another_drive_gets_whole_files_only(
    played: PlayedKernel32, tmp_path: Path, held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    faceset = tmp_path / "aligned"
    faceset.symlink_to(tmp_path / "D", target_is_directory=True)
    (tmp_path / "a_0.jpg").write_bytes(b"face")
    copied: list[str] = []
    copy = shutil.copyfileobj

    def noted(source: Any, part: Any, chunk: int) -> None:
        copied.append(Path(part.name).name)
        copy(source, part, chunk)
        played.held = held

    monkeypatch.setattr(moving.shutil, "copyfileobj", noted)
    move_without_overwriting(tmp_path / "a_0.jpg", faceset / "a_0.jpg")
    assert copied == ["a_0.jpg.dflwrap-part"], "never copied under its own name"
    assert [path.name for path in (tmp_path / "D").iterdir()] == ["a_0.jpg"]
    assert not (tmp_path / "a_0.jpg").exists()
    (tmp_path / "a_0.jpg").write_bytes(b"other")
    with pytest.raises(FileExistsError):
        move_without_overwriting(tmp_path / "a_0.jpg", faceset / "a_0.jpg")
    assert [(p.name, p.read_bytes()) for p in (tmp_path / "D").iterdir()] == [("a_0.jpg", b"face")]
    assert (tmp_path / "a_0.jpg").read_bytes() == b"other"


@stand_in
def test_a_file_that_appears_during_the_copy_is_not_replaced(
    played: PlayedKernel32, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_bytes(b"face")
    copy = shutil.copyfileobj

    def and_meanwhile(source: Any, part: Any, chunk: int) -> None:
        copy(source, part, chunk)
        (tmp_path / "D" / "a").write_bytes(b"the user's")

    monkeypatch.setattr(moving.shutil, "copyfileobj", and_meanwhile)
    with pytest.raises(FileExistsError):
        move_without_overwriting(tmp_path / "a", tmp_path / "D" / "a")
    assert [(p.name, p.read_bytes()) for p in (tmp_path / "D").iterdir()] == [("a", b"the user's")]
    assert (tmp_path / "a").read_bytes() == b"face"


@stand_in
def test_a_read_only_name_is_deleted_without_touching_the_mark(
    played: PlayedKernel32, tmp_path: Path
) -> None:
    (tmp_path / "a").write_bytes(b"frame")
    delete_name(tmp_path / "a")
    assert played.calls == [
        # DELETE; shared with everybody; OPEN_EXISTING; the link itself, not what it shows
        ("open", str(tmp_path / "a"), 0x10000, 7, 3, 0x2200000),
        # FileDispositionInfoEx: delete, POSIX semantics, in spite of the read-only attribute
        ("set", 55, 21, 0x13, 4),
        ("close", 55),
    ]
    played.error = ACCESS_DENIED
    with pytest.raises(PermissionError):
        delete_name(tmp_path / "a")
    assert played.calls[-1] == ("close", 55)
    with pytest.raises(FileNotFoundError):
        delete_name(tmp_path / "gone")


@windows
def test_a_real_move_does_not_replace(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).write_text(name)
    with pytest.raises(FileExistsError):
        move_file(tmp_path / "a", tmp_path / "b")
    move_file(tmp_path / "a", tmp_path / "c")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b", "c"]


@windows
def test_a_hard_link_to_a_read_only_frame_goes_and_the_frame_stays_read_only(tmp_path: Path) -> None:
    (tmp_path / "frame").write_bytes(b"frame")
    (tmp_path / "frame").chmod(stat.S_IREAD)
    os.link(tmp_path / "frame", tmp_path / "link")
    with pytest.raises(PermissionError):
        (tmp_path / "link").unlink()
    delete_name(tmp_path / "link")
    assert [path.name for path in tmp_path.iterdir()] == ["frame"]
    assert not (tmp_path / "frame").stat().st_mode & stat.S_IWRITE
    (tmp_path / "frame").chmod(stat.S_IWRITE)


@windows
def test_a_junctioned_faceset_takes_faces(tmp_path: Path) -> None:
    """A junction needs no right. To another drive it needs one: DFLWRAP_TEST_OTHER_DRIVE names a folder there."""
    other = Path(os.environ.get("DFLWRAP_TEST_OTHER_DRIVE", str(tmp_path / "elsewhere"))) / "aligned"
    other.mkdir(parents=True)
    subprocess.run(["cmd", "/c", "mklink", "/J", str(tmp_path / "aligned"), str(other)], check=True)
    try:
        (tmp_path / "a").write_bytes(b"face")
        move_without_overwriting(tmp_path / "a", tmp_path / "aligned" / "a")
        assert [path.name for path in other.iterdir()] == ["a"]
    finally:
        shutil.rmtree(other)


def test_the_errors_are_those_of_python() -> None:
    assert windows_files._ERRNOS[NOT_SAME_DEVICE] == errno.EXDEV
    assert windows_files._ERRNOS[ALREADY_EXISTS] == errno.EEXIST
