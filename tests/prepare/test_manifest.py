"""The manifest of a prepared folder: damaged lines are done again, and one dflwrap at a time writes it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import cv2
import pytest
from frame_folders import clean
from support import contents, dflwrap, start_dflwrap

from dflwrap.prepare.manifest import NAME


def made(root: Path) -> Path:
    folder = clean(root / "frames", 6)
    picture = cv2.imread(str(folder / "00001.jpg"))
    for number in range(7, 11):  # these are converted
        cv2.imwrite(str(folder / f"{number:05d}.bmp"), picture[:, : -4 * number])
    return folder


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    return made(tmp_path)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `frames` and what was made of them, `out`: each test that damages it sees it mended."""
    root = tmp_path_factory.mktemp("prepared")
    assert dflwrap("prepare", made(root), root / "out").code == 0
    (root / "beside.jpg").write_bytes(b"not ours")
    return root


@pytest.mark.parametrize(
    "change",
    [
        {"original": ["00001.jpg"]},
        {"size": "large"},
        {"target": 5},
        {"target": "../../beside.jpg"},
        {"target": "/tmp/00001.jpg"},
        {"target": "..\\00001.jpg"},
        {"target": None},
        {"target": "cover.jpg"},
        {"became": "eaten"},
        {"dhash": "no number"},
        {"dhash": "f" * 5000},
        {"lost": "no"},
        {"why": None},
    ],
    ids=lambda change: " ".join(map(str, *change.items()))[:30],
)
def test_a_damaged_line_is_done_again(change: dict[str, Any], prepared: Path) -> None:
    frames, output = prepared / "frames", prepared / "out"
    before = {**contents(prepared), NAME: None}
    lines = (output / NAME).read_text().splitlines()
    lines[1] = json.dumps({**json.loads(lines[1]), **change})
    (output / NAME).write_text("\n".join(lines) + "\n")
    done = dflwrap("prepare", frames, output)
    assert done.code == 0, done.stderr
    assert "10 frames" in done.stdout
    after = {**contents(prepared), NAME: None}
    assert {name for name in before if not name.endswith(NAME)} == {
        name for name in after if not name.endswith(NAME)
    }
    assert all(before[name] == after[name] for name in before if not name.endswith(NAME))


def test_two_at_once_do_not_move_in_what_the_other_has_half_written(frames: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    both = [
        start_dflwrap("prepare", frames, output, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    said = [process.communicate(timeout=300)[1].decode() for process in both]
    codes = [process.returncode for process in both]
    assert 0 in codes and set(codes) <= {0, 2}
    assert all("Another dflwrap" in text for text, code in zip(said, codes, strict=True) if code == 2), said
    assert dflwrap("prepare", frames, output).code == 0
    assert sorted(path.suffix for path in output.iterdir()) == [*[".jpg"] * 6, ".jsonl", *[".png"] * 4]
    assert all(cv2.imread(str(path)) is not None for path in output.glob("0*"))


def test_a_lock_that_a_killed_one_left_is_no_obstacle(frames: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    (output / ".dflwrap-prepare").mkdir(parents=True)
    (output / ".dflwrap-prepare/.in-use.lock").write_bytes(b"")
    done = dflwrap("prepare", frames, output)
    assert done.code == 0, done.stderr
    assert not (output / ".dflwrap-prepare").exists()


def test_frames_whose_originals_are_gone_are_told_and_stay(frames: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    assert dflwrap("prepare", frames, output, "--json").report["notes"] == []
    (frames / "00003.jpg").unlink()
    done = dflwrap("prepare", frames, output, "--json")
    [note] = done.report["notes"]
    assert done.code == 0 and note.startswith("1 frame") and "00003.jpg" in note
    assert (output / "00003.jpg").is_file()
    (output / "00003.jpg").unlink()
    assert dflwrap("prepare", frames, output, "--json").report["notes"] == []
