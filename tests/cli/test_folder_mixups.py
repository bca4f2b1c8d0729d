"""Where the faceset may not lie, however its path is written; and where its run folder stands then."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from support import DOUBLE, Finished, contents, dflwrap, small_frames

from dflwrap.common.trees import is_inside, is_same_folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    small_frames(tmp_path / "G", 2)
    return tmp_path


def extract(source: str | Path, output: str | Path, *more: str) -> Finished:
    return dflwrap(
        *("extract", "--input-dir", source, "--output-dir", output, "--cpu-only", "--image-size", "256"),
        *("--dfl-root", DOUBLE, "--dfl-python", sys.executable, "--extractor", "dfl", "--second-look", "off"),
        *more,
    )


@pytest.mark.parametrize(
    "spelling", ["G", "G/.", "G/../G", "H/../G", "missing/../G", "link", "link/../G", "G//"]
)
def test_a_faceset_among_the_frames_is_refused_however_it_is_spelled(root: Path, spelling: str) -> None:
    (root / "H").mkdir()
    (root / "link").symlink_to(root / "G", target_is_directory=True)
    before = contents(root)
    done = extract(root / "G", f"{root}/{spelling}")
    assert done.code == 2, done.stdout
    assert "same folder" in done.stderr
    assert contents(root) == before


def test_a_path_that_ends_in_dots_is_the_folder_it_means(root: Path) -> None:
    (root / "faces" / "sub").mkdir(parents=True)
    done = extract(root / "G", f"{root}/faces/sub/..")
    assert done.code == 0, done.stderr
    assert sorted(path.name for path in root.iterdir()) == ["G", "faces", "faces_dflwrap"]
    assert len(list((root / "faces").glob("*.jpg"))) == 2


def test_a_faceset_behind_a_link_has_its_run_folder_beside_the_link(root: Path) -> None:
    (root / "disk").mkdir()
    (root / "aligned").symlink_to(root / "disk", target_is_directory=True)
    done = extract(root / "G", root / "aligned")
    assert done.code == 0, done.stderr
    assert (root / "aligned_dflwrap").is_dir() and not (root / "disk_dflwrap").exists()


def test_debug_pictures_among_the_frames_are_refused(root: Path) -> None:
    (root / "G").rename(root / "aligned_debug")
    before = contents(root)
    done = extract(root / "aligned_debug", root / "aligned", "--output-debug")
    assert done.code == 2 and "debug pictures" in done.stderr
    assert contents(root) == before
    assert extract(root / "aligned_debug", root / "aligned").code == 0
    assert before.items() <= contents(root).items()


def test_frames_in_the_run_folder_of_that_output_are_refused(root: Path) -> None:
    assert extract(root / "G", root / "aligned").code == 0
    frames = root / "aligned_dflwrap" / "quarantine"
    before = contents(root)
    done = extract(frames, root / "aligned")
    assert done.code == 2 and "run folder" in done.stderr
    assert contents(root) == before


def test_two_paths_to_one_folder(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "a", target_is_directory=True)
    assert is_same_folder(tmp_path / "link", tmp_path / "a")
    assert is_same_folder(tmp_path / "x" / ".." / "new", tmp_path / "new")
    assert not is_same_folder(tmp_path / "a", tmp_path / "a" / "b")
    assert is_inside(tmp_path / "link" / "b", tmp_path / "a") and is_inside(tmp_path / "a", tmp_path / "link")
    assert not is_inside(tmp_path, tmp_path / "a")
    assert os.path.lexists(tmp_path / "link")
