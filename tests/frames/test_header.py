"""A frame is judged by its bytes alone: no byte sequence raises, none is decoded to be judged."""

from __future__ import annotations

import io
import os
import struct
import sys
import time
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from dflwrap.frames.header import header_in, read_header
from dflwrap.frames.inventory import FrameEntry, take_inventory
from dflwrap.frames.judgement import Entry, Judgement, judge
from dflwrap.frames.sizes import BOMB_PIXELS


def noise(width: int = 200, height: int = 160) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8))


def saved(kind: str, image: Image.Image | None = None, **how: Any) -> bytes:
    buffer = io.BytesIO()
    (image or noise()).save(buffer, kind, **how)
    return buffer.getvalue()


def judged(folder: Path, name: str, content: bytes) -> Judgement:
    (folder / name).write_bytes(content)
    (entry,) = (e for e in take_inventory(folder).frames if e.name == name)
    return judge(folder, entry)


def png_claiming(width: int, height: int) -> bytes:
    """A small valid PNG file whose header claims any size."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


GOOD = {
    "baseline.jpg": saved("JPEG"),
    "progressive.jpg": saved("JPEG", progressive=True),
    "gray.jpg": saved("JPEG", noise().convert("L")),
    "restart.jpg": saved("JPEG", restart_marker_blocks=2),
    "exif.jpg": saved("JPEG", exif=b"Exif\0\0MM\0*" + bytes(100)),
    "plain.png": saved("PNG"),
    "alpha.png": saved("PNG", noise().convert("RGBA")),
    "palette.png": saved("PNG", noise().convert("P")),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_frame_enters_as_it_is_with_its_size(tmp_path: Path, name: str) -> None:
    assert judged(tmp_path, name, GOOD[name]) == Judgement(Entry.LINK, longest_side=200)


@pytest.mark.parametrize("name", GOOD)
def test_a_frame_cut_anywhere_never_enters_as_it_is(tmp_path: Path, name: str) -> None:
    content = GOOD[name]
    cuts = {*range(1, 64), *range(64, len(content), max(1, len(content) // 60)), len(content) - 1}
    for length in sorted(cuts):
        result = judged(tmp_path, name, content[:length])
        if length < 8 and result.entry is Entry.CONVERT:
            continue  # too little to tell what it was: for the decoder to refuse
        assert result.entry is Entry.REFUSE, (length, result)
        assert result.cause == "imread-failed" and result.reason


def test_an_empty_frame_is_told_from_a_damaged_one(tmp_path: Path) -> None:
    assert judged(tmp_path, "a.jpg", b"").cause == "zero-byte-image"
    assert "zero bytes" in judged(tmp_path, "b.jpg", bytes(9000)).reason
    assert "git-LFS" in judged(tmp_path, "c.png", b"version https://git-lfs.github.com/spec/v1\n").reason
    assert "text" in judged(tmp_path, "d.png", b"<html>404</html>").reason


@pytest.mark.parametrize("more", [b"x", bytes(200_000), b"\xff" * 70_000, b"MotionPhoto" * 30_000])
@pytest.mark.parametrize("name", ["baseline.jpg", "progressive.jpg", "plain.png"])
def test_bytes_after_the_end_of_the_image_do_no_harm(tmp_path: Path, name: str, more: bytes) -> None:
    assert judged(tmp_path, name, GOOD[name] + more).entry is Entry.LINK


@pytest.mark.parametrize("name", ["baseline.jpg", "progressive.jpg", "gray.jpg"])
def test_a_header_is_read_the_same_wherever_the_first_read_ends(name: str, tmp_path: Path) -> None:
    """A comment moves the header over the end of the first 4096 bytes, by one byte at a time."""
    data, path = GOOD[name], tmp_path / name
    plain = header_in(io.BytesIO(data))
    assert (plain.width, plain.height, plain.bits, plain.whole) == (200, 160, 8, True)
    until_scan = data.index(b"\xff\xda")
    for length in range(4096 - until_scan - 20, 4096 + 10):
        moved = data[:2] + b"\xff\xfe" + struct.pack(">H", length) + bytes(length - 2) + data[2:]
        path.write_bytes(moved)
        assert header_in(io.BytesIO(moved)) == read_header(path) == plain
        assert header_in(io.BytesIO(moved[:4100])).whole is False


def test_a_file_that_a_crash_filled_up_with_zeros_is_cut_short(tmp_path: Path) -> None:
    for name in ("baseline.jpg", "plain.png"):
        half = GOOD[name][: len(GOOD[name]) // 2]
        assert "cut short" in judged(tmp_path, name, half + bytes(300_000)).reason


def test_the_end_mark_is_found_where_two_reads_meet(tmp_path: Path) -> None:
    whole = GOOD["plain.png"]
    body = 33 + (1 << 20)  # the search reads from byte 33 in steps of 1 MiB
    for offset in range(-9, 2):
        padded = whole[:33] + bytes(body + offset - 33) + b"IEND\xaeB`\x82" + bytes(100_000)
        assert judged(tmp_path, "a.png", padded).entry is Entry.LINK, offset
        assert judged(tmp_path, "b.png", padded.replace(b"IEND", b"IENX")).entry is Entry.REFUSE


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("cmyk.jpg", saved("JPEG", noise().convert("CMYK")), "CMYK"),
        ("deep.png", saved("PNG", Image.fromarray(np.full((160, 200), 40000, np.uint16))), "16 bits"),
        ("scan.tif", saved("TIFF"), "TIFF"),
        ("modern.webp", saved("WEBP"), "passes over .webp"),
        ("old.bmp", saved("BMP"), "passes over .bmp"),
        ("moving.gif", saved("GIF", noise().convert("P")), "passes over .gif"),
        ("liar.jpg", saved("WEBP"), "not the format its name says"),
        ("odd.jpg", b"\xff\xd8" + bytes(500), "unusual header"),
        ("huge.png", png_claiming(12_000, 9_000), "downscaled to 8000"),
    ],
)
def test_what_an_extractor_would_miss_or_misread_is_converted(
    tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    result = judged(tmp_path, name, content)
    assert result.entry is Entry.CONVERT
    assert reason in result.reason
    assert not result.plain_name


@pytest.mark.parametrize(
    ("size", "cause"),
    [
        ((127, 500), "image-too-small"),
        ((500, 127), "image-too-small"),
        ((40_000, 40_000), "huge-image"),
        ((2**31 - 1, 2**31 - 1), "huge-image"),
        ((0, 500), "imread-failed"),
    ],
)
def test_a_size_that_no_extractor_survives_is_refused_undecoded(
    tmp_path: Path, size: tuple[int, int], cause: str
) -> None:
    began = time.process_time()
    result = judged(tmp_path, "a.png", png_claiming(*size))
    assert (result.entry, result.cause) == (Entry.REFUSE, cause)
    assert time.process_time() - began < 0.5
    assert size[0] * size[1] > BOMB_PIXELS or cause != "huge-image"


SCRATCH = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
STARTS = [b"", b"\xff\xd8", b"\xff\xd8\xff\xc0", b"\x89PNG\r\n\x1a\n", b"II*\0", b"BM", b"RIFF....WEBP"]


@SCRATCH
@given(st.sampled_from(STARTS), st.binary(max_size=400), st.sampled_from([".jpg", ".png", ".tif", ".webp"]))
def test_any_bytes_are_judged(tmp_path: Path, start: bytes, rest: bytes, suffix: str) -> None:
    result = judged(tmp_path, "any" + suffix, start + rest)
    assert result.entry is not Entry.REFUSE or (result.reason and result.cause)


@SCRATCH
@given(st.sampled_from(sorted(GOOD)), st.data())
def test_any_damage_to_a_good_file_is_judged(tmp_path: Path, name: str, data: st.DataObject) -> None:
    content = bytearray(GOOD[name])
    for position in data.draw(st.lists(st.integers(0, 700), min_size=1, max_size=8)):
        content[position % len(content)] = data.draw(st.integers(0, 255))
    result = judged(tmp_path, name, bytes(content))
    assert result.entry is not Entry.REFUSE or (result.reason and result.cause)


def test_endless_markers_end(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"\xff\xd8" + b"\xff" * 5_000_000)
    began = time.process_time()
    assert read_header(path).kind == "damaged"
    path.write_bytes(b"\xff\xd8" + b"\xff\xe0\x00\x02" * 100_000)
    assert read_header(path).kind == "damaged"
    assert time.process_time() - began < 2


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX file types")
def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "device.jpg").symlink_to("/dev/zero")
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "broken.jpg").symlink_to(tmp_path / "gone.jpg")
    (tmp_path / "circle.jpg").symlink_to(tmp_path / "circle.jpg")
    reasons = {entry.name: judge(tmp_path, entry) for entry in take_inventory(tmp_path).frames}
    assert len(reasons) == 5
    assert all(r.entry is Entry.REFUSE and r.cause == "imread-failed" for r in reasons.values())
    assert "pipe" in reasons["pipe.jpg"].reason
    assert "device" in reasons["device.jpg"].reason
    assert "folder" in reasons["folder.jpg"].reason
    assert "link" in reasons["broken.jpg"].reason


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_a_frame_without_permission_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(GOOD["baseline.jpg"])
    (tmp_path / "a.jpg").chmod(0)
    (entry,) = take_inventory(tmp_path).frames
    assert "Permission" in judge(tmp_path, entry).reason


def test_a_frame_that_vanishes_between_list_and_look_is_refused(tmp_path: Path) -> None:
    result = judge(tmp_path, FrameEntry("gone.jpg", 10, 10))
    assert result.entry is Entry.REFUSE
    assert "cannot be opened" in result.reason


def test_opencv_reads_what_is_called_good(tmp_path: Path) -> None:
    """The files above are what they are said to be: the reader that DFL uses takes them."""
    for name, content in GOOD.items():
        (tmp_path / name).write_bytes(content)
        assert cv2.imread(str(tmp_path / name)) is not None
