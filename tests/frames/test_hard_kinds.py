"""Kinds of picture that need more than OpenCV, and pictures that claim more than can be."""

from __future__ import annotations

import io
import struct
import sys
from pathlib import Path

import pytest
from PIL import Image, features

from dflwrap.frames.conversion import ConversionError, Converter
from dflwrap.frames.decoding import heif
from dflwrap.frames.decoding.decoder_errors import NO_MEMORY, TOO_LARGE, plain_text

HEIC_HEAD = b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(200)
OPENCV = (
    "OpenCV(4.1.0) /io/opencv/modules/imgcodecs/src/loadsave.cpp:73: error: (-215:Assertion failed) "
    "pixels <= CV_IO_MAX_IMAGE_PIXELS in function 'validateInputImageSize'"
)


def test_heic_is_read_or_named_with_what_to_do(clean_frames: Path, tmp_path: Path) -> None:
    source, target = tmp_path / "a.heic", tmp_path / "out.png"
    try:
        import pillow_heif
    except ImportError:
        source.write_bytes(HEIC_HEAD)
        with Converter() as converter, pytest.raises(ConversionError) as error:
            converter.convert(source, target)
        assert "pip install pillow-heif" in str(error.value) and "--redo quarantined" in str(error.value)
        return
    pillow_heif.register_heif_opener()
    with Image.open(clean_frames / "00001.jpg") as image:
        image.save(source, "HEIF")
    with Converter() as converter:
        assert converter.convert(source, target).width == 640
        source.write_bytes(source.read_bytes()[:-500])
        with pytest.raises(ConversionError, match="HEIC"):
            converter.convert(source, tmp_path / "other.png")


def test_without_the_library_each_kind_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)  # as if it were not installed
    monkeypatch.setitem(sys.modules, "PIL", None)
    for brand, kind in ((b"heic", "HEIC"), (b"mif1", "HEIF"), (b"avif", "AVIF")):
        pixels, why = heif.decode(b"\0\0\0\x18ftyp" + brand + bytes(20))
        assert pixels is None
        assert f"reading {kind} needs pillow-heif" in why and "convert the frames" in why
    assert heif.decode(b"RIFF....WEBP") == (None, "")


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow writes no AVIF")
def test_avif_is_read(clean_frames: Path, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with Image.open(clean_frames / "00001.jpg") as image:
        image.save(buffer, "AVIF")
    (tmp_path / "a.avif").write_bytes(buffer.getvalue())
    with Converter() as converter:
        assert converter.convert(tmp_path / "a.avif", tmp_path / "out.png").width == 640


def tiff_head(side: int) -> bytes:
    """A TIFF of grey pixels that claims `side` x `side` of them, and holds none."""
    tags = (
        *((256, 4, 1, side), (257, 4, 1, side), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)),
        *((273, 4, 1, 8), (277, 3, 1, 1), (278, 4, 1, side), (279, 4, 1, 1000)),
    )
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + entries + bytes(4)


@pytest.mark.parametrize("side", [30_000, 70_000])
def test_a_bombs_evidence_is_a_sentence(tmp_path: Path, side: int) -> None:
    (tmp_path / "bomb.tif").write_bytes(tiff_head(side))
    with Converter() as converter, pytest.raises(ConversionError) as error:
        converter.convert(tmp_path / "bomb.tif", tmp_path / "out.png")
    assert (str(error.value) == TOO_LARGE) is (side == 70_000)
    assert ".cpp" not in str(error.value) and "OpenCV(" not in str(error.value)


def test_an_extractors_error_of_opencv_is_a_sentence_too() -> None:
    assert plain_text(f"cv2.error: {OPENCV}") == TOO_LARGE
    full = OPENCV.replace(
        "(-215:Assertion failed) pixels <= CV_IO_MAX_IMAGE_PIXELS", "(-4:Insufficient memory) "
    )
    assert plain_text(full.replace("validateInputImageSize", "OutOfMemoryError")) == NO_MEMORY
    place = "OpenCV(4.1.0) C:\\io\\resize.cpp:3718: error: (-215:Assertion failed) "
    empty = f"error: {place}!ssize.empty() in 'cv::resize'"
    assert plain_text(empty) == "error: !ssize.empty() in 'cv::resize'"
    assert plain_text("ValueError: x") == "ValueError: x"
