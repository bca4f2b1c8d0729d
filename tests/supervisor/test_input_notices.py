"""What is said of the input folder, and how often a frame's quarantine is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from played_cards import extract
from support import Finished, contents, dflwrap
from test_intake import face, picture

SLIP = "looks like a faceset"


def run(tmp_path: Path, source: Path, output: Path, *more: str) -> Finished:
    """A folder of which nothing needs an extractor: the frames are too small, or done."""
    return dflwrap(
        *("extract", "--input-dir", source, "--output-dir", output, "--extractor", "builtin", "--json"),
        *("--image-size", "128", *more),
    )


def tiny(source: Path, name: str) -> None:
    source.mkdir(exist_ok=True)
    (source / name).write_bytes(picture(side=64))


def test_a_faceset_given_as_input_is_told(tmp_path: Path) -> None:
    source = tmp_path / "aligned"
    source.mkdir()
    for number in range(7):
        (source / f"{number:05d}_0.jpg").write_bytes(face(f"{number:05d}.png", number))
    done = run(tmp_path, source, tmp_path / "again")
    assert SLIP in done.stderr and "--input-dir" in done.stderr
    assert done.code in (0, 1), "it is told, not refused"


@pytest.mark.parametrize("strayed", [0, 1])
def test_frames_are_not_taken_for_a_faceset(tmp_path: Path, strayed: int) -> None:
    source = tmp_path / "frames"
    tiny(source, "00001.png")
    for number in range(strayed):
        (source / f"0000{number}_0.jpg").write_bytes(face("x.png"))
    assert SLIP not in run(tmp_path, source, tmp_path / "aligned").stderr


def test_the_faceset_among_the_frames_is_never_called_a_sub_folder(tmp_path: Path) -> None:
    """DeepFaceLab's layout: data_src/aligned, with its debug pictures and our run folder, and older ones beside it."""
    source = tmp_path / "data_src"
    tiny(source, "00001.png")
    for name in ("aligned", "aligned_debug", "aligned_old", "faces", "faces_debug", "scans"):
        (source / name).mkdir()
        (source / name / "00001_0.jpg").write_bytes(face("00001.png"))
    (source / "faces" / "00001_0.jpg").unlink()
    for _ in range(2):
        done = run(tmp_path, source, source / "faces")
        assert "scans: not a frame: sub-folder with 1 image" in done.stderr
        assert done.stderr.count("not a frame") == 1, done.stderr
        assert [item["name"] for item in done.report["ignored"]] == ["scans"]
        (source / "faces" / "00009_0.jpg").write_bytes(face("00009.png"))


@pytest.mark.parametrize("layout", ["flat", "join"])
def test_frames_in_a_folder_named_like_a_faceset_are_told_once(tmp_path: Path, layout: str) -> None:
    source = tmp_path / "data_src"
    for folder in (source, source / "aligned_bob", source / "bob_debug"):
        tiny(folder, "00001.png")
    done = run(tmp_path, source, tmp_path / "faces", "--layout", layout)
    [line] = [line for line in done.stderr.splitlines() if "aligned_bob" in line or "bob_debug" in line]
    assert "aligned_bob (1 picture), bob_debug (1 picture)" in line and "[passed-over-folders]" in line
    assert done.report["ignored"] == []


def test_a_frame_that_cannot_be_a_frame_is_said_when_it_is_found_and_not_again(tmp_path: Path) -> None:
    source = tmp_path / "frames"
    tiny(source, "00001.png")
    for number, new in ((2, "00001.png"), (3, None), (5, "00004.png")):
        if new is not None:
            tiny(source, new)
        (source / f"{number:05d}.png").write_bytes(picture(number))  # so that there is something to do
        done = run(tmp_path, source, tmp_path / "aligned")
        said = [name for name in ("00001.png", "00004.png") if f"{name}: quarantined" in done.stderr]
        assert said == ([] if new is None else [new])


@pytest.mark.skipif(os.name == "nt", reason="the double's faults are POSIX")
@pytest.mark.parametrize(
    ("fault", "options"), [("raise", ()), ("segfault", ("--no-agent",))], ids=["agent", "black box"]
)
def test_the_sentence_of_a_quarantine_stands_once(
    tmp_path: Path, fault: str, options: tuple[str, ...]
) -> None:
    script = {"*00002.png": fault, "options": {"no_response": 2}}
    done = extract(tmp_path, None, 4, script, "--cpu-only", "--workers", "1", *options)
    assert done.code == 1, done.stderr
    [row] = done.report["quarantined"]
    assert row["evidence"] and "stopped" not in row["evidence"], "the run continued"
    spoken = [line for line in done.stderr.splitlines() if "00002.png" in line and "quarantined" in line]
    assert len(spoken) == 1, spoken
    assert row["evidence"] in spoken[0]
    decided = [d["sentence"] for d in done.report["decisions"] if "quarantined" in d["sentence"]]
    assert len(decided) == 1, decided
    assert contents(tmp_path / "frames").keys() == {f"0000{n}.png" for n in range(1, 5)}
