"""Several folders by one command: which runs that makes, and that every picture of both trees is extracted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support import (
    DOUBLE,
    Finished,
    assert_conserved,
    contents,
    dflwrap,
    small_frames,
    start_dflwrap,
    until,
)
from unprivileged import can_be_closed, dflwrap_as_user

from dflwrap.faceset.face_file.metadata import read_metadata

HOW = (
    *("--dfl-root", DOUBLE, "--dfl-python", sys.executable, "--extractor", "dfl", "--image-size", "256"),
    *("--workers", "1", "--second-look", "off", "--cpu-only"),
)


def extract(*words: str | Path, env: dict[str, str] | None = None) -> Finished:
    return dflwrap("extract", *words, *HOW, env=env)


def frames(folder: Path, names: list[str]) -> None:
    """Frames of these names, also in sub-folders; each of its own grey."""
    made = small_frames(folder.with_name(f"{folder.name}_made"), len(names))
    for picture, name in zip(sorted(made.iterdir()), names, strict=True):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        picture.rename(folder / name)
    made.rmdir()


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """The tree that the user's document recommends (PNG: what the double reads)."""
    people = [f"person{person}/{number:04d}.png" for person in "AB" for number in (1, 2, 3)]
    frames(tmp_path / "data", people)
    return tmp_path / "data"


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    """The tree that it warns of."""
    names = ["personA/001.png", "personA/image1.png", "personB.png", "other_images/001.png"]
    frames(tmp_path / "data", names)
    return tmp_path / "data"


def faces(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*_?.jpg"))


def sources(folder: Path) -> dict[str, str | None]:
    """Of each face the frame that it names."""
    found = {path.name: read_metadata(path) for path in folder.glob("*.jpg")}
    return {name: metadata.source_filename if metadata else None for name, metadata in found.items()}


def runs(done: Finished) -> dict[str, dict[str, Any]]:
    job = json.loads(done.stdout)
    assert job["exit_code"] == done.code
    for run in job["runs"]:
        if run["report"] is not None:
            assert_conserved(run["report"])
    return {Path(run["output_dir"]).name: run for run in job["runs"]}


# -- per-person ------------------------------------------------------------------------------------


def test_each_person_gets_a_faceset_and_a_run_folder_beside_it(good: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    before = contents(good)
    done = extract(good, out)
    assert done.code == 0, done.stderr
    assert faces(out) == [f"person{p}/{n:04d}_0.jpg" for p in "AB" for n in (1, 2, 3)]
    assert (out / "personA_dflwrap" / "run.db").is_file()
    assert "Run 1 of 2" in done.stdout and "personB" in done.stdout
    assert contents(good) == before


def test_a_second_start_takes_no_run_folder_for_a_person(good: Path, tmp_path: Path) -> None:
    """Also where the facesets lie among the people."""
    for out in (tmp_path / "out", good / "facesets"):
        for _ in range(2):
            done = extract(good, out, "--json")
            assert done.code == 0, done.stderr
            assert sorted(runs(done)) == ["personA", "personB"]
        assert len(faces(out)) == 6
        assert done.stderr.count("This run has finished already") == 2


@pytest.mark.parametrize("listed", [False, True], ids=["a folder", "--job"])
def test_a_person_who_is_passed_over_by_name_is_told_of(tmp_path: Path, listed: bool) -> None:
    data = tmp_path / "data"
    frames(data, ["ann/1.png", "tom/1.png", "aligned_bob/1.png"])
    words = ("--job", f"{data}:{tmp_path / 'out'}") if listed else (data, tmp_path / "out")
    done = extract(*words, "--layout", "per-person", "--json")
    assert sorted(runs(done)) == ["ann", "tom"]
    [line] = [line for line in done.stderr.splitlines() if "aligned_bob" in line]
    assert "[passed-over-folders]" in line


def test_a_video_beside_the_people_is_told_of(good: Path, tmp_path: Path) -> None:
    (good / "personC.mp4").write_bytes(b"")
    done = extract(good, tmp_path / "out", "--json")
    assert sorted(runs(done)) == ["personA", "personB"]
    [line] = [line for line in done.stderr.splitlines() if "personC" in line]
    assert "[videos-not-frames]" in line
    prepared = dflwrap("prepare", good, tmp_path / "clean", "--json")
    assert "personC.mp4" in " ".join(prepared.report["notes"])


def test_a_person_without_pictures_is_told_of(good: Path, tmp_path: Path) -> None:
    (good / "personC/clip").mkdir(parents=True)
    done = extract(good, tmp_path / "out", "--json")
    assert sorted(runs(done)) == ["personA", "personB"]
    [line] = [line for line in done.stderr.splitlines() if "personC" in line]
    assert "[folder-without-pictures]" in line
    prepared = dflwrap("prepare", good, tmp_path / "clean", "--json")
    [note] = prepared.report["notes"]
    assert "personC" in note and prepared.code == 0


def test_a_person_with_folders_of_clips_has_them_joined(tmp_path: Path) -> None:
    frames(tmp_path / "data", ["tom/clip1/1.png", "tom/clip2/1.png", "ann/1.png", "ann/2.png"])
    done = extract(tmp_path / "data", tmp_path / "out", "--json")
    assert done.code == 0, done.stderr
    assert {name: run["joined"] for name, run in runs(done).items()} == {"ann": False, "tom": True}
    assert faces(tmp_path / "out" / "tom") == ["clip1_1_0.jpg", "clip2_1_0.jpg"]


def test_the_wrong_tree_is_refused_with_the_choices(wrong: Path, tmp_path: Path) -> None:
    done = extract(wrong, tmp_path / "out")
    assert done.code == 2
    assert all(f"--layout {choice}" in done.stderr for choice in ("join", "per-person", "flat"))
    assert not (tmp_path / "out").exists() and not (tmp_path / "out_dflwrap").exists()


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (
            "per-person",
            ["data/personB_0.jpg", "other_images/001_0.jpg", "personA/001_0.jpg", "personA/image1_0.jpg"],
        ),
        ("join", ["other_images_001_0.jpg", "personA_001_0.jpg", "personA_image1_0.jpg", "personB_0.jpg"]),
        ("flat", ["personB_0.jpg"]),
    ],
)
def test_the_wrong_tree_is_extracted_as_it_is_said(
    wrong: Path, tmp_path: Path, choice: str, expected: list[str]
) -> None:
    done = extract(wrong, tmp_path / "out", "--layout", choice)
    assert done.code == 0, done.stderr
    assert faces(tmp_path / "out") == expected


@pytest.mark.parametrize("tree", ["good", "wrong"])
def test_both_trees_are_extracted_after_prepare(
    tree: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    data = request.getfixturevalue(tree)
    total = len(list(data.rglob("*.png")))
    assert dflwrap("prepare", data, tmp_path / "clean", "--layout", "per-person").code in (0, 1)
    done = extract(tmp_path / "clean", tmp_path / "out", "--json")
    assert done.code == 0, done.stderr
    assert sum(run["report"]["frames"]["extracted"] for run in runs(done).values()) == total


def test_pictures_in_the_folder_and_fewer_below_are_flat_with_a_warning(tmp_path: Path) -> None:
    frames(tmp_path / "data", ["1.png", "2.png", "scans/1.png"])
    done = extract(tmp_path / "data", tmp_path / "out")
    assert done.code == 0
    assert faces(tmp_path / "out") == ["1_0.jpg", "2_0.jpg"]
    assert "scans: not a frame: sub-folder with 1 image" in done.stdout and "--layout join" in done.stdout


@pytest.mark.skipif(not can_be_closed(), reason="no folder can be closed here")
def test_a_person_that_cannot_be_read_does_not_stop_the_others(good: Path, tmp_path: Path) -> None:
    (good / "personA").chmod(0)
    try:
        done = dflwrap_as_user("extract", good, tmp_path / "out", *HOW, "--json")
    finally:
        (good / "personA").chmod(0o755)
    assert done.code == 2 and runs(done)["personB"]["exit_code"] == 0
    assert "Permission denied" in runs(done)["personA"]["sentence"]


def test_a_link_that_leads_back_up_is_no_person(good: Path, tmp_path: Path) -> None:
    (good / "all of them").symlink_to(".")
    (good / "more of them").symlink_to("..")
    done = extract(good, tmp_path / "out", "--json")
    assert (done.code, set(runs(done))) == (0, {"personA", "personB"})


def test_what_a_system_keeps_among_the_folders_is_no_person(good: Path, tmp_path: Path) -> None:
    for name in ("@eaDir", "$RECYCLE.BIN", "__MACOSX", ".thumbnails"):
        frames(good / name, ["1.png", "2.png", "3.png", "4.png"])
    done = extract(good, tmp_path / "out", "--json")
    assert (done.code, set(runs(done))) == (0, {"personA", "personB"})


# -- join ------------------------------------------------------------------------------------------


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Clips whose frames have the same names, one of a name that its own frames could have."""
    names = [f"{clip}/0000{number}.png" for clip in ("a", "b") for number in (1, 2)]
    frames(tmp_path / "data", [*names, "a/b/00001.png", "a_b/00001.png", "00001.png"])
    return tmp_path / "data"


def test_joined_frames_of_one_name_stay_apart_and_every_face_tells_its_own(
    clips: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = extract(clips, out, "--layout", "join", "--json")
    assert done.code == 0, done.stderr
    assert done.report["frames"]["extracted"] == 7
    found = sources(out)
    assert len(set(found.values())) == 7, "each face names another frame"
    assert all(name == f"{Path(source or '').stem}_0.jpg" for name, source in found.items())
    assert {"00001.png", "a_00001.png", "b_00002.png"} <= set(found.values())
    verified = dflwrap("verify", out, "--json")
    assert verified.code == 0, verified.stdout
    report = json.loads(verified.stdout)
    assert "cannot be read" not in verified.stdout, "each frame is found in its clip"
    assert report["foreign"] == [] and report["missing"] == []


def test_a_joined_run_resumes_as_one_without_being_told_again(clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert extract(clips, out, "--layout", "join").code == 0
    frames(tmp_path / "more", ["b/00003.png"])
    (tmp_path / "more" / "b" / "00003.png").rename(clips / "b" / "00003.png")
    (out / "a_00001_0.jpg").rename(out / "renamed.jpg")
    done = extract(clips, out, "--json")
    assert done.code == 0, done.stderr
    assert done.report["frames"]["extracted"] == 8 and done.report["faces"] == 8
    assert len(list(out.glob("*.jpg"))) == 8, "nothing is made twice"


def test_a_joined_run_is_not_taken_up_flat(clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert extract(clips, out, "--layout", "join").code == 0
    before = contents(out)
    done = extract(clips, out, "--layout", "flat")
    assert done.code == 2 and "joined" in done.stderr
    assert contents(out) == before
    assert extract(clips, out, "--json").report["frames"]["extracted"] == 7


def test_a_lost_ledger_finds_the_joined_faces_again(clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert extract(clips, out, "--layout", "join").code == 0
    (tmp_path / "out_dflwrap").rename(tmp_path / "away")
    before = contents(out)
    done = extract(clips, out, "--layout", "join", "--json")
    assert done.code == 0, done.stderr
    assert done.report["frames"]["extracted"] == 7 and contents(out) == before


def test_a_quarantined_frame_of_a_clip_is_named_with_its_clip(clips: Path, tmp_path: Path) -> None:
    (clips / "b" / "00002.png").write_bytes(b"")
    done = extract(clips, tmp_path / "out", "--layout", "join", "--json")
    assert done.code == 1
    assert [row["frame"] for row in done.report["quarantined"]] == ["b/00002.png"]
    assert (tmp_path / "out_dflwrap" / "quarantine" / "b_00002.png").exists()


# -- several inputs --------------------------------------------------------------------------------


def test_a_refused_run_does_not_stop_the_others(good: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    done = extract(
        *("--job", f"{good / 'personA'}:{tmp_path / 'a'}", "--job", f"{tmp_path / 'none'}:{tmp_path / 'n'}"),
        *(
            "--job",
            f"{good / 'personB'}:{tmp_path / 'taken'}",
            "--job",
            f"{good / 'personB'}:{tmp_path / 'b'}",
        ),
        "--json",
    )
    assert done.code == 2, done.stderr
    ended = runs(done)
    assert {name: run["exit_code"] for name, run in ended.items()} == {"a": 0, "n": 2, "taken": 2, "b": 0}
    assert "does not exist" in ended["n"]["sentence"]
    assert (tmp_path / "taken").read_text() == "mine" and not (tmp_path / "n").exists()


def test_a_list_of_jobs_holds_paths_from_its_own_folder(good: Path, tmp_path: Path) -> None:
    jobs = tmp_path / "jobs.txt"
    jobs.write_bytes("# people\n\ndata/personA\tout: A\ndata/personB:out-B\n".encode("utf-16"))
    done = extract("--job-list", jobs, "--json")
    assert done.code == 0, done.stderr
    assert sorted(runs(done)) == ["out-B", "out: A"]
    assert len(faces(tmp_path / "out: A")) == 3


@pytest.mark.parametrize("same", ["out", "./sub/../out"])
def test_two_inputs_into_one_output_are_refused_before_anything_starts(
    good: Path, tmp_path: Path, same: str
) -> None:
    (tmp_path / "sub").mkdir()
    done = extract(
        *("--job", f"{good / 'personA'}:{tmp_path / 'out'}", "--job", f"{good / 'personB'}:{tmp_path / same}")
    )
    assert done.code == 2 and "--layout join" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("inside", ["b/c", "b_dflwrap/c", "b_debug/c/d"])
def test_no_faceset_lies_in_the_folders_of_another(inside: str, good: Path, tmp_path: Path) -> None:
    done = extract(
        *("--job", f"{good / 'personA'}:{tmp_path / inside}", "--job", f"{good / 'personB'}:{tmp_path / 'b'}")
    )
    assert done.code == 2 and "lies in" in done.stderr and "belongs to the run of" in done.stderr
    assert not (tmp_path / "b").exists()


def test_no_faceset_lies_among_frames_that_another_run_joins(good: Path, tmp_path: Path) -> None:
    jobs = ("--job", f"{good}:{tmp_path / 'all'}", "--job", f"{good / 'personB'}:{good / 'faces'}")
    done = extract(*jobs, "--layout", "join")
    assert done.code == 2 and "lies in" in done.stderr
    assert not (tmp_path / "all").exists()


def test_a_run_does_not_write_into_the_frames_of_another(good: Path, tmp_path: Path) -> None:
    for output in (good / "personB", tmp_path / "b_dflwrap"):
        done = extract(
            *("--job", f"{good / 'personA'}:{output}", "--job", f"{good / 'personB'}:{tmp_path / 'b'}")
        )
        assert done.code == 2 and "another" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("data", "out", "--output-dir", "out"),
        ("data", "out", "--input-dir", "data"),
        ("data", "--job", "data:out"),
        ("--job", "data:out", "--clip", "data_src"),
        ("data", "out", "third"),
        ("--job", "data"),
        ("--job", ":out"),
        ("--job-list", "none.txt"),
    ],
)
def test_what_does_not_fit_together_is_exit_2(
    good: Path, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(good.parent)
    monkeypatch.chdir(good.parent)
    done = extract(*words)
    assert done.code == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert contents(good.parent) == before


def test_folders_dropped_onto_a_script_each_get_their_own_faceset(good: Path, tmp_path: Path) -> None:
    """A script starts `extract --clip data_src ... FOLDER FOLDER`: the second is no output."""
    done = extract("--clip", "data_src", good / "personA", good / "personB", "--json")
    assert done.code == 0, done.stderr
    assert len(faces(good / "personA" / "aligned")) == len(faces(good / "personB" / "aligned")) == 3


@pytest.mark.skipif(os.name == "nt", reason="a signal of POSIX")
def test_ctrl_c_ends_the_whole_job_and_the_next_start_resumes(good: Path, tmp_path: Path) -> None:
    script = tmp_path / "faults.json"
    script.write_text(json.dumps({"options": {"frame_seconds": 2}}))
    job = start_dflwrap(
        *("extract", good, tmp_path / "out", "--json", *HOW),
        env={"DFLWRAP_DOUBLE_SCRIPT": str(script)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    first = tmp_path / "out" / "personA_dflwrap" / "attempts" / "0001" / "events.jsonl"
    try:
        assert until(lambda: first.is_file() and b"frame_started" in first.read_bytes(), 120)
        job.send_signal(signal.SIGINT)
        stdout, stderr = job.communicate(timeout=120)
    finally:
        job.kill()
    done = Finished(job.wait(60), stdout.decode(), stderr.decode())
    assert done.code == 4, done.stderr
    ended = runs(done)
    assert {run["exit_code"] for run in ended.values()} == {4}
    assert ended["personB"]["report"] is None and "not started" in ended["personB"]["sentence"]
    assert not (tmp_path / "out" / "personB").exists()
    done = extract(good, tmp_path / "out", "--json")
    assert done.code == 0 and len(faces(tmp_path / "out")) == 6, done.stderr


# -- what comes after ------------------------------------------------------------------------------


def test_verify_and_handover_take_a_job(good: Path, tmp_path: Path) -> None:
    (good / "personB" / "0003.png").write_bytes(b"")
    assert extract(good, tmp_path / "out", "--output-debug").code == 1
    verified = dflwrap("verify", tmp_path / "out", "--json")
    looked = json.loads(verified.stdout)["runs"]
    assert [Path(run["faceset"]).name for run in looked] == ["personA", "personB"]
    assert [run["files"] for run in looked] == [3, 2]
    page = dflwrap("verify", tmp_path / "out").stdout
    assert page.count("Faceset: ") == 2
    handed = dflwrap("handover", tmp_path / "out", "--json")
    assert handed.code == 0, handed.stderr
    assert [run["quarantined"] for run in json.loads(handed.stdout)["runs"]] == [[], ["0003.png"]]


def test_handover_says_that_joined_folders_cannot_be_done_by_hand(clips: Path, tmp_path: Path) -> None:
    (clips / "b" / "00002.png").write_bytes(b"")
    assert extract(clips, tmp_path / "out", "--layout", "join", "--output-debug").code == 1
    before = contents(tmp_path / "out_debug")
    done = dflwrap("handover", tmp_path / "out")
    assert done.code == 1 and "--layout join" in done.stdout and "b/00002.png" in done.stdout
    assert contents(tmp_path / "out_debug") == before
