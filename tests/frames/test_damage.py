"""A picture whose data are not whole is told by what its decoder says, in a child; a whole one is never refused."""

from __future__ import annotations

import io
import random
import re
import struct
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from damaged import cut, encoded, first_scans, flipped, with_a_hole, without_data, zeroed
from PIL import Image

from dflwrap.frames.conversion import ConversionError, Converter, SourceUnreadError
from dflwrap.frames.decoding import damage
from dflwrap.samples.generator import make_frames

PREMATURE = "Corrupt JPEG data: premature end of data segment"


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("damage")
    make_frames(folder, 1, (640, 360))
    return folder / "00001.jpg"


@pytest.fixture(scope="module")
def converter() -> Iterator[Converter]:
    with Converter() as child:
        yield child


def baseline(picture: Path) -> bytes:
    return picture.read_bytes()


def progressive(picture: Path) -> bytes:
    return encoded(picture, "JPEG", quality=90, progressive=True)


def restarts(picture: Path) -> bytes:
    return encoded(picture, "JPEG", quality=90, restart_marker_rows=1)


def png(picture: Path) -> bytes:
    data = encoded(picture, "PNG")
    assert data.count(b"IDAT") > 2, "several chunks of image data"
    return data


def odd_scan(jpeg: bytes) -> bytes:
    """Zeros where a sequential scan's parameters stand, as some phones write them."""
    start = jpeg.index(b"\xff\xda")
    end = start + 2 + struct.unpack_from(">H", jpeg, start + 2)[0]
    return jpeg[: end - 3] + bytes(3) + jpeg[end:]


def palette(picture: Path, **options: object) -> bytes:
    buffer = io.BytesIO()
    with Image.open(picture) as image:
        image.convert("P").save(buffer, "PNG", **options)  # type: ignore[arg-type]
    return buffer.getvalue()


Make = Callable[[Path], bytes]

DAMAGED: dict[str, tuple[Make, str]] = {
    "cut": (lambda p: cut(baseline(p)), PREMATURE),
    "nearly whole": (lambda p: cut(baseline(p), 0.97), PREMATURE),
    "second half zero": (lambda p: zeroed(baseline(p)), "Corrupt JPEG data"),
    "a hole": (lambda p: with_a_hole(baseline(p)), "Corrupt JPEG data"),
    "restarts, a hole": (lambda p: with_a_hole(restarts(p)), "Corrupt JPEG data"),
    "restarts, cut": (lambda p: cut(restarts(p)), PREMATURE),
    "progressive, cut": (lambda p: cut(progressive(p)), "JPEG data"),
    "progressive, zero": (lambda p: zeroed(progressive(p)), "Corrupt JPEG data"),
    "progressive, 1 scan": (lambda p: first_scans(progressive(p), 1), "end after its first scan"),
    "progressive, 3 scans": (lambda p: first_scans(progressive(p), 3), "end after its first 3 scans"),
    # libjpeg says only its first warning: a harmless one must not hide the other.
    "odd revision, cut": (
        lambda p: cut(baseline(p).replace(b"JFIF\0\x01", b"JFIF\0\x07", 1)),
        PREMATURE,
    ),
    "odd scan, cut": (lambda p: cut(odd_scan(baseline(p))), PREMATURE),
    "png, a byte": (lambda p: flipped(png(p)), "PNG: IDAT: CRC error"),
    "png, a chunk missing": (lambda p: without_data(png(p), slice(1, 2)), "PNG: IDAT"),
    "png, last chunk missing": (
        lambda p: without_data(png(p), slice(-1, None)),
        "PNG: IDAT: not enough image data",
    ),
    "png, no data": (lambda p: without_data(png(p), slice(None)), "no image data"),
    "tiff, a hole": (
        lambda p: with_zeros(encoded(p, "TIFF", compression="tiff_lzw")),
        "LZWDecode",
    ),
    "tiff zip, a byte": (lambda p: with_zeros(encoded(p, "TIFF", compression="tiff_deflate")), "ZIPDecode"),
    "webp, cut": (lambda p: encoded(p, "WEBP")[:5000], "cannot read"),
}


def with_zeros(data: bytes) -> bytes:
    third = len(data) // 3
    return data[:third] + bytes(third) + data[2 * third :]


WHOLE: dict[str, Make] = {
    "baseline": baseline,
    "progressive": progressive,
    "restarts": restarts,
    "gray": lambda p: gray(p),
    "odd revision": lambda p: baseline(p).replace(b"JFIF\0\x01", b"JFIF\0\x07", 1),
    "odd scan": lambda p: odd_scan(baseline(p)),
    "junk between header segments": lambda p: baseline(p)[:20] + b"junk" + baseline(p)[20:],
    "bytes behind the end": lambda p: baseline(p) + b"more" * 1000,
    "padded before the end": lambda p: baseline(p)[:-2] + bytes(32) + b"\xff\xd9",
    "exif": lambda p: encoded(p, "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0" + bytes(4)),
    "comment like an end mark": lambda p: encoded(p, "JPEG", comment=b"\xff\xd9\xff\xda"),
    "png": png,
    "png palette": palette,
    "png text of its own": lambda p: with_text(png(p)),
    "tiff": lambda p: encoded(p, "TIFF", compression="tiff_lzw"),
    "webp": lambda p: encoded(p, "WEBP"),
}


def gray(picture: Path) -> bytes:
    buffer = io.BytesIO()
    with Image.open(picture) as image:
        image.convert("L").save(buffer, "JPEG")
    return buffer.getvalue()


def with_text(data: bytes) -> bytes:
    """A chunk of text whose checksum is wrong: nothing of the picture."""
    return data[:33] + struct.pack(">I", 4) + b"tEXt" + b"a\0bc" + b"oops" + data[33:]


@pytest.mark.parametrize("name", DAMAGED)
def test_what_lacks_data_is_damaged_in_the_decoders_words(
    picture: Path, converter: Converter, tmp_path: Path, name: str
) -> None:
    make, words = DAMAGED[name]
    source, target = tmp_path / "x.jpg", tmp_path / "out.png"
    source.write_bytes(make(picture))
    checked = converter.check(source)
    assert words in checked.damage, checked
    assert "/" not in checked.damage and ".cpp" not in checked.damage
    with pytest.raises(ConversionError) as error:
        converter.convert(source, target)
    assert words in str(error.value)
    assert not target.exists()


@pytest.mark.parametrize("name", WHOLE)
def test_what_is_whole_is_not_refused(picture: Path, converter: Converter, tmp_path: Path, name: str) -> None:
    source, target = tmp_path / "x.jpg", tmp_path / "out.png"
    source.write_bytes(WHOLE[name](picture))
    checked = converter.check(source)
    assert checked.damage == ""
    assert bool(checked.note) == (name in ("bytes behind the end", "padded before the end")), checked
    assert converter.convert(source, target).width == 640


def test_an_interlaced_png_is_read_to_its_end(converter: Converter, tmp_path: Path) -> None:
    # Pillow writes none: 3x3 grey pixels in the seven passes of Adam7 (2 of them empty here).
    import zlib

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 3, 3, 8, 0, 0, 0, 1))
    rows = b"\0\x01" + b"\0\x03" + b"\0\x07\x09" + b"\0\x02" + b"\0\x08" + b"\0\x04\x05\x06"
    for data, whole in ((rows, True), (rows[:-2], False)):
        file = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
        (tmp_path / "x.png").write_bytes(file)
        assert (converter.check(tmp_path / "x.png").damage == "") is whole


def test_random_damage_never_breaks_the_child_and_is_told_where_the_decoder_tells(
    picture: Path, converter: Converter, tmp_path: Path
) -> None:
    data, chance = picture.read_bytes(), random.Random(7)
    start, told = data.index(b"\xff\xda") + 20, 0
    for _ in range(60):
        place = chance.randrange(start, len(data) - 50)
        (tmp_path / "x.jpg").write_bytes(data[:place] + chance.randbytes(40) + data[place + 40 :])
        told += bool(converter.check(tmp_path / "x.jpg").damage)
    assert told > 20, "about half of such damage makes the decoder speak"


@pytest.mark.parametrize("seed", range(6))
def test_any_bytes_get_an_answer(picture: Path, converter: Converter, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    for make in (baseline, progressive, png):
        data = bytearray(make(picture))
        for _ in range(chance.randrange(1, 30)):
            data[chance.randrange(2, len(data))] = chance.randrange(256)
        (tmp_path / "x").write_bytes(data[: chance.randrange(10, len(data))])
        assert isinstance(converter.check(tmp_path / "x").damage, str)


def test_a_png_is_only_read_where_nobody_else_would_refuse_it(
    picture: Path, converter: Converter, tmp_path: Path
) -> None:
    (tmp_path / "x.jpg").write_bytes(flipped(png(picture)))
    assert converter.check(tmp_path / "x.jpg", thorough=False).damage == ""
    (tmp_path / "y.png").write_bytes(cut(baseline(picture)))
    assert converter.check(tmp_path / "y.png", thorough=False).damage == PREMATURE
    with pytest.raises(SourceUnreadError):
        converter.check(tmp_path / "gone.png", thorough=False)


def test_no_decoder_starts_for_a_png_that_is_not_read(picture: Path, tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(png(picture))
    before = {child.pid for child in psutil.Process().children()}  # one of an earlier test may end meanwhile

    def started() -> set[int]:
        return {child.pid for child in psutil.Process().children()} - before

    with Converter() as converter:
        assert converter.check(tmp_path / "x.png", thorough=False).damage == ""
        assert not started()
        assert converter.check(tmp_path / "x.png").damage == ""
        assert len(started()) == 1


def test_without_room_for_the_decoders_words_pictures_are_still_decoded(
    picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with Converter() as converter:
        assert converter.convert(picture, tmp_path / "out.png").width == 640
        assert converter.check(picture).damage == ""


PARTS = (
    b"\xff\x00",
    b"\xff\xff",
    b"\xff",
    b"\xd9",
    b"\x00",
    b"\xff\xd0",
    b"\xff\xd7",
    b"\xd8",
    b"\x01",
    b"ab",
)
"""What may stand in the data of a scan, and what looks like it."""


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("piece", [2, 3, 7, 1 << 16])
def test_the_end_of_a_scan_is_where_its_first_marker_is(
    monkeypatch: pytest.MonkeyPatch, seed: int, piece: int
) -> None:
    """By the rule of T.81, B.1.1.5, however the data fall into pieces."""
    monkeypatch.setattr(damage, "_PIECE", piece)
    chosen = random.Random(seed)
    scan = b"".join(chosen.choice(PARTS) for _ in range(chosen.randrange(200))) + b"\x05"
    while marker := re.search(rb"\xff[^\x00\x01\xff\xd0-\xd8]", scan):
        scan = scan[: marker.start()] + scan[marker.start() + 1 :]
    head = b"\xff\xd8\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00"
    seen: list[bytes] = []

    def decode(data: bytes | bytearray) -> tuple[bool, str]:
        seen.append(bytes(data))
        return True, ""

    more = b"\x00" * chosen.randrange(1, 9)
    found = damage.check(head + scan + b"\xff\xd9" + more, decode)
    assert found == damage.Checked(note=f"{len(more)} bytes stand behind its end mark")
    assert seen == [head + re.sub(rb"\xff[\x01\xd8]", b"", scan) + b"\xff\xd9"], (
        "less what belongs to no scan"
    )


def test_the_end_of_a_long_scan_is_found_at_the_border_of_two_looks() -> None:
    head = b"\xff\xd8\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00"
    for length in range(2 * (damage._PIECE - 1) - 3, 2 * (damage._PIECE - 1) + 4):
        found = damage.check(head + b"a" * length + b"\xff\xd9\x00", lambda _: (True, ""))
        assert found.note == "1 bytes stand behind its end mark"
