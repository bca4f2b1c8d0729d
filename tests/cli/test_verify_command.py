"""`dflwrap verify` from outside: over a real run of the built-in extractor, and over a bare faceset."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from moving_faces import make_clip
from support import Finished, all_gone, contents, dflwrap, until

from dflwrap.cli.commands import verify as command
from dflwrap.faceset.face_file.metadata import rewrite


@pytest.fixture(scope="module")
def run_once(clean_frames: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("verify")
    shutil.copytree(clean_frames, folder / "data_dst")
    done = dflwrap(
        *("extract", "--input-dir", folder / "data_dst", "--output-dir", folder / "data_dst/aligned"),
        *("--extractor", "builtin", "--cpu-only", "--image-size", "128", "--json"),
    )
    assert done.code == 0, done.stderr
    return folder


@pytest.fixture
def aligned(run_once: Path) -> Path:
    return run_once / "data_dst/aligned"


def unchanged(folder: Path) -> dict[str, bytes | str]:
    return {name: data for name, data in contents(folder).items() if not name.endswith("review.txt")}


def verify(place: Path, *more: str | Path) -> Finished:
    return dflwrap("verify", place, *more)


def test_the_faceset_of_a_run_is_clean_and_left_as_it_is(run_once: Path, aligned: Path) -> None:
    before = unchanged(run_once)
    faces = len(list(aligned.iterdir()))
    run_folder = aligned.with_name("aligned_dflwrap")
    for place in (aligned, run_folder, run_folder / "report.json"):
        done = verify(place)
        assert done.code == 0, done.stderr
        assert f"{faces} faces: {faces} sound, {faces} compared" in done.stdout
    assert unchanged(run_once) == before
    review = (run_folder / "review.txt").read_text(encoding="utf-8")
    assert review.startswith("dflwrap review: nothing to look at")


def test_json_is_one_object_with_every_key_that_the_docs_name(aligned: Path) -> None:
    done = verify(aligned, "--json", "--sample", "4")
    assert done.code == 0
    docs = (Path(__file__).parents[2] / "docs/verify.md").read_text(encoding="utf-8")
    report = json.loads(done.stdout)
    assert all(f"`{key}`" in docs for key in report)
    assert report["clean"] is True and report["examined"] == 4
    assert report["frames"] == str(aligned.parent)


def test_what_the_run_does_not_know_is_told_in_words_and_in_data(run_once: Path, tmp_path: Path) -> None:
    place = tmp_path / "moved"
    shutil.copytree(run_once, place)
    aligned = place / "data_dst/aligned"
    names = sorted(path.name for path in aligned.iterdir())
    (aligned / names[0]).write_bytes((aligned / names[0]).read_bytes()[:-40])
    (aligned / names[1]).unlink()
    strange = rewrite(
        (aligned / names[2]).read_bytes(), lambda m: replace(m, source_filename="holiday\x1b[2J.jpg")
    )
    (aligned / "strange.jpg").write_bytes(strange)
    wrong = rewrite(
        (aligned / names[2]).read_bytes(),
        lambda m: replace(m, source_filename="00007.jpg", source_rect=(1.0, 1.0, 9.0, 9.0)),
    )
    (aligned / "wrong.jpg").write_bytes(wrong)
    # The ledger remembers the folder where the frames lay; they are the same there.
    done = verify(aligned)
    assert done.code == 1
    assert f"{names[0]}: the JPEG is cut short" in done.stdout
    assert "1 face missing: " + names[1] in done.stdout
    assert "2 files of pictures that are not of this clip: strange.jpg, wrong.jpg" in done.stdout
    assert "\x1b" not in done.stdout
    report = json.loads(verify(aligned, "--json", "--frames", place / "data_dst").stdout)
    assert [face["file"] for face in report["torn"]] == [names[0]]
    assert not report["not_its_frame"], "the run has not recorded it: a face of another clip"
    assert [face["file"] for face in report["missing"]] == [names[1]]
    assert [face["frame"] for face in report["foreign"]] == ["holiday\x1b[2J.jpg", "00007.jpg"]


def test_a_bare_faceset_takes_the_frames_above_it_or_those_that_are_named(tmp_path: Path) -> None:
    make_clip(tmp_path / "data_src", tmp_path / "data_src/aligned", "astronaut", 5)
    make_clip(tmp_path / "next", tmp_path / "unused", "hopper", 5)
    before = contents(tmp_path)
    done = verify(tmp_path / "data_src/aligned")
    assert done.code == 0 and "5 sound, 5 compared" in done.stdout
    done = verify(tmp_path / "data_src/aligned", "--frames", tmp_path / "next", "--json")
    assert done.code == 1 and len(json.loads(done.stdout)["not_its_frame"]) == 5
    assert contents(tmp_path) == before, "nothing to look at: no review either"


def test_several_faces_a_frame_fail_where_one_is_asked_for(aligned: Path) -> None:
    """In the last third of the sample clip two people are in the picture."""
    done = verify(aligned, "--one-face-per-frame")
    assert done.code == 1 and "More than one face in a frame (4)" in done.stdout
    assert (
        len(json.loads(verify(aligned, "--one-face-per-frame", "--json").stdout)["more_than_one_face"]) == 4
    )


def test_a_review_of_the_users_own_is_not_overwritten(tmp_path: Path) -> None:
    faces = tmp_path / "data_src/aligned"
    make_clip(tmp_path / "data_src", faces, "astronaut", 5)
    shutil.copy(faces / "00001_0.jpg", faces / "copy.jpg")
    done = verify(faces)
    review = tmp_path / "data_src/aligned_review.txt"
    assert done.code == 0 and "Look at these 1" in done.stdout
    assert "copy.jpg\t00001.png\tdoubled: " in review.read_text(encoding="utf-8")
    (faces / "copy.jpg").unlink()
    assert verify(faces).code == 0
    assert "nothing to look at" in review.read_text(encoding="utf-8")
    review.write_text("my own notes", encoding="utf-8")
    shutil.copy(faces / "00001_0.jpg", faces / "copy.jpg")
    done = verify(faces)
    assert done.code == 0 and "was not written" in done.stderr
    assert review.read_text(encoding="utf-8") == "my own notes"


def test_what_cannot_be_verified_is_one_sentence_and_code_2(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed/faceset.pak").write_bytes(b"x")
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged_dflwrap").mkdir()
    (tmp_path / "damaged_dflwrap/run.db").write_bytes(b"no ledger" * 100)
    for name, word in (
        ("nothing", "does not exist"),
        ("file", "is a file"),
        ("empty", "no face"),
        ("packed", "npack it"),
        ("damaged", "ledger is damaged"),
    ):
        done = verify(tmp_path / name)
        assert done.code == 2 and word in done.stderr and "Traceback" not in done.stderr, (name, done.stderr)
    make_clip(tmp_path / "frames", tmp_path / "faces", "astronaut", 1)
    assert verify(tmp_path / "faces", "--frames", tmp_path / "nowhere").code == 2
    assert verify(tmp_path / "faces", "--sample", "0").code == 2


@pytest.mark.skipif(sys.platform == "win32", reason="signals as POSIX has them")
def test_ctrl_c_ends_it_with_code_4_and_leaves_no_process(tmp_path: Path) -> None:
    faces = tmp_path / "data_src/aligned"
    make_clip(tmp_path / "data_src", faces, "astronaut", 3)
    for number in range(3000):
        os.link(faces / "00001_0.jpg", faces / f"{number}.jpg")
    command = [sys.executable, "-m", "dflwrap", "verify", str(faces)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    family = psutil.Process(process.pid)
    try:
        assert until(lambda: family.children(), 120), "no decoder has started"
        decoders = family.children(recursive=True)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=120)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 4 and b"Traceback" not in errors, errors
    assert all_gone(decoders, 60)


def test_many_findings_are_written_piece_by_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = {"torn": [{"file": f"{number:06d}_0.jpg\x1b", "reason": "cut short"} for number in range(20_000)]}
    target = tmp_path / "out.json"
    with target.open("w", encoding="utf-8") as file:
        monkeypatch.setattr(sys, "stdout", file)
        tracemalloc.start()
        try:
            command._write_json(body)
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
            monkeypatch.undo()
    assert json.loads(target.read_text(encoding="utf-8")) == body
    assert "\x1b" not in target.read_text(encoding="utf-8")
    assert most < target.stat().st_size, "as one text it would stand in memory more than once"
