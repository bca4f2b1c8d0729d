"""Whole runs over damaged pictures: none becomes a face, or a frame "without a face", whatever extracts."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from damaged import cut, encoded, first_scans, flipped, with_a_hole, without_data, zeroed
from support import DOUBLE, assert_conserved, dflwrap

WAYS = {
    "agent": ("--dfl-root", DOUBLE, "--dfl-python", sys.executable, "--extractor", "dfl"),
    "black box": ("--dfl-root", DOUBLE, "--dfl-python", sys.executable, "--extractor", "dfl", "--no-agent"),
    "built-in": ("--extractor", "builtin"),
}
WHOLE = ("00001.jpg", "00006.jpg", "behind.jpg")


@pytest.fixture(scope="module")
def frames(clean_frames: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("damaged") / "frames"
    folder.mkdir()
    good = clean_frames / "00001.jpg"
    data, progressive = good.read_bytes(), encoded(good, "JPEG", quality=90, progressive=True)
    png = encoded(good, "PNG")
    files = {
        "00001.jpg": data,
        "cut.jpg": cut(data),
        "zeroed.jpg": zeroed(data),
        "scans.jpg": first_scans(progressive, 2),
        "00006.jpg": progressive,
        "hole.jpg": with_a_hole(data),
        "crc.png": flipped(png),
        "chunk.png": without_data(png, slice(1, 2)),
        "tiff.tif": encoded(good, "TIFF", compression="tiff_lzw")[:-2000],
        "strip.tif": _wiped(encoded(good, "TIFF", compression="tiff_lzw")),
        "short.webp": encoded(good, "WEBP")[:4000],
        "behind.jpg": data + b"a second picture" * 100,
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def _wiped(data: bytes) -> bytes:
    third = len(data) // 3
    return data[:third] + bytes(third) + data[2 * third :]


@pytest.mark.parametrize("way", WAYS)
def test_no_damaged_picture_becomes_a_face(frames: Path, tmp_path: Path, way: str) -> None:
    if os.name == "nt" and way != "built-in":
        pytest.skip("the double is POSIX")
    aligned = tmp_path / "aligned"
    options = ("--output-dir", aligned, "--json", "--cpu-only", "--image-size", "256")
    script = tmp_path / "script.json"
    # The double decodes nothing. DeepFaceLab's OpenCV reads damaged JPEGs, but no damaged PNG (4.1 was tried).
    script.write_text(json.dumps({"crc.png": "unreadable", "chunk.png": "unreadable"}))
    env = {"DFLWRAP_DOUBLE_SCRIPT": str(script)}
    done = dflwrap("extract", "--input-dir", frames, *options, *WAYS[way], env=env)
    report = done.report
    assert_conserved(report)
    damaged = {path.name for path in frames.iterdir()} - set(WHOLE)
    told = {row["frame"]: row["evidence"] for row in report["quarantined"]}
    assert set(told) == damaged, (told, report["decisions"], done.stderr)
    assert done.code == 1
    assert {path.name.rsplit("_", 1)[0] + ".jpg" for path in aligned.iterdir()} <= set(WHOLE)
    assert report["frames"]["extracted"] == len(WHOLE), "the whole ones are extracted"
    for name in ("cut.jpg", "hole.jpg"):
        assert "Corrupt JPEG data: premature end of data segment" in told[name]
    assert "Corrupt JPEG data" in told["zeroed.jpg"]
    assert "end after its first 2 scans" in told["scans.jpg"]
    assert "PNG: IDAT" in told["crc.png"] and "PNG: IDAT" in told["chunk.png"]
    assert "LZWDecode" in told["strip.tif"]
    assert not any(".cpp" in text for text in told.values())
    notes = [row["sentence"] for row in report["decisions"] if "behind its end mark" in row["sentence"]]
    assert len(notes) == 1 and "behind.jpg" in notes[0]


def test_a_damaged_frame_that_is_replaced_is_extracted_by_the_same_command(
    frames: Path, clean_frames: Path, tmp_path: Path
) -> None:
    mine, aligned = tmp_path / "frames", tmp_path / "aligned"
    mine.mkdir()
    shutil.copy(frames / "cut.jpg", mine / "00001.jpg")
    shutil.copy(clean_frames / "00002.jpg", mine)
    options = ("extract", "--input-dir", mine, "--output-dir", aligned, "--json", *WAYS["built-in"])
    assert dflwrap(*options, "--cpu-only").code == 1
    shutil.copy(clean_frames / "00001.jpg", mine / "00001.jpg")
    again = dflwrap(*options, "--cpu-only")
    assert (again.code, again.report["frames"]["extracted"]) == (0, 2), again.stderr
