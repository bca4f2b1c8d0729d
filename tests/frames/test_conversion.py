"""Converted frames have the right pixels, and no image takes the run with it."""

from __future__ import annotations

import errno
import os
import signal
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest
from disks import small_disk
from PIL import Image

from dflwrap.frames import conversion
from dflwrap.frames.conversion import ConversionError, Converter
from dflwrap.frames.decoding.decoder import MEMORY_BOUND
from dflwrap.frames.judgement import judge_size
from dflwrap.frames.sizes import scaled_size

posix = pytest.mark.skipif(sys.platform == "win32", reason="pipes and signals of POSIX")


@pytest.fixture(scope="module")
def converter() -> Iterator[Converter]:
    with Converter() as one:
        yield one


def gradient(width: int = 150, height: int = 140) -> np.ndarray:
    """BGR, each channel another slope."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    return np.stack((x % 256, y % 256, (x + y) % 256), axis=2).astype(np.uint8)


def converted(converter: Converter, source: Path, max_side: int = 0) -> np.ndarray:
    target = source.with_name(source.name + ".out.png")
    result = converter.convert(source, target, max_side)
    image = cv2.imread(str(target), cv2.IMREAD_UNCHANGED)
    assert image is not None and image.dtype == np.uint8
    assert image.shape == (result.out_height, result.out_width, 3)
    return image


def test_a_gray_frame(converter: Converter, tmp_path: Path) -> None:
    gray = gradient()[:, :, 0]
    cv2.imwrite(str(tmp_path / "a.png"), gray)
    assert (converted(converter, tmp_path / "a.png") == gray[:, :, None]).all()


def test_alpha_is_dropped_not_blended(converter: Converter, tmp_path: Path) -> None:
    image = gradient()
    alpha = np.full((*image.shape[:2], 1), 7, np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), np.concatenate((image, alpha), axis=2))
    assert (converted(converter, tmp_path / "a.png") == image).all()


def test_gray_with_alpha(converter: Converter, tmp_path: Path) -> None:
    gray = gradient()[:, :, 0]
    Image.merge("LA", [Image.fromarray(gray), Image.new("L", (150, 140), 9)]).save(tmp_path / "a.png")
    assert (converted(converter, tmp_path / "a.png") == gray[:, :, None]).all()


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bits_are_scaled_to_eight(converter: Converter, tmp_path: Path, suffix: str) -> None:
    image = gradient()
    cv2.imwrite(str(tmp_path / f"a{suffix}"), image.astype(np.uint16) * 257)
    assert (converted(converter, tmp_path / f"a{suffix}") == image).all()


def test_floats_from_nought_to_one(converter: Converter, tmp_path: Path) -> None:
    image = gradient()
    floats = image.astype(np.float32) / 255
    floats[0, 0] = np.nan
    floats[0, 1] = 1e30
    floats[0, 2] = -np.inf
    cv2.imwrite(str(tmp_path / "a.tif"), floats)
    result = converted(converter, tmp_path / "a.tif")
    assert (result[1:] == image[1:]).all()
    assert (result[0, 0] == 0).all() and (result[0, 1] == 255).all() and (result[0, 2] == 0).all()


def test_a_palette(converter: Converter, tmp_path: Path) -> None:
    picture = Image.fromarray(gradient()[:, :, ::-1]).quantize(16)
    picture.save(tmp_path / "a.png")
    expected = np.asarray(picture.convert("RGB"))[:, :, ::-1]
    assert (converted(converter, tmp_path / "a.png") == expected).all()


@pytest.mark.parametrize("suffix", [".webp", ".bmp", ".tif", ".ppm"])
def test_formats_that_deepfacelab_passes_over(converter: Converter, tmp_path: Path, suffix: str) -> None:
    image = gradient()
    source = tmp_path / f"a{suffix}"
    how = [cv2.IMWRITE_WEBP_QUALITY, 101] if suffix == ".webp" else []
    assert cv2.imwrite(str(source), image, how)
    assert (converted(converter, source) == image).all()


def test_cmyk_comes_out_in_its_own_colours(converter: Converter, tmp_path: Path) -> None:
    Image.new("RGB", (150, 140), (200, 40, 90)).convert("CMYK").save(tmp_path / "a.jpg", quality=98)
    result = converted(converter, tmp_path / "a.jpg").reshape(-1, 3).mean(axis=0)
    assert np.abs(result - (90, 40, 200)).max() < 12


def test_the_turning_tag_is_not_applied(converter: Converter, tmp_path: Path) -> None:
    """DFL's coordinates are those of the stored pixels."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(gradient()).save(tmp_path / "a.jpg", exif=exif)
    assert converted(converter, tmp_path / "a.jpg").shape == (140, 150, 3)


def test_a_large_side_is_brought_down_and_both_sizes_are_told(converter: Converter, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), gradient(901, 450))
    result = converter.convert(tmp_path / "a.png", tmp_path / "b.png", 300)
    assert (result.width, result.height, result.out_width, result.out_height) == (901, 450, 300, 150)
    assert converted(converter, tmp_path / "a.png", 901).shape == (450, 901, 3)


@pytest.mark.parametrize(
    ("size", "max_side", "expected"),
    [
        ((4000, 500), 960, (1024, 128)),
        ((500, 4000), 960, (128, 1024)),
        ((4000, 130), 960, (3938, 128)),
        ((4000, 128), 960, (4000, 128)),
        ((4000, 100), 960, (4000, 100)),
        ((1920, 1080), 960, (960, 540)),
        ((7680, 1024), 960, (960, 128)),
        ((640, 360), 960, (640, 360)),
        ((4000, 500), 0, (4000, 500)),
    ],
)
def test_downscaling_never_makes_a_frame_too_small_to_be_looked_at(
    size: tuple[int, int], max_side: int, expected: tuple[int, int]
) -> None:
    assert scaled_size(*size, max_side) == expected
    assert judge_size(*size) is not None or judge_size(*expected) is None


def test_a_wide_strip_keeps_its_shorter_side(converter: Converter, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), gradient(4000, 500))
    assert converted(converter, tmp_path / "a.png", 960).shape[:2] == (128, 1024)


def test_names_of_any_bytes(converter: Converter, tmp_path: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("only here may a name be any bytes")
    source = tmp_path / os.fsdecode(b"\xff;'\n%s.png")
    source.write_bytes(cv2.imencode(".png", gradient())[1].tobytes())
    result = converter.convert(source, tmp_path / "out.png")
    assert (result.width, result.height) == (150, 140)


def bomb(side: int, bits: int) -> bytes:
    """A valid PNG of side x side black pixels (RGB) in a few megabytes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    row, step = 1 + side * 3 * bits // 8, 40
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(row * step)) + packer.flush(zlib.Z_FULL_FLUSH)
    adler = (row * side % 65521) << 16 | 1  # of zeros
    data = b"\x78\xda" + block * (side // step) + b"\x03\x00" + struct.pack(">I", adler)
    header = struct.pack(">IIBBBBB", side, side, bits, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def test_the_bomb_is_a_valid_image(tmp_path: Path) -> None:
    for bits in (8, 16):
        (tmp_path / "small.png").write_bytes(bomb(400, bits))
        image = cv2.imread(str(tmp_path / "small.png"), cv2.IMREAD_UNCHANGED)
        assert image is not None and image.shape == (400, 400, 3) and not image.any()


@pytest.mark.parametrize(("side", "bits"), [(40_000, 8), (32_000, 16)])
def test_a_bomb_ends_as_an_error_within_its_memory(
    converter: Converter, tmp_path: Path, side: int, bits: int
) -> None:
    """The first has more pixels than OpenCV takes, the second needs more memory than is allowed."""
    (tmp_path / "bomb.png").write_bytes(bomb(side, bits))
    with pytest.raises(ConversionError):
        converter.convert(tmp_path / "bomb.png", tmp_path / "out.png")
    assert not (tmp_path / "out.png").exists()
    child = converter._started().process
    if sys.platform == "linux":
        peak = Path(f"/proc/{child.pid}/status").read_text().split("VmPeak:")[1].split()[0]
        assert int(peak) * 1024 <= MEMORY_BOUND
    cv2.imwrite(str(tmp_path / "a.png"), gradient())
    assert (converted(converter, tmp_path / "a.png") == gradient()).all()


@posix
def test_a_killed_decoder_costs_one_image(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), gradient())
    os.mkfifo(tmp_path / "pipe.png")
    with Converter() as converter:
        converted(converter, tmp_path / "a.png")
        child = converter._started().process
        killer = subprocess.Popen(
            [sys.executable, "-c", f"import os,time; time.sleep(.5); os.kill({child.pid}, 9)"]
        )
        with pytest.raises(ConversionError, match=r"the decoder died of it \(exit status -9\)"):
            converter.convert(tmp_path / "pipe.png", tmp_path / "never.png")  # it waits in the pipe
        killer.wait()
        (tmp_path / "a.png.out.png").unlink()
        assert (converted(converter, tmp_path / "a.png") == gradient()).all()


def test_a_decoder_that_died_between_two_images_costs_none(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), gradient())
    with Converter() as converter:
        converter.convert(tmp_path / "a.png", tmp_path / "1.png")
        child = converter._started().process
        child.kill()
        child.wait()
        converter.convert(tmp_path / "a.png", tmp_path / "2.png")
    assert (tmp_path / "1.png").read_bytes() == (tmp_path / "2.png").read_bytes()


@posix
def test_an_image_that_never_ends_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversion, "TIMEOUT", 1.0)
    os.mkfifo(tmp_path / "pipe.png")
    with Converter() as converter:
        began = time.monotonic()
        with pytest.raises(ConversionError, match="more than 1 s"):
            converter.convert(tmp_path / "pipe.png", tmp_path / "out.png")
        assert time.monotonic() - began < 10
        monkeypatch.setattr(conversion, "TIMEOUT", 60.0)
        cv2.imwrite(str(tmp_path / "good.png"), np.zeros((40, 60, 3), np.uint8))
        assert converter.convert(tmp_path / "good.png", tmp_path / "out.png").width == 60, (
            "the next one is read"
        )


@posix
def test_ctrl_c_at_the_terminal_is_not_blamed_on_an_image(tmp_path: Path) -> None:
    """The terminal signals the whole foreground group: the decoder must not be in it."""
    with Converter() as converter:
        child = converter._started().process
        assert os.getpgid(child.pid) != os.getpgid(0)
        assert psutil.Process(child.pid).is_running()


@posix
def test_a_decoder_ends_with_its_parent(tmp_path: Path) -> None:
    script = (
        "import sys, time; from dflwrap.frames.conversion import Converter\n"
        "print(Converter()._started().process.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    child.wait(10)


def test_what_cannot_be_written_is_not_blamed_on_the_image(converter: Converter, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), gradient())
    with pytest.raises(OSError) as raised:
        converter.convert(tmp_path / "a.png", tmp_path / "no such folder" / "out.png")
    assert raised.value.errno == errno.ENOENT


def test_a_full_disk_is_not_blamed_on_the_image(converter: Converter, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (1200, 1200, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), noise)
    with small_disk(tmp_path / "disk") as disk:
        with pytest.raises(OSError) as raised:
            converter.convert(tmp_path / "a.png", disk / "out.png")
        assert raised.value.errno == errno.ENOSPC
        assert list(disk.iterdir()) == []


@posix
def test_an_existing_file_is_never_written_over(converter: Converter, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), gradient())
    (tmp_path / "users.png").write_bytes(b"precious")
    (tmp_path / "link.png").symlink_to(tmp_path / "users.png")
    for name in ("users.png", "link.png"):
        with pytest.raises(FileExistsError):
            converter.convert(tmp_path / "a.png", tmp_path / name)
    assert (tmp_path / "users.png").read_bytes() == b"precious"


@pytest.mark.parametrize("content", [b"", b"junk", b"\xff\xd8\xff\xe0" + bytes(50), b"II*\0" + b"\xff" * 64])
def test_what_is_no_image_is_one_clear_error(converter: Converter, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(ConversionError) as raised:
        converter.convert(tmp_path / "a.tif", tmp_path / "out.png")
    assert 0 < len(str(raised.value)) < 300 and "\n" not in str(raised.value)


def test_one_that_another_thread_closes_as_its_child_starts_says_so(tmp_path: Path) -> None:
    """Ctrl-C, twice: the checks of an attempt are ended while the first one begins."""

    class ClosedMeanwhile(Converter):
        def __setattr__(self, name: str, value: object) -> None:
            super().__setattr__(name, value)
            if name == "_child" and value is not None:
                self.close()

    frame = tmp_path / "0001.png"
    assert cv2.imwrite(str(frame), np.zeros((40, 40, 3), np.uint8))
    with pytest.raises(ConversionError, match="died"):
        ClosedMeanwhile().look(frame)
