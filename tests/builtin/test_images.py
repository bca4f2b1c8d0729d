"""Frames are read as DeepFaceLab reads them, and what is no whole image says why."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from dflwrap.extractors.builtin.images import UnreadableFrameError, read_frame
from dflwrap.samples import make_frames


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("frames")
    make_frames(path, frames=1, size=(640, 360), ugly=True)
    return path


def difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(int) - b.astype(int)).mean())


@pytest.mark.parametrize(
    "name",
    [
        "sixteen_bit.png",
        "gray.png",
        "alpha.png",
        "cmyk.jpg",
        "modern.webp",
        "bitmap.bmp",
        "UPPER.JPG",
        "twin.png",
    ],
)
def test_every_kind_of_image_becomes_three_channels_of_eight_bits(folder: Path, name: str) -> None:
    frame = read_frame(folder / name)
    assert frame.shape == (360, 640, 3)
    assert frame.dtype == np.uint8
    true = cv2.imread(str(folder / "bitmap.bmp"))
    if name == "gray.png":
        assert difference(frame, np.repeat(true[:, :, 1:2], 3, axis=2)) == 0
    else:
        # 0 for what is lossless; JPEG, WebP and the way over CMYK cost a few steps.
        assert difference(frame, true) < (0.5 if name.endswith((".png", ".bmp")) else 6)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("truncated.jpg", "cut short"),
        ("zero_bytes.jpg", "empty"),
        ("text.png", "cannot be decoded"),
        ("folder_named.jpg", "not a file|cannot be read"),
        ("broken_link.jpg", "cannot be read"),
    ],
)
def test_what_is_no_image_is_refused_with_the_reason(folder: Path, name: str, reason: str) -> None:
    with pytest.raises(UnreadableFrameError, match=reason):
        read_frame(folder / name)


def test_exif_does_not_turn_a_frame(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (64, 32), "red").save(tmp_path / "turned.jpg", exif=exif)
    assert read_frame(tmp_path / "turned.jpg").shape == (32, 64, 3)


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "I;16"])
def test_rare_png_modes_are_read(tmp_path: Path, mode: str) -> None:
    Image.new("L", (40, 30), 255).convert("L" if mode == "I;16" else mode).save(tmp_path / "x.png")
    if mode == "I;16":
        cv2.imwrite(str(tmp_path / "x.png"), np.full((30, 40), 65535, np.uint16))
    frame = read_frame(tmp_path / "x.png")
    assert frame.shape == (30, 40, 3)
    assert (frame == 255).all()


def test_float_tiff_is_scaled(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "x.tiff"), np.full((30, 40, 3), 0.5, np.float32))
    assert (read_frame(tmp_path / "x.tiff") == 128).all()
