"""Thumbnails come from the decoder child: small, upright as DeepFaceLab sees them, and nothing worse than an error."""

from __future__ import annotations

import base64
from pathlib import Path

import cv2
import numpy as np
import pytest

from dflwrap.frames.conversion import ConversionError, Converter, SourceUnreadError


def decoded(webp: str) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(base64.b64decode(webp), np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.bmp", "a.tif"])
def test_it_is_small_and_shows_the_picture(tmp_path: Path, name: str) -> None:
    picture = np.zeros((300, 600, 3), np.uint8)
    picture[:, 300:] = (0, 0, 255)
    assert cv2.imwrite(str(tmp_path / name), picture)
    with Converter() as converter:
        found = converter.thumbnail(tmp_path / name, 120, 60)
        assert (found.width, found.height) == (120, 60)
        image = decoded(found.webp)
        assert image.shape == (60, 120, 3)
        assert image[30, 20].max() < 30 and image[30, 100, 2] > 200
        assert converter.thumbnail(tmp_path / name, 4000, 60).width == 600, "never enlarged"


def test_sharp_and_blurred_are_told_apart(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (200, 200, 3), np.uint8)
    assert cv2.imwrite(str(tmp_path / "sharp.png"), noise)
    assert cv2.imwrite(str(tmp_path / "blurred.png"), cv2.GaussianBlur(noise, (31, 31), 0))
    with Converter() as converter:
        sharp, blurred = (converter.thumbnail(tmp_path / f"{n}.png", 100, 60) for n in ("sharp", "blurred"))
    assert sharp.sharpness > 50 * blurred.sharpness


def test_what_is_no_picture_is_an_error_and_the_next_one_comes(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "empty.png").write_bytes(b"")
    assert cv2.imwrite(str(tmp_path / "good.png"), np.zeros((150, 150), np.uint8))
    with Converter() as converter:
        for name in ("text.png", "empty.png"):
            with pytest.raises(ConversionError):
                converter.thumbnail(tmp_path / name, 100, 60)
        with pytest.raises(SourceUnreadError):
            converter.thumbnail(tmp_path / "none.png", 100, 60)
        assert converter.thumbnail(tmp_path / "good.png", 100, 60).width == 100
