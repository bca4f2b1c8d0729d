"""Read errors are the disk's: real ones, by links to a file that the kernel refuses to read (EIO)."""

from __future__ import annotations

import errno
import sqlite3
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from support import small_frames
from test_folder_gone import FRAMES, resumed, running

from dflwrap.common.errors import NeedsUserError
from dflwrap.common.storage import DEVICE_WINERRORS, LONGEST_PATH, is_device_error, read_error
from dflwrap.frames import batch as batches
from dflwrap.frames.conversion import Converter, SourceUnreadError
from dflwrap.frames.inventory import UNREAD, FrameEntry
from dflwrap.frames.judgement import Entry, judge
from dflwrap.ledger.records import FrameRow
from dflwrap.supervisor.batch import make_batch

linux = pytest.mark.skipif(sys.platform != "linux", reason="/proc/self/mem is Linux's")
EIO_FILE = Path("/proc/self/mem")


def row(name: str, number: int = 1, entry: Entry = Entry.LINK, *, plain: bool = True) -> FrameRow:
    return FrameRow(number, name, name, name[:-4], entry, plain, 0, None, 0, None, None, None, 0)


def picture(path: Path) -> Path:
    assert cv2.imwrite(str(path), np.full((160, 200, 3), 90, np.uint8))
    return path


def fail_to_read(*frames: Path) -> None:
    for frame in frames:
        frame.unlink()
        frame.symlink_to(EIO_FILE)


def test_which_errors_are_the_devices() -> None:
    for number in (errno.EIO, errno.ESTALE, errno.ENODEV, errno.ENOTCONN):
        assert is_device_error(OSError(number, "x"))
    for number in (errno.ENOENT, errno.EACCES, errno.EISDIR, errno.ENOSPC):
        assert not is_device_error(OSError(number, "x"))
    assert {21, 433, 1117} <= DEVICE_WINERRORS
    for winerror, device in ((21, True), (433, True), (1117, True), (2, False), (5, False), (32, False)):
        error = OSError(errno.EACCES, "x")
        error.winerror = winerror  # type: ignore[attr-defined, unused-ignore]
        assert is_device_error(error) is device


@linux
def test_the_decoder_tells_a_read_error_and_a_missing_file_from_a_bad_image(tmp_path: Path) -> None:
    (tmp_path / "eio.png").symlink_to(EIO_FILE)
    with Converter() as converter:
        for name, number in (("eio.png", errno.EIO), ("missing.png", errno.ENOENT)):
            with pytest.raises(SourceUnreadError) as raised:
                converter.convert(tmp_path / name, tmp_path / "out.png")
            assert raised.value.error.errno == number
            with pytest.raises(SourceUnreadError):
                converter.look(tmp_path / name)
        assert not (tmp_path / "out.png").exists()


@linux
@pytest.mark.parametrize("entry", [Entry.LINK, Entry.CONVERT])
def test_a_batch_refuses_no_frame_for_its_disk(tmp_path: Path, entry: Entry) -> None:
    (tmp_path / "eio.png").symlink_to(EIO_FILE)
    picture(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"no image")
    rows = [
        row(f"{name}.png", number, entry) for number, name in enumerate(("good", "eio", "gone", "bad"), 1)
    ]
    batch = make_batch(tmp_path, tmp_path / "in", rows)
    unread = {row.name: error.errno for row, error in batch.unread}
    assert unread["gone.png"] == errno.ENOENT
    if entry is Entry.CONVERT:  # a link is made without reading; the extractor meets the error then
        assert unread["eio.png"] == errno.EIO
        assert [refused.name for refused, _ in batch.refused] == ["bad.png"]
    assert read_error(tmp_path / "eio.png", whole=True) is not None


def test_what_the_device_does_not_hand_out_at_the_start_is_left_to_the_decoder(tmp_path: Path) -> None:
    entry = FrameEntry("a.png", UNREAD, 0)
    assert judge(tmp_path, entry).unread
    assert judge(tmp_path, entry._replace(size=10)).unread, "gone since it was listed"


@linux
def test_one_frame_on_a_bad_sector_is_not_attempted_and_tried_again_next_time(tmp_path: Path) -> None:
    frames, output = small_frames(tmp_path / "frames", FRAMES), tmp_path / "aligned"
    kept = (frames / "00012.png").read_bytes()
    with running(tmp_path, frames, output) as run:
        fail_to_read(frames / "00012.png")
        report = run.end()
        said = run.said.read_text()
    assert run.process.returncode == 1, said
    assert report["frames"]["quarantined"] == 0 and report["frames"]["extracted"] == FRAMES - 1, said
    (left,) = report["not_attempted"]
    assert (left["frame"], left["cause"]) == ("00012.png", "disk-read-error")
    assert "Input/output error" in left["evidence"]
    (frames / "00012.png").unlink()
    (frames / "00012.png").write_bytes(kept)
    assert resumed(tmp_path, frames, output)["frames"]["extracted"] == FRAMES


@linux
def test_a_disk_that_reads_no_frame_any_more_stops_the_run_and_blames_none(tmp_path: Path) -> None:
    frames, output = small_frames(tmp_path / "frames", FRAMES), tmp_path / "aligned"
    kept = {path: path.read_bytes() for path in frames.iterdir()}
    with running(tmp_path, frames, output, "--folder-timeout", "1") as run:
        fail_to_read(*kept)
        report = run.end()
        said = run.said.read_text()
    assert run.process.returncode == 3, said
    assert report["run"]["stop"]["cause"] == "disk-read-error"
    assert report["frames"]["quarantined"] == 0
    for path, content in kept.items():
        path.unlink()
        path.write_bytes(content)
    assert resumed(tmp_path, frames, output)["frames"]["extracted"] == FRAMES


@linux
def test_a_frame_whose_disk_failed_before_its_content_was_noted_is_the_same_the_next_day(
    tmp_path: Path,
) -> None:
    frames, output = small_frames(tmp_path / "frames", FRAMES), tmp_path / "aligned"
    with running(tmp_path, frames, output) as run:
        report = run.end()
    assert run.process.returncode == 0 and report["frames"]["extracted"] == FRAMES
    database = sqlite3.connect(next((tmp_path / "aligned_dflwrap").rglob("run.db")))
    database.execute("UPDATE frames SET fingerprint = NULL")
    database.commit()
    database.close()
    before = {path.name: path.stat().st_mtime_ns for path in output.iterdir()}
    for path in frames.iterdir():
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content)
    assert resumed(tmp_path, frames, output)["frames"]["extracted"] == FRAMES
    assert {path.name: path.stat().st_mtime_ns for path in output.iterdir()} == before


@linux
def test_without_events_per_frame_a_removed_frame_is_told_from_a_bad_one_too(tmp_path: Path) -> None:
    frames, output = small_frames(tmp_path / "frames", FRAMES), tmp_path / "aligned"
    with running(tmp_path, frames, output, "--no-agent") as run:
        (frames / "00012.png").unlink()
        report = run.end()
        said = run.said.read_text()
    assert run.process.returncode == 0, said
    assert [row["evidence"] for row in report["not_attempted"]] == ["removed during the run"]


# -- paths that are too long ----------------------------------------------------------------------


def deep(folder: Path, length: int) -> Path:
    """A folder below `folder` whose path has `length` characters."""
    while len(str(folder)) < length - 202:
        folder /= "d" * 200
    return folder / ("d" * (length - len(str(folder)) - 1))


@pytest.mark.posix
def test_a_frame_whose_own_name_makes_the_path_too_long_gets_a_short_one(tmp_path: Path) -> None:
    frames = tmp_path / "frames"
    frames.mkdir()
    long = picture(frames / f"{'a' * 90}.png").name
    folder = deep(tmp_path, 4095 - 60)
    folder.parent.mkdir(parents=True)
    batch = make_batch(frames, folder, [row(long, 7)])
    assert list(batch.frames) == ["dflwrap-0000007.png"]
    assert not batch.refused


@pytest.mark.posix
@pytest.mark.parametrize("entry", [Entry.LINK, Entry.CONVERT])
def test_a_run_folder_too_deep_for_any_file_stops_the_run_and_blames_no_frame(
    tmp_path: Path, entry: Entry
) -> None:
    frames = tmp_path / "frames"
    frames.mkdir()
    name = picture(frames / "a_long_enough_name.png").name
    folder = deep(tmp_path, 4095 - 8)
    folder.parent.mkdir(parents=True)
    with pytest.raises(NeedsUserError, match="too long") as raised:
        make_batch(frames, folder, [row(name, 7, entry)])
    assert raised.value.cause == "path-too-long"


def test_windows_not_found_for_a_long_path_is_no_missing_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its `CreateFile` says "path not found" of a path over 260 characters (not shown on Windows itself)."""
    folder = deep(tmp_path, 225)
    folder.parent.mkdir(parents=True, exist_ok=True)
    link = batches.make_link

    def as_windows(source: Path, target: Path, *, windows: bool) -> bool:
        if len(str(target)) > LONGEST_PATH:
            raise FileNotFoundError(errno.ENOENT, "The system cannot find the path specified", str(target))
        return link(source, target, windows=windows)

    monkeypatch.setattr(batches, "make_link", as_windows)
    long = picture(tmp_path / f"{'a' * 80}.png").name
    batch = make_batch(tmp_path, folder, [row(long, 3)])
    assert list(batch.frames) == ["dflwrap-0000003.png"]
    assert not batch.refused and not batch.unread
