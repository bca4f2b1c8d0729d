"""What a decoder child measures is what plain OpenCV and NumPy say of the picture, however it gets there."""

from __future__ import annotations

import io
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest
from damaged import encoded
from dhash import dhash_int
from frame_folders import pictures, save
from PIL import Image

from dflwrap.check.quality import DARK_SHARE, flaw_of
from dflwrap.check.thresholds import Thresholds
from dflwrap.frames import decoder_child, many
from dflwrap.frames.conversion import Converter
from dflwrap.frames.decoding.measures import GRID, HASH_SIDE, LONG_SIDE, WHITE, Measures
from dflwrap.frames.many import DecoderPool

SIZES = ((640, 360), (641, 363), (256, 256), (1280, 720), (200, 1500), (131, 143), (1920, 1080))
AREA = cv2.INTER_AREA


@pytest.fixture(scope="module")
def child() -> Iterator[Converter]:
    with Converter() as converter:
        yield converter


def measured(child: Converter, path: Path, dark_below: float = 64) -> Measures:
    return child.measure([(path, path.stat().st_size)], dark_below)[0]


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize("gain", [0.2, 1.0, 4.0])
def test_figures_are_those_of_their_definition(
    size: tuple[int, int], suffix: str, gain: float, child: Converter, tmp_path: Path
) -> None:
    (picture,) = pictures(1, size)
    path = tmp_path / f"a{suffix}"
    save(path, cv2.convertScaleAbs(picture, alpha=gain))  # type: ignore[arg-type]
    found = measured(child, path).pixels
    assert found is not None

    flags = cv2.IMREAD_REDUCED_GRAYSCALE_2 if max(size) >= 2 * LONG_SIDE else cv2.IMREAD_GRAYSCALE
    gray = cv2.imread(str(path), flags if suffix == ".jpg" else cv2.IMREAD_COLOR)
    assert gray is not None
    gray = gray if gray.ndim == 2 else cv2.cvtColor(gray, cv2.COLOR_BGR2GRAY)
    scale = LONG_SIDE / max(gray.shape)
    if scale < 1:
        gray = cv2.resize(
            gray, (round(gray.shape[1] * scale), round(gray.shape[0] * scale)), interpolation=AREA
        )
    assert found.mean == pytest.approx(gray.mean())
    assert found.dark == pytest.approx((gray < 64).mean())
    assert found.white == pytest.approx((gray >= WHITE).mean())
    assert found.sharpness == pytest.approx(cv2.Laplacian(gray, cv2.CV_64F).var())
    coarse = gray
    height, width = gray.shape[0] // 4, gray.shape[1] // 4
    if min(height, width) >= GRID:
        coarse = cv2.resize(gray[: 4 * height, : 4 * width], (width, height), interpolation=AREA)
    assert found.grid == cv2.resize(coarse, (GRID, GRID), interpolation=AREA).tobytes()
    side = HASH_SIDE + 1
    assert found.dhash == dhash_int(
        cv2.resize(coarse, (side, side), interpolation=AREA).ravel().tolist(), HASH_SIDE
    )
    across, down = (float(np.abs(np.diff(gray.astype(int), axis=axis)).mean()) for axis in (1, 0))
    assert found.across == (pytest.approx(across / down) if size[0] == size[1] else 0.0)


@pytest.mark.parametrize("dark_below", [0, 0.5, 1, 63.5, 64, 255, 255.5, 256])
def test_a_frame_is_dark_where_its_95th_percentile_is_under_the_limit(
    dark_below: float, child: Converter, tmp_path: Path
) -> None:
    path, ramp = tmp_path / "a.png", np.arange(256, dtype=np.uint8)
    for shift in (-60, 0, 190, 191, 192, 193, 255):
        gray = np.tile(np.clip(ramp.astype(int) - shift, 0, 255).astype(np.uint8), (256, 1))
        save(path, gray)
        found = measured(child, path, dark_below).pixels
        assert found is not None and found.dark == (gray < dark_below).mean()
        percentile = np.quantile(gray, DARK_SHARE, method="inverted_cdf")
        assert (flaw_of(found, Thresholds(dark_below=dark_below)) == "dark") == (
            percentile < dark_below and not found.black
        )


@pytest.mark.parametrize(("few", "black"), [(0, True), (320, True), (340, False)])
def test_a_black_frame_has_hardly_a_bright_pixel(
    few: int, black: bool, child: Converter, tmp_path: Path
) -> None:
    """0.5 % of 65,536 pixels are 327."""
    gray = np.full((256, 256), 11, np.uint8)
    gray.ravel()[:few] = 41
    save(tmp_path / "a.png", gray)
    found = measured(child, tmp_path / "a.png").pixels
    assert found is not None and found.black == black
    save(tmp_path / "b.png", gray + 2)
    brighter = measured(child, tmp_path / "b.png").pixels
    assert brighter is not None and not brighter.black


def turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


def test_a_turn_is_found_past_a_segment_with_the_mark_of_a_scan(child: Converter, tmp_path: Path) -> None:
    """As a thumbnail has it."""
    picture, path = tmp_path / "picture.jpg", tmp_path / "a.jpg"
    save(picture, next(pictures(1)))
    data = encoded(picture, "JPEG", exif=turned(6))
    path.write_bytes(data[:2] + b"\xff\xe2\x00\x0a\xff\xda\xff\xd9more" + data[2:])
    found = measured(child, path)
    assert found.container.orientation == 6
    assert found.usable


def test_bytes_behind_a_picture_do_not_turn_it(child: Converter, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    save(path, next(pictures(1)))
    path.write_bytes(path.read_bytes() + turned(6))
    assert measured(child, path).container.orientation == 1


def test_measures_come_back_as_they_went(child: Converter, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.new("P", (200, 150), 3).save(buffer, "PNG", transparency=0)
    for name, data in (("a.png", buffer.getvalue()), ("b.png", b""), ("c.png", bytes(500))):
        path = tmp_path / name
        path.write_bytes(data)
        found = measured(child, path)
        assert Measures.from_json(found.to_json()) == found
        assert (found.pixels is not None) == (name == "a.png")


def test_a_long_request_reaches_the_child_too(child: Converter, tmp_path: Path) -> None:
    """More than a pipe takes at once."""
    path = tmp_path / "a.png"
    save(path, next(pictures(1, (128, 128))))
    count = 2 * decoder_child.AT_ONCE // len(os.fsencode(path).hex()) + 2
    found = child.measure([(path, path.stat().st_size)] * count, 64)
    assert len(found) == count and all(one.usable for one in found)


def requests(monkeypatch: pytest.MonkeyPatch, path: Path, sizes: list[int], children: int) -> list[list[int]]:
    """What a pool asks its children about files of these sizes: each one really `path`."""
    asked: list[list[int]] = []

    class Noting(Converter):
        def measure(self, files, dark_below):  # type: ignore[no-untyped-def]
            asked.append([size for _, size in files])
            return super().measure([(name, path.stat().st_size) for name, _ in files], dark_below)

    monkeypatch.setattr(many, "Converter", Noting)
    with DecoderPool(children) as pool:
        assert len(list(pool.measure(((path, size) for size in sizes), 64))) == len(sizes)
    return asked


def test_a_request_is_bounded_in_frames_and_in_bytes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    save(path, next(pictures(1, (128, 128))))
    sizes = [1] * (many.A_REQUEST + 4) + [many.A_REQUEST_BYTES] * 2 + [1]
    asked = requests(monkeypatch, path, sizes, 1)
    assert [len(one) for one in asked] == [many.A_REQUEST, 5, 1, 1]


def test_the_last_requests_are_small_so_that_the_children_end_together(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "a.png"
    save(path, next(pictures(1, (128, 128))))
    sizes = [many.A_FEW_BYTES + number for number in range(5 * many.A_REQUEST)]
    monkeypatch.setattr(many, "A_REQUEST_BYTES", sum(sizes))
    asked = requests(monkeypatch, path, sizes, 2)
    assert sorted(size for one in asked for size in one) == sizes
    lengths = sorted((len(one) for one in asked), reverse=True)
    assert lengths[:4] == [many.A_REQUEST] * 4 and lengths[-1] == 1
    for place, length in enumerate(lengths[4:], 4):
        assert length <= sum(lengths[place:]) / 2 + 1, "no more than is left for the other"


def test_a_few_small_files_are_one_request_and_start_one_child(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "a.png"
    save(path, next(pictures(1, (128, 128))))
    few, half = many.A_FEW, many.A_FEW_BYTES // 2
    assert requests(monkeypatch, path, [1] * few, 4) == [[1] * few]
    asked = requests(monkeypatch, path, [1] * 100, 4)
    assert sum(map(len, asked)) == 100 and min(map(len, asked)) <= few <= sorted(map(len, asked))[1]
    assert sorted(map(len, requests(monkeypatch, path, [half] * 6, 3))) == [2, 2, 2], "large ones are spread"


@pytest.mark.skipif(
    not sys.platform.startswith("linux") or platform.libc_ver()[0] != "glibc", reason="glibc's allocator"
)
def test_a_decoder_takes_no_fresh_pages_for_each_frame(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    save(path, next(pictures(1)))
    with Converter() as child:

        def faults(frames: int) -> int:
            child.measure([(path, path.stat().st_size)] * frames, 64)
            assert child._child is not None
            return int(
                Path(f"/proc/{child._child.process.pid}/stat").read_text().rpartition(")")[2].split()[7]
            )

        before = faults(20)
        assert (faults(100) - before) / 100 < 20  # a picture of 640x360 is 56 pages


def test_the_user_s_own_settings_of_the_allocator_stand(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "131072")
    path = tmp_path / "a.jpg"
    save(path, next(pictures(1)))
    with Converter() as child:
        child.measure([(path, path.stat().st_size)], 64)
        assert child._child is not None
        environment = psutil.Process(child._child.process.pid).environ()
    assert environment["MALLOC_TRIM_THRESHOLD_"] == "131072"
    assert "MALLOC_MMAP_THRESHOLD_" in environment
