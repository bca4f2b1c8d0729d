"""Frames made ready ahead of the workers: bounded, each once, whole as soon as they show, and cheap to look at."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from disks import small_disk
from support import until

from dflwrap.frames.filters import Filters
from dflwrap.frames.header import read_header
from dflwrap.frames.judgement import Entry
from dflwrap.ledger.records import FrameRow
from dflwrap.supervisor.batch import Batch, FrameMaker, Made, Room
from dflwrap.supervisor.stream.frame_stream import FrameStream
from dflwrap.telemetry.host import free_space

SECONDS = 60.0
MOST_BYTES = 16 * 1024
"""That may be read of a frame, on average, before it is handed out."""


def row(number: int, name: str, entry: Entry = Entry.UNSEEN) -> FrameRow:
    return FrameRow(number, name, name, Path(name).stem, entry, True, 0, None, 0, None, None, None, 0)


def many(folder: Path, count: int, ending: str = ".png") -> list[FrameRow]:
    """Frames of one picture; rows that were not looked at."""
    folder.mkdir()
    data = cv2.imencode(ending, np.full((160, 200, 3), 90, np.uint8))[1].tobytes()
    rows = [row(number, f"{number:05d}{ending}") for number in range(1, count + 1)]
    for one in rows:
        (folder / one.file_name).write_bytes(data)
    return rows


@contextmanager
def running(
    tmp_path: Path, rows: list[FrameRow], *, ahead: int, filters: Filters | None = None, most: int = 0
) -> Iterator[tuple[FrameStream, Batch]]:
    (tmp_path / "in").mkdir()
    batch = Batch()
    maker = FrameMaker(tmp_path / "frames", tmp_path / "in", batch, 0, filters or Filters(), set(), most)
    stream = FrameStream(maker, deque(rows), 2, ahead=ahead)
    stream.start()
    try:
        yield stream, batch
    finally:
        stream.close()


def results(stream: FrameStream) -> list[Made]:
    return [stream.results.get_nowait() for _ in range(stream.results.qsize())]


def test_no_more_frames_are_ready_than_asked_for_until_workers_take_them(tmp_path: Path) -> None:
    rows = many(tmp_path / "frames", 50)
    with running(tmp_path, rows, ahead=10) as (stream, batch):
        assert until(lambda: stream.results.qsize() == 10, SECONDS)
        assert not until(lambda: stream.results.qsize() > 10, 0.5) and not stream.finished
        taken = results(stream)
        for made in taken[:4]:
            stream.taken(made.row.id)
        assert until(lambda: len(batch.frames) == 14, SECONDS)
        for made in taken[4:]:
            stream.taken(made.row.id)
        while not stream.finished:
            for made in results(stream):
                stream.taken(made.row.id)
    assert sorted(frame.id for frame in batch.frames.values()) == [frame.id for frame in rows], "each once"
    assert sorted(os.listdir(tmp_path / "in")) == sorted(batch.frames)  # noqa: PTH208


def test_a_copy_shows_as_an_image_only_when_it_is_whole(tmp_path: Path) -> None:
    rows = many(tmp_path / "frames", 30, ".webp")
    torn = []
    with running(tmp_path, rows, ahead=100) as (stream, batch):
        while not stream.finished:
            names = [name for name in os.listdir(tmp_path / "in") if name.endswith(".png")]  # noqa: PTH208
            torn += [name for name in names if name not in batch.frames]
            torn += [name for name in names if read_header(tmp_path / "in" / name).whole is not True]
    assert torn == [] and len(batch.frames) == 30
    assert {frame.entry for frame in batch.frames.values()} == {Entry.CONVERT}
    assert not list((tmp_path / "in").glob("*.new"))


def test_the_end_is_heard_amid_a_conversion(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    cv2.imwrite(str(folder / "00001.png"), np.zeros((6000, 8000, 3), np.uint8))
    rows = [row(number, f"{number:05d}.png", Entry.CONVERT) for number in range(1, 30)]
    for one in rows[1:]:
        os.link(folder / "00001.png", folder / one.file_name)
    with running(tmp_path, rows, ahead=100) as (stream, batch):
        assert until(lambda: stream.results.qsize() > 0, SECONDS)
    assert stream.finished and stream.error is None
    assert 0 < len(batch.frames) < len(rows)
    assert not [made for made in results(stream) if made.refused], "it was called off, and is not to blame"


def test_what_cannot_be_handed_out_is_told_with_its_reason_and_holds_up_nothing(tmp_path: Path) -> None:
    rows = many(tmp_path / "frames", 6)
    (tmp_path / "frames" / "00002.png").write_text("no picture")
    (tmp_path / "frames" / "00003.png").unlink()
    cv2.imwrite(str(tmp_path / "frames" / "00004.png"), np.zeros((160, 200, 3), np.uint8))
    with running(tmp_path, rows, ahead=2, filters=Filters(skip_black=True)) as (stream, batch):
        found: dict[str, Made] = {}

        def all_there() -> bool:
            for made in results(stream):
                found[made.row.file_name] = made
                stream.taken(made.row.id)
            return len(found) == 6

        assert until(all_there, SECONDS)
    refused, unread, black = (found[f"0000{number}.png"] for number in (2, 3, 4))
    assert refused.refused is not None and refused.refused.cause == "imread-failed"
    assert unread.unread is not None and unread.looked is None
    assert black.left_out.startswith("black")
    assert sorted(batch.frames) == ["00001.png", "00005.png", "00006.png"]


def test_a_whole_batch_ends_at_its_limit_once_a_frame_must_be_converted(tmp_path: Path) -> None:
    rows = many(tmp_path / "frames", 30)
    data = cv2.imencode(".webp", np.full((160, 200, 3), 90, np.uint8))[1].tobytes()
    (tmp_path / "frames" / "99999.webp").write_bytes(data)
    rows.insert(20, row(99999, "99999.webp"))
    with running(tmp_path, rows, ahead=0, most=10) as (stream, batch):
        assert until(lambda: stream.finished, SECONDS)
    assert 20 <= len(batch.frames) <= 22, (
        "links cost nothing; it ends before the frame that must be converted"
    )
    assert not batch.copies and stream.limited


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells what was read")
@pytest.mark.parametrize("ending", [".jpg", ".png"])
def test_little_is_read_of_a_frame_before_it_is_handed_out(tmp_path: Path, ending: str) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (700, 900, 3), dtype=np.uint8)
    folder, count = tmp_path / "frames", 60
    folder.mkdir()
    data = cv2.imencode(ending, noise)[1].tobytes()
    if ending == ".jpg":  # with a camera's preview before the picture
        data = data[:2] + b"\xff\xe1\xea\x60" + bytes(0xEA60 - 2) + data[2:]
    rows = [row(number, f"{number:05d}{ending}") for number in range(1, count + 1)]
    for one in rows:
        (folder / one.file_name).write_bytes(data)
    assert len(data) > 20 * MOST_BYTES
    before = _bytes_read()
    with running(tmp_path, rows, ahead=0) as (stream, batch):
        assert until(lambda: stream.finished, SECONDS)
    assert len(batch.linked) == count
    assert (_bytes_read() - before) / count <= MOST_BYTES


def _bytes_read() -> int:
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("rchar:")))


@pytest.mark.parametrize("threads", [1, 4])
def test_copies_leave_free_what_is_to_be_left_free(tmp_path: Path, threads: int) -> None:
    """Also where several are made at once: each has seen the room that the others are about to take."""
    frames = tmp_path / "frames"
    frames.mkdir()
    noise = np.random.default_rng(7)
    rows = [row(number, f"{number:04d}.bmp") for number in range(1, 15)]
    for one in rows:
        assert cv2.imwrite(str(frames / one.name), noise.integers(0, 255, (400, 480, 3), dtype=np.uint8))
    with small_disk(tmp_path / "disk", "5m") as disk:
        stream = FrameStream(FrameMaker(frames, disk, Batch()), deque(rows), threads)
        kept = Room.at(disk).kept
        stream.start()
        try:
            assert until(lambda: len(list(disk.glob("*.png"))) >= 4, 60)
            still = -1
            while still != (still := len(list(disk.glob("*")))):
                time.sleep(1.0)
            left = free_space(disk)
            assert left is not None and left >= kept
            assert not stream.finished and stream.error is None
        finally:
            stream.close()
