"""The main road on the built-in extractor: real TensorFlow, real frames, real processes, real signals."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from support import Finished, Started, all_gone, assert_conserved, contents, dflwrap, start_dflwrap

from dflwrap.faceset.face_file.metadata import read_metadata
from dflwrap.faceset.face_file.verify import verify_face

BUILTIN = ("--extractor", "builtin", "--cpu-only", "--image-size", "128")


def extract(source: Path, output: Path, *more: str) -> Finished:
    return dflwrap("extract", "--input-dir", source, "--output-dir", output, *BUILTIN, "--json", *more)


@pytest.fixture(scope="module")
def undisturbed(clean_frames: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The faceset of a run that nothing disturbed."""
    output = tmp_path_factory.mktemp("undisturbed") / "aligned"
    done = extract(clean_frames, output)
    assert done.code == 0, done.stderr
    return output


def names(faceset: Path) -> list[str]:
    return sorted(path.name for path in faceset.iterdir())


def test_a_clean_folder_ends_complete_with_every_frame_accounted_for(
    clean_frames: Path, tmp_path: Path
) -> None:
    before = contents(clean_frames)
    done = extract(clean_frames, tmp_path / "aligned")
    assert done.code == 0, done.stderr
    report = done.report
    assert_conserved(report)
    assert report["frames"]["extracted"] == report["frames"]["total"] == 12
    faces = names(tmp_path / "aligned")
    assert len(faces) == report["faces"] >= 12
    for name in faces:
        assert verify_face(tmp_path / "aligned" / name, 128).source_filename in before
    assert contents(clean_frames) == before


def test_the_ugly_folder_ends_with_code_1_and_each_bad_file_named(ugly_frames: Path, tmp_path: Path) -> None:
    before = contents(ugly_frames)
    done = extract(ugly_frames, tmp_path / "aligned")
    assert done.code == 1, done.stderr
    assert_conserved(done.report)
    quarantined = {row["frame"]: row for row in done.report["quarantined"]}
    reasons = {
        "truncated.jpg": "cut short",
        "zero_bytes.jpg": "empty",
        "text.png": "text",
        "small_100x100.png": "128",
        "tiny_1x1.png": "128",
        "folder_named.jpg": "folder",
        "broken_link.jpg": "link",
    }
    assert set(quarantined) == set(reasons)
    for name, words in reasons.items():
        assert words in quarantined[name]["evidence"], quarantined[name]
    assert done.report["no_face"] == ["black.png"]
    assert any(item["name"] == "folder" and "2 images" in item["reason"] for item in done.report["ignored"])
    assert contents(ugly_frames) == before
    sources = {read_metadata(path).source_filename for path in (tmp_path / "aligned").iterdir()}  # type: ignore[union-attr]
    for name in (
        "modern.webp",
        "bitmap.bmp",
        "cmyk.jpg",
        "sixteen_bit.png",
        "twin.jpg",
        "twin.png",
        "UPPER.JPG",
    ):
        assert name in sources
    assert "Zoë_Größe_写真.jpg" in sources
    assert (tmp_path / "aligned" / "Zoë_Größe_写真_0.jpg").exists()
    quarantine = tmp_path / "aligned_dflwrap" / "quarantine"
    assert "cut short" in (quarantine / "truncated.jpg.txt").read_text(encoding="utf-8")


def test_the_same_command_after_the_end_says_so_and_does_nothing(
    clean_frames: Path, undisturbed: Path
) -> None:
    before = contents(undisturbed)
    done = extract(clean_frames, undisturbed)
    assert done.code == 0
    assert "finished already" in done.stderr
    assert len(done.report["attempts"]) == 1
    assert contents(undisturbed) == before


def start(source: Path, output: Path) -> Started:
    return start_dflwrap(
        *("extract", "--input-dir", source, "--output-dir", output, *BUILTIN),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def wait_for_faces(output: Path, count: int, process: Started) -> None:
    deadline = time.monotonic() + 400
    while time.monotonic() < deadline and process.poll() is None:
        if output.is_dir() and len(list(output.iterdir())) >= count:
            return
        time.sleep(0.005)
    pytest.fail(f"no {count} faces appeared; exit code {process.poll()}")


def many(source: Path, folder: Path, copies: int = 8) -> Path:
    """A longer clip: the same frames under more names, so that a kill falls into the run."""
    folder.mkdir()
    for path in source.glob("*.jpg"):
        for number in range(copies):
            shutil.copyfile(path, folder / f"{path.stem}-{number}.jpg")
    return folder


@pytest.mark.posix
def test_a_kill_9_halfway_leaves_no_process_and_the_same_command_ends_with_the_same_faceset(
    clean_frames: Path, tmp_path: Path
) -> None:
    source = many(clean_frames, tmp_path / "frames")
    whole = tmp_path / "whole"
    assert extract(source, whole).code == 0
    output = tmp_path / "aligned"
    process = start(source, output)
    wait_for_faces(output, 10, process)
    family = psutil.Process(process.pid).children(recursive=True)
    assert len(family) >= 3, "the extractor and two workers"
    process.kill()
    process.wait()
    assert all_gone(family, 5), [p.cmdline() for p in family if p.is_running()]
    assert len(names(output)) < len(names(whole)), "the kill came too late to prove anything"
    done = extract(source, output)
    assert done.code == 0, done.stderr
    assert_conserved(done.report)
    assert names(output) == names(whole)
    assert len(done.report["attempts"]) == 2
    for name in names(output):
        verify_face(output / name, 128)


@pytest.mark.posix
@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_ends_the_run_with_code_4_and_it_can_be_resumed(
    clean_frames: Path, tmp_path: Path, number: str
) -> None:
    source = many(clean_frames, tmp_path / "frames")
    output = tmp_path / "aligned"
    process = start(source, output)
    wait_for_faces(output, 5, process)
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(getattr(signal, number))
    _, stderr = process.communicate(timeout=200)
    assert process.returncode == 4, stderr.decode()
    assert all_gone(family, 5)
    for name in names(output):
        verify_face(output / name, 128)
    done = extract(source, output)
    assert done.code == 0
    assert_conserved(done.report)
    assert done.report["frames"]["extracted"] == len(list(source.iterdir()))


def test_a_faceset_that_was_there_survives_and_half_written_faces_are_made_anew(
    clean_frames: Path, undisturbed: Path, tmp_path: Path
) -> None:
    """What stock DFL leaves when it dies: some whole faces, one without metadata, one torn, others' files."""
    output = tmp_path / "aligned"
    output.mkdir()
    for name in names(undisturbed)[:5]:
        shutil.copyfile(undisturbed / name, output / name)
    kept = {name: (output / name).read_bytes() for name in names(output)[:3]}
    torn, bare = sorted(names(output))[3:5]
    (output / torn).write_bytes((output / torn).read_bytes()[:2000])
    (output / bare).write_bytes(b"")
    (output / "notes.txt").write_text("mine")
    done = extract(clean_frames, output)
    assert done.code == 0, done.stderr
    assert_conserved(done.report)
    assert done.report["frames"]["extracted"] == 12
    for name, data in kept.items():
        assert (output / name).read_bytes() == data
    assert (output / "notes.txt").read_text() == "mine"
    assert [n for n in names(output) if n != "notes.txt"] == names(undisturbed)
    aside = tmp_path / "aligned_dflwrap" / "set_aside"
    assert torn in names(aside)
    assert sum(attempt["frames"] for attempt in done.report["attempts"]) < 12


def test_a_name_taken_by_something_else_is_an_error_before_anything_starts(
    clean_frames: Path, tmp_path: Path
) -> None:
    output = tmp_path / "aligned"
    output.mkdir()
    stem = sorted(clean_frames.iterdir())[0].stem
    taken = output / f"{stem}_0.jpg"
    shutil.copyfile(sorted(clean_frames.iterdir())[0], taken)
    before = taken.read_bytes()
    done = extract(clean_frames, output)
    assert done.code == 2
    assert taken.name in done.stderr and "--on-conflict set-aside" in done.stderr
    assert taken.read_bytes() == before and names(output) == [taken.name]
    again = extract(clean_frames, output, "--on-conflict", "set-aside")
    assert again.code == 0, again.stderr
    assert (tmp_path / "aligned_dflwrap" / "set_aside" / taken.name).read_bytes() == before


def test_a_second_dflwrap_on_the_same_faceset_is_refused(clean_frames: Path, tmp_path: Path) -> None:
    source, output = many(clean_frames, tmp_path / "frames", 12), tmp_path / "aligned"
    process = start(source, output)
    try:
        deadline = time.monotonic() + 200
        while not (tmp_path / "aligned_dflwrap" / "run.db").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        done = extract(source, output)
        assert done.code == 2
        assert "Another dflwrap" in done.stderr
    finally:
        process.communicate(timeout=400)
    assert process.returncode == 0


def test_a_damaged_ledger_is_a_clear_error_and_nothing_is_destroyed(
    clean_frames: Path, undisturbed: Path, tmp_path: Path
) -> None:
    output = tmp_path / "aligned"
    shutil.copytree(undisturbed, output)
    shutil.copytree(undisturbed.with_name("aligned_dflwrap"), tmp_path / "aligned_dflwrap")
    database = tmp_path / "aligned_dflwrap" / "run.db"
    database.write_bytes(b"not a database at all, " * 1000)
    before = contents(tmp_path)
    done = extract(clean_frames, output)
    assert done.code == 2
    assert "damaged" in done.stderr and "Traceback" not in done.stderr
    after = contents(tmp_path)
    after.pop("aligned_dflwrap/run.lock", None)
    before.pop("aligned_dflwrap/run.lock", None)
    assert after == before


def test_the_ledger_agrees_with_the_faceset(undisturbed: Path) -> None:
    database = sqlite3.connect(undisturbed.with_name("aligned_dflwrap") / "run.db")
    with database:
        in_ledger = sorted(row[0] for row in database.execute("SELECT name FROM faces"))
        assert database.execute("SELECT count(*) FROM moves").fetchone()[0] == 0
        assert database.execute("SELECT count(*) FROM samples").fetchone()[0] > 0
    database.close()
    assert in_ledger == names(undisturbed)


def test_other_options_for_a_begun_faceset_are_refused(clean_frames: Path, undisturbed: Path) -> None:
    done = extract(clean_frames, undisturbed, "--face-type", "full_face")
    assert done.code == 2
    assert "face type whole_face" in done.stderr
