"""Which files are frames, and where faces may go."""

from __future__ import annotations

from pathlib import Path

import pytest

from dflwrap.common.errors import DflwrapError
from dflwrap.extractors.builtin.folders import listed_frames, prepared_folders


def test_frames_are_the_images_of_this_folder_sorted_and_one_per_stem(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.png", "a.jpg", "c.tiff", "d.bmp", "e.webp", "notes.txt", "f.gif", "g_1.jpeg"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "z.jpg").write_bytes(b"")
    frames, duplicates = listed_frames(tmp_path)
    assert frames == ["a.jpg", "b.JPG", "c.tiff", "d.bmp", "e.webp", "g_1.jpeg"]
    assert duplicates == ["a.png"]


def test_a_folder_that_cannot_be_listed_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DflwrapError, match="not found"):
        listed_frames(tmp_path / "nothing")
    with pytest.raises(DflwrapError, match=r"cannot be read|not found"):
        listed_frames(tmp_path / "file")


def test_folders_are_made_and_never_filled_twice(tmp_path: Path) -> None:
    output = tmp_path / "deep" / "faces"
    assert prepared_folders(tmp_path, output, debug=False) is None
    assert output.is_dir()
    assert prepared_folders(tmp_path, output, debug=True) == tmp_path / "deep" / "faces_debug"
    (tmp_path / "deep" / "faces_debug" / "a.jpg").write_bytes(b"")
    with pytest.raises(DflwrapError, match="not empty"):
        prepared_folders(tmp_path, output, debug=True)
    (tmp_path / "x").write_bytes(b"")
    with pytest.raises(DflwrapError, match="cannot be used"):
        prepared_folders(tmp_path, tmp_path / "x" / "faces", debug=False)
