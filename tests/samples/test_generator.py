"""The sample folder: the same seed the same bytes, and everything real folders hold."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from dflwrap.common.errors import DflwrapError
from dflwrap.samples import make_frames


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def ugly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples") / "frames"
    make_frames(folder, frames=6, size=(640, 360), ugly=True)
    return folder


def test_the_same_seed_makes_the_same_bytes_and_another_seed_another_clip(tmp_path: Path, ugly: Path) -> None:
    make_frames(tmp_path / "a", frames=6, size=(640, 360), ugly=True)
    make_frames(tmp_path / "b", frames=6, size=(640, 360), seed=1)
    assert contents(tmp_path / "a") == contents(ugly)
    assert contents(tmp_path / "b")["00001.jpg"] != contents(ugly)["00001.jpg"]


def test_by_default_sixty_frames_of_720p_that_all_differ(tmp_path: Path) -> None:
    manifest = make_frames(tmp_path / "frames")
    made = contents(tmp_path / "frames")
    assert sorted(made) == list(manifest.frames) == [f"{i:05d}.jpg" for i in range(1, 61)]
    assert len(set(made.values())) == 60
    for content in list(made.values())[::20]:
        assert cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED).shape == (720, 1280, 3)


def test_a_second_call_leaves_what_is_there_and_adds_what_is_missing(tmp_path: Path) -> None:
    make_frames(tmp_path, frames=3, size=(320, 180))
    whole = contents(tmp_path)
    (tmp_path / "00002.jpg").unlink()
    (tmp_path / "00001.jpg").write_bytes(b"the user's")
    make_frames(tmp_path, frames=3, size=(320, 180))
    assert contents(tmp_path) == {**whole, "00001.jpg": b"the user's"}


def test_each_ugly_file_is_as_ugly_as_its_name_says(ugly: Path) -> None:
    def mode(name: str) -> tuple[str, tuple[int, int]]:
        with Image.open(ugly / name) as image:
            return image.mode, image.size

    assert mode("cmyk.jpg")[0] == "CMYK"
    assert mode("gray.png")[0] == "L"
    assert mode("alpha.png")[0] == "RGBA"
    assert mode("sixteen_bit.png")[0] in ("I;16", "I;16B", "RGB")
    assert cv2.imread(str(ugly / "sixteen_bit.png"), cv2.IMREAD_UNCHANGED).dtype == np.uint16
    assert mode("small_100x100.png")[1] == (100, 100)
    assert mode("tiny_1x1.png")[1] == (1, 1)
    assert not cv2.imread(str(ugly / "black.png")).any()
    assert (ugly / "zero_bytes.jpg").stat().st_size == 0
    assert (ugly / "truncated.jpg").read_bytes()[:2] == b"\xff\xd8"
    assert (ugly / "truncated.jpg").read_bytes()[-2:] != b"\xff\xd9"
    assert (ugly / "modern.webp").read_bytes()[8:12] == b"WEBP"
    assert (ugly / "bitmap.bmp").read_bytes()[:2] == b"BM"
    assert (ugly / "folder_named.jpg").is_dir()
    assert (ugly / "folder" / "inside_1.jpg").is_file()


def test_the_manifest_names_exactly_what_is_there(tmp_path: Path) -> None:
    manifest = make_frames(tmp_path, frames=2, size=(320, 180), ugly=True)
    there = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*")} - {"folder"}
    assert there == set(manifest.frames) | set(manifest.ugly)
    if sys.platform != "win32":
        assert not manifest.skipped
        assert (tmp_path / "link.jpg").is_symlink()
        assert not (tmp_path / "broken_link.jpg").exists()


@pytest.mark.parametrize("wrong", [{"frames": 0}, {"size": (100, 720)}])
def test_impossible_wishes_are_refused(tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(DflwrapError):
        make_frames(tmp_path / "x", **wrong)  # type: ignore[arg-type]
    assert not (tmp_path / "x").exists()


def test_the_command_makes_them_too(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "dflwrap.samples",
        str(tmp_path / "o"),
        "--frames",
        "2",
        "--size",
        "320x180",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert sorted(contents(tmp_path / "o")) == ["00001.jpg", "00002.jpg"]
