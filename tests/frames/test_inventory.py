"""What lies in an input folder and is no frame: known by name or by content, and without noise."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support import assert_conserved, dflwrap

from dflwrap.frames.inventory import take_inventory

APPLE_DOUBLE = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        " + bytes(4000)
COMPANIONS = {
    "._00001.jpg": APPLE_DOUBLE,
    "._00002.PNG": APPLE_DOUBLE,
    "._00003.heic": b"",
    "Thumbs.db": b"\xd0\xcf\x11\xe0",
    "desktop.ini": b"[.ShellClassInfo]",
    ".DS_Store": b"\0\0\0\1Bud1",
    ".picasa.ini": b"[x]",
}


@pytest.fixture
def folder(clean_frames: Path, tmp_path: Path) -> Path:
    path = tmp_path / "frames"
    path.mkdir()
    for name, content in COMPANIONS.items():
        (path / name).write_bytes(content)
    (path / "00001.jpg").write_bytes((clean_frames / "00001.jpg").read_bytes())
    (path / "@eaDir").mkdir()
    (path / "@eaDir" / "thumb.jpg").write_bytes(b"x")
    return path


def test_files_of_systems_are_no_frames_and_not_worth_a_word(folder: Path) -> None:
    inventory = take_inventory(folder)
    assert [frame.name for frame in inventory.frames] == ["00001.jpg"]
    assert {item.name for item in inventory.ignored if not item.usual} == set()


def test_a_picture_with_such_a_name_is_a_frame(folder: Path) -> None:
    (folder / "._mine.jpg").write_bytes((folder / "00001.jpg").read_bytes())
    assert [frame.name for frame in take_inventory(folder).frames] == ["._mine.jpg", "00001.jpg"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_with_such_a_name_is_not_opened(folder: Path) -> None:
    os.mkfifo(folder / "._pipe.jpg")
    problems = {frame.name: frame.problem for frame in take_inventory(folder).frames}
    assert problems["._pipe.jpg"] == "not a regular file (a pipe or a device)"


def test_a_run_over_them_is_complete_and_does_not_name_them(folder: Path, tmp_path: Path) -> None:
    options = ("--input-dir", folder, "--output-dir", tmp_path / "aligned", "--json")
    done = dflwrap("extract", *options, "--extractor", "builtin", "--cpu-only")
    assert_conserved(done.report)
    assert (done.code, done.report["frames"]["total"], done.report["ignored"]) == (0, 1, [])
    assert not any(name in done.stderr for name in COMPANIONS)


def test_a_folder_of_nothing_else_says_what_it_holds(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    (folder / "._00001.jpg").write_bytes(APPLE_DOUBLE)
    done = dflwrap("extract", "--input-dir", folder, "--output-dir", tmp_path / "aligned")
    assert done.code == 2
    assert "._00001.jpg (a companion file of macOS, without a picture)" in done.stderr.replace("\n", " ")
