"""`dflwrap prepare`: a clean copy, whatever was wrong; the originals stay as they are, to the byte."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from disks import remount, small_disk
from frame_folders import MAKERS, clean, save
from one_decoder import shared_by
from PIL import Image, ImageOps
from support import contents, dflwrap, start_dflwrap, until

from dflwrap.check.checking import check_frames
from dflwrap.check.findings import Severity
from dflwrap.check.thresholds import Thresholds
from dflwrap.frames import many
from dflwrap.prepare.manifest import NAME

FIXED = (
    *("mixed-schemes", "width-changes", "duplicate-stems", "non-ascii", "control-characters", "too-long"),
    *("reserved-on-windows", "case-collisions", "unreadable", "truncated", "damaged-data", "wrong-suffix"),
    *("zero-bytes", "unusual-pixels", "turned-by-exif", "not-a-frame", "too-small", "several-underscores"),
    *("not-numbered", "number-gaps", "per-person-folders", "animated", "stray-files", "images-in-subfolders"),
)


@pytest.fixture(scope="module", autouse=True)
def _one_decoder() -> Iterator[None]:
    with shared_by(many):
        yield


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    return clean(tmp_path / "frames")


def rows(output: Path) -> dict[str, dict[str, Any]]:
    lines = [json.loads(line) for line in (output / NAME).read_text(encoding="ascii").splitlines()]
    return {line["original"]: line for line in lines if "original" in line}


def serious(folder: Path) -> list[str]:
    found = check_frames(folder, limits=Thresholds(), children=1).findings.sorted()
    return [finding.kind.id for finding in found if finding.severity is not Severity.NOTE]


def pictures(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.[jp][pn]g"))


@pytest.mark.parametrize("name", FIXED)
def test_what_can_be_mended_is_mended(name: str, frames: Path) -> None:
    if sys.platform == "win32" and name in ("reserved-on-windows", "case-collisions", "too-long"):
        pytest.skip("Windows cannot have such a folder")
    MAKERS[name](frames)
    before, output = contents(frames), frames.parent / "out"
    done = dflwrap("prepare", frames, output)
    assert done.code in (0, 1), done.stderr
    assert contents(frames) == before
    known = rows(output)
    wanted = {key for key, value in before.items() if value != "folder" and Path(key).suffix != ".docx"}
    if name == "images-in-subfolders":
        wanted = {key for key in wanted if "/" not in key}
    assert wanted <= set(known)
    assert [row["target"] for row in known.values() if row["target"]] == sorted(pictures(output))
    assert done.code == any(row["lost"] for row in known.values())
    for person in [path for path in output.iterdir() if path.is_dir()] or [output]:
        assert serious(person) == []
    again = contents(output)
    assert "done already" in dflwrap("prepare", frames, output).stdout
    assert contents(output) == again


def test_a_frame_that_is_fine_is_a_link(frames: Path) -> None:
    assert dflwrap("prepare", frames, frames.parent / "out").code == 0
    for original, row in rows(frames.parent / "out").items():
        assert (frames / original).samefile(frames.parent / "out" / row["target"])
        assert row["became"] == "linked"


def test_the_documents_wrong_tree_is_asked_about_and_then_extracts(tmp_path: Path) -> None:
    folder = clean(tmp_path / "data")
    MAKERS["mixed-layout"](folder)
    refused = dflwrap("prepare", folder, tmp_path / "auto")
    assert refused.code == 2 and "--layout join" in refused.stderr and "--layout per-person" in refused.stderr
    assert not (tmp_path / "auto").exists()
    assert dflwrap("prepare", folder, tmp_path / "people", "--layout", "per-person").code == 0
    assert pictures(tmp_path / "people") == [
        *("data/00001.jpg", "other_images/00001.jpg", "personA/00001.jpg", "personA/00002.png"),
    ]
    assert dflwrap("prepare", folder, tmp_path / "joined", "--layout", "join").code == 0
    assert pictures(tmp_path / "joined") == ["00001.jpg", "00002.jpg", "00003.jpg", "00004.png"]
    extracts(tmp_path / "joined", 4)


def test_the_documents_recommended_tree_becomes_a_folder_for_each_and_extracts(tmp_path: Path) -> None:
    folder = clean(tmp_path / "data")
    MAKERS["per-person-folders"](folder)
    assert dflwrap("prepare", folder, tmp_path / "out").code == 0
    names = [f"{person}/0000{number}.jpg" for person in ("personA", "personB") for number in (1, 2, 3)]
    assert pictures(tmp_path / "out") == names
    for person in ("personA", "personB"):
        extracts(tmp_path / "out" / person, 3)


def extracts(folder: Path, count: int) -> None:
    output = folder.with_name(f"{folder.name}_aligned")
    done = dflwrap(
        *("extract", "--input-dir", folder, "--output-dir", output, "--extractor", "builtin", "--cpu-only"),
        *("--image-size", "128", "--json"),
    )
    assert done.code == 0, done.stderr
    outcome = done.report["frames"]
    assert outcome["total"] == count == outcome["extracted"] + outcome["no_face"] and outcome["extracted"]
    shutil.rmtree(output.with_name(output.name + "_dflwrap"))


def test_numbers_sort_by_their_value(frames: Path) -> None:
    MAKERS["width-changes"](frames)
    dflwrap("prepare", frames, frames.parent / "out")
    assert list(rows(frames.parent / "out")) == [f"{number}.jpg" for number in range(1, 11)]


@pytest.mark.parametrize("value", range(1, 9))
def test_pictures_are_turned_upright_for_every_value_of_the_tag(value: int, tmp_path: Path) -> None:
    source = tmp_path / "frames"
    source.mkdir()
    rng = np.random.default_rng(0)
    picture = cv2.resize(
        rng.integers(0, 255, (4, 6, 3), dtype=np.uint8), (300, 200), interpolation=cv2.INTER_NEAREST
    )
    image = Image.fromarray(picture)
    exif = image.getexif()
    exif[274] = value
    image.save(source / "a.jpg", exif=exif, quality=95)
    assert dflwrap("prepare", source, tmp_path / "out").code == 0
    (row,) = rows(tmp_path / "out").values()
    with Image.open(source / "a.jpg") as stored:
        wanted = np.asarray(ImageOps.exif_transpose(stored).convert("RGB"), int)
    got = cv2.imread(str(tmp_path / "out" / row["target"]), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    assert got.shape == wanted.shape
    assert np.abs(got[:, :, ::-1].astype(int) - wanted).mean() < 3
    assert row["became"] == ("linked" if value == 1 else "converted")


def test_max_side_downscales_and_keeps_the_aspect(frames: Path) -> None:
    save(frames / "00011.jpg", np.zeros((100, 300, 3), np.uint8))
    small = cv2.resize(cv2.imread(str(frames / "00001.jpg")), (320, 180))
    save(frames / "00001.jpg", np.asarray(small, np.uint8))
    done = dflwrap("prepare", frames, frames.parent / "out", "--max-side", "400", "--json")
    assert done.report["frames"] == {"found": 11, "linked": 1, "converted": 9, "left_out": 1, "unusable": 1}
    assert cv2.imread(str(frames.parent / "out/00002.png")).shape == (225, 400, 3)
    assert done.report["reasons"] == {"max-side": 9, "too-small": 1}


def test_every_dedupe_and_without(frames: Path) -> None:
    MAKERS["dark"](frames)
    shutil.copyfile(frames / "00009.jpg", frames / "00010.jpg")
    done = dflwrap("prepare", frames, frames.parent / "a", "--dedupe", "--without", "dark", "--json")
    assert done.code == 0 and done.report["reasons"] == {"dark": 4, "near-duplicates": 1}
    assert pictures(frames.parent / "a") == [f"{number:05d}.jpg" for number in range(1, 6)]
    done = dflwrap("prepare", frames, frames.parent / "b", "--every", "3", "--json")
    assert [row["original"] for row in rows(frames.parent / "b").values() if row["target"]] == [
        *("00001.jpg", "00004.jpg", "00007.jpg", "00010.jpg"),
    ]


def test_a_dry_run_prints_the_plan_and_makes_nothing(frames: Path) -> None:
    MAKERS["truncated"](frames)
    done = dflwrap("prepare", frames, frames.parent / "out", "--dry-run")
    assert done.code == 1 and "00003.jpg -> left out (the file is cut short" in done.stdout
    assert "00004.jpg -> 00003.jpg" in done.stdout
    plan = dflwrap("prepare", frames, frames.parent / "out", "--dry-run", "--json").report
    assert len(plan["plan"]) == 10 and plan["manifest"] is None
    assert [path.name for path in frames.parent.iterdir()] == ["frames"]


@pytest.mark.parametrize("how", ["kill", "interrupt"])
@pytest.mark.posix
def test_what_was_interrupted_goes_on(how: str, tmp_path: Path) -> None:
    source, output = tmp_path / "frames", tmp_path / "out"
    source.mkdir()
    picture = np.random.default_rng(0).integers(0, 255, (720, 1280, 3), dtype=np.uint8)
    for number in range(30):
        picture[:40, :40] = number * 8
        save(source / f"{number:03d}.bmp", picture)
    process = start_dflwrap("prepare", source, output, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert until(lambda: len(list(output.glob("*.png"))) >= 3, 120)
    process.send_signal(signal.SIGKILL if how == "kill" else signal.SIGINT)
    code = process.wait(60)
    assert code == (-9 if how == "kill" else 4)
    made = {path.name: path.stat().st_ino for path in output.glob("*.png")}
    assert 3 <= len(made) < 30
    done = dflwrap("prepare", source, output)
    assert done.code == 0, done.stderr
    assert pictures(output) == [f"{number:05d}.png" for number in range(1, 31)]
    kept = sum((output / name).stat().st_ino == inode for name, inode in made.items())
    assert kept == len(made), "what was whole is not made again"
    assert {path.name for path in output.iterdir() if path.suffix != ".png"} == {NAME}
    for number in (0, 15, 29):
        assert (
            cv2.imread(str(output / f"{number + 1:05d}.png")) == cv2.imread(str(source / f"{number:03d}.bmp"))
        ).all()


def test_frames_added_at_the_end_are_added_and_a_deleted_one_is_made_again(frames: Path) -> None:
    output = frames.parent / "out"
    dflwrap("prepare", frames, output)
    shutil.copyfile(frames / "00001.jpg", frames / "00011.jpg")
    (output / "00004.jpg").unlink()
    assert dflwrap("prepare", frames, output).code == 0
    assert pictures(output) == [f"{number:05d}.jpg" for number in range(1, 12)]


@pytest.mark.parametrize(
    "case",
    ["changed", "inserted", "other options", "not ours", "inside", "same", "a file", "in the way", "faceset"],
)
def test_what_cannot_be_is_refused_in_one_sentence_and_nothing_is_touched(case: str, frames: Path) -> None:
    output, more = frames.parent / "out", []
    if case in ("changed", "inserted", "other options"):
        dflwrap("prepare", frames, output)
    if case == "changed":
        shutil.copyfile(frames / "00001.jpg", frames / "00005.jpg")
        os.utime(frames / "00005.jpg", (1, 1))
    elif case == "inserted":
        shutil.copyfile(frames / "00001.jpg", frames / "00004a.jpg")
    elif case == "other options":
        more = ["--dedupe"]
    elif case == "not ours":
        output.mkdir()
        (output / "mine.txt").write_text("mine")
    elif case == "inside":
        output = frames / "out"
    elif case == "same":
        output = frames
    elif case == "a file":
        output.write_text("mine")
    elif case == "in the way":
        output.mkdir()
        shutil.copyfile(frames / "00001.jpg", output / "00002.jpg")
    elif case == "faceset":
        MAKERS["faceset-as-input"](frames)
    before = contents(frames.parent)
    done = dflwrap("prepare", frames, output, *more)
    assert done.code == 2, done.stdout
    assert len(done.stderr.strip().splitlines()) == 1 and "Traceback" not in done.stderr
    assert contents(frames.parent) == before


def test_a_file_of_somebody_else_amid_the_work_is_not_replaced(frames: Path) -> None:
    output = frames.parent / "out"
    dflwrap("prepare", frames, output)
    lines = (output / NAME).read_text().splitlines()
    (output / NAME).write_text("\n".join(lines[:5]) + '\n{"original": "0000')  # as a power cut leaves it
    (output / "00006.jpg").unlink()
    (output / "00006.jpg").write_text("mine")
    done = dflwrap("prepare", frames, output)
    assert done.code == 2 and "in the way" in done.stderr
    assert (output / "00006.jpg").read_text() == "mine"
    (output / "00006.jpg").unlink()
    assert dflwrap("prepare", frames, output).code == 0
    assert len(pictures(output)) == 10


def test_a_full_disk_is_said_and_the_same_command_resumes(tmp_path: Path) -> None:
    source = tmp_path / "frames"
    source.mkdir()
    rng = np.random.default_rng(0)
    for number in range(8):
        save(source / f"{number:03d}.bmp", rng.integers(0, 255, (300, 400, 3), dtype=np.uint8))
    with small_disk(tmp_path / "disk", "2m") as disk:
        done = dflwrap("prepare", source, disk / "out")
        assert done.code == 3, done.stdout
        assert done.stderr.strip().splitlines()[-1] == "disk-full" and "Traceback" not in done.stderr
        made = pictures(disk / "out")
        assert 0 < len(made) < 8
        for name in made:
            assert cv2.imread(str(disk / "out" / name)) is not None, "nothing half-written has a frame's name"
        remount(disk, "size=20m")
        assert dflwrap("prepare", source, disk / "out").code == 0
        assert pictures(disk / "out") == [f"{number:05d}.png" for number in range(1, 9)]
