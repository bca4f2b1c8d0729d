"""How a frame gets to the extractor: by a link, else from where it lies, else as a copy."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from dflwrap.common.storage import LONGEST_PATH
from dflwrap.frames.batch import BatchFolder, Way, can_be_read_in_place


@pytest.fixture
def frames(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "frames"
    folder.mkdir()
    (tmp_path / "in").mkdir()
    made = [folder / f"{number:05d}.jpg" for number in range(1, 6)]
    for path in made:
        path.write_bytes(path.name.encode())
    return made


def brought(batch: BatchFolder, frame: Path, name: str = "", disk: int = 1) -> Way:
    return batch.bring(frame, name or frame.name, disk)


@pytest.fixture
def refuse(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Path]]:
    """refuse(error, ...): no link can be made, with these errors first. Gives the frames for which one was tried."""

    def begin(*errors: OSError) -> list[Path]:
        asked: list[Path] = []
        left = list(errors)

        def way(source: Path, target: Path) -> None:
            asked.append(source)
            raise left.pop(0) if left else PermissionError(errno.EPERM, "no links here")

        for name in ("link", "symlink"):
            monkeypatch.setattr(os, name, way)
        return asked

    return begin


def in_batch(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "in").iterdir())


@pytest.mark.parametrize("in_place", [True, False])
def test_a_link_is_made_where_one_can_be(tmp_path: Path, frames: list[Path], in_place: bool) -> None:
    batch = BatchFolder(tmp_path / "in", in_place=in_place)
    assert [brought(batch, frame) for frame in frames] == [Way.LINK] * 5
    assert all((tmp_path / "in" / frame.name).samefile(frame) for frame in frames)


@pytest.mark.posix
def test_on_windows_a_link_is_a_hard_one_and_to_another_drive_a_symbolic_one_where_the_user_may(
    tmp_path: Path, frames: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = BatchFolder(tmp_path / "in", in_place=True, windows=True)
    assert brought(batch, frames[0]) is Way.LINK
    assert frames[0].stat().st_nlink == 2 and not (tmp_path / "in" / frames[0].name).is_symlink()

    def another_drive(source: Path, target: Path) -> None:
        raise OSError(errno.EXDEV, "The system cannot move the file to a different disk drive", str(source))

    def no_right(source: Path, target: Path) -> None:
        raise OSError(errno.EINVAL, "A required privilege is not held by the client", str(source))

    monkeypatch.setattr(os, "link", another_drive)
    assert brought(batch, frames[1], disk=2) is Way.LINK
    assert (tmp_path / "in" / frames[1].name).is_symlink()
    monkeypatch.setattr(os, "symlink", no_right)
    assert [brought(batch, frame, disk=3) for frame in frames[2:]] == [Way.IN_PLACE] * 3


def test_without_links_a_frame_is_read_in_place_and_only_the_first_is_tried(
    tmp_path: Path, frames: list[Path], refuse: Callable[..., list[Path]]
) -> None:
    asked = refuse()
    batch = BatchFolder(tmp_path / "in", in_place=True)
    assert [brought(batch, frame) for frame in frames] == [Way.IN_PLACE] * 5
    assert set(asked) == {frames[0].resolve()} and in_batch(tmp_path) == []


def no_links_to(monkeypatch: pytest.MonkeyPatch, names: set[str], why: int) -> None:
    symlink = os.symlink

    def some(source: Path, target: Path) -> None:
        if Path(source).name in names:
            raise OSError(why, os.strerror(why))
        symlink(source, target)

    monkeypatch.setattr(os, "symlink", some)


@pytest.mark.posix
def test_each_disk_of_frames_is_found_out_for_itself(
    tmp_path: Path, frames: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hard links reach no other drive: a frame there says nothing of those of this one."""
    no_links_to(monkeypatch, {"00004.jpg", "00005.jpg"}, errno.EXDEV)
    batch = BatchFolder(tmp_path / "in", in_place=True)
    ways = [brought(batch, frame, disk=disk) for frame, disk in zip(frames, (1, 1, 1, 2, 2), strict=True)]
    assert ways == [Way.LINK] * 3 + [Way.IN_PLACE] * 2


@pytest.mark.posix
def test_one_frame_without_a_link_among_others_is_no_disk_without_links(
    tmp_path: Path, frames: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    no_links_to(monkeypatch, {"00003.jpg"}, errno.EMLINK)
    batch = BatchFolder(tmp_path / "in", in_place=True)
    ways = [brought(batch, frame) for frame in frames]
    assert ways == [Way.LINK, Way.LINK, Way.IN_PLACE, Way.LINK, Way.LINK]


def test_what_reads_one_folder_gets_copies(
    tmp_path: Path, frames: list[Path], refuse: Callable[..., list[Path]]
) -> None:
    asked = refuse()
    batch = BatchFolder(tmp_path / "in", in_place=False)
    assert [brought(batch, frame) for frame in frames] == [Way.COPY] * 5
    assert set(asked) == {frames[0].resolve()}
    assert in_batch(tmp_path) == [frame.name for frame in frames]
    assert not any((tmp_path / "in" / frame.name).samefile(frame) for frame in frames)


def test_under_another_name_a_frame_is_copied(
    tmp_path: Path, frames: list[Path], refuse: Callable[..., list[Path]]
) -> None:
    """Faces are named after the file that the extractor reads."""
    refuse()
    batch = BatchFolder(tmp_path / "in", in_place=True)
    assert brought(batch, frames[0], "dflwrap-0000001.jpg") is Way.COPY
    assert in_batch(tmp_path) == ["dflwrap-0000001.jpg"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.ENOENT])
def test_a_full_or_failing_disk_says_nothing_of_links(
    tmp_path: Path, frames: list[Path], refuse: Callable[..., list[Path]], number: int
) -> None:
    refuse(OSError(number, os.strerror(number)))
    batch = BatchFolder(tmp_path / "in", in_place=True)
    with pytest.raises(OSError, match=os.strerror(number)):
        brought(batch, frames[0])
    assert in_batch(tmp_path) == []


def test_nothing_is_written_through_a_link_that_stands_there(tmp_path: Path, frames: list[Path]) -> None:
    batch = BatchFolder(tmp_path / "in", in_place=True)
    brought(batch, frames[0])
    with pytest.raises(FileExistsError):
        brought(batch, frames[1], frames[0].name)
    assert frames[0].read_bytes() == b"00001.jpg"


@pytest.mark.posix
@pytest.mark.parametrize(
    ("path", "name", "windows", "may"),
    [
        ("/clip/00001.jpg", "00001.jpg", False, True),
        ("/Größe 写真/00001.jpg", "00001.jpg", False, True),
        ("/clip/00001.jpg", "dflwrap-0000001.jpg", False, False),
        ("/clip/00001.JPG", "00001.jpg", False, False),
        ("clip/00001.jpg", "00001.jpg", False, False),
        ("/caf\udce9/00001.jpg", "00001.jpg", False, False),
        (f"/{'d' * (LONGEST_PATH - 11)}/00001.jpg", "00001.jpg", True, True),
        (f"/{'d' * (LONGEST_PATH - 10)}/00001.jpg", "00001.jpg", True, False),
        (f"/{'d' * (LONGEST_PATH - 10)}/00001.jpg", "00001.jpg", False, True),
    ],
)
def test_which_paths_an_extractor_may_be_told(path: str, name: str, windows: bool, may: bool) -> None:
    assert can_be_read_in_place(Path(path), name, windows=windows) is may
