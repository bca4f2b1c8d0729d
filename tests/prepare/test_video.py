"""A video as input: its frames, numbered as DeepFaceLab numbers them."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from frame_folders import clean
from support import contents, dflwrap, start_dflwrap, until

from dflwrap.prepare.manifest import NAME

imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg", reason="needs an ffmpeg: extra `video`")


@pytest.fixture(scope="module")
def ffmpeg() -> str:
    return str(imageio_ffmpeg.get_ffmpeg_exe())


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory, ffmpeg: str) -> Path:
    """A folder with a video of 12 frames, and with these."""
    folder = tmp_path_factory.mktemp("film")
    clean(folder / "frames", 12)
    subprocess.run(
        [
            ffmpeg,
            "-nostdin",
            "-loglevel",
            "error",
            "-framerate",
            "10",
            "-i",
            "%05d.jpg",
            "-pix_fmt",
            "yuv420p",
            "v.mp4",
        ],
        cwd=folder / "frames",
        check=True,
        timeout=120,
    )
    (folder / "frames/v.mp4").rename(folder / "data_src.mp4")
    return folder


@pytest.fixture
def video(tmp_path: Path, film: Path) -> Path:
    """In a folder whose name is a pattern to ffmpeg."""
    folder = tmp_path / "100 %d of it"
    shutil.copytree(film, folder)
    return folder / "data_src.mp4"


def test_every_frame_is_cut_and_numbered(video: Path) -> None:
    output = video.parent / "data_src"
    done = dflwrap("prepare", video, output)
    assert done.code == 0, done.stderr
    assert sorted(path.name for path in output.iterdir()) == [*(f"{n:05d}.png" for n in range(1, 13)), NAME]
    for number in (1, 7, 12):
        cut, origin = (
            cv2.imread(str(path)).astype(int)
            for path in (output / f"{number:05d}.png", video.parent / f"frames/{number:05d}.jpg")
        )
        assert cut.shape == origin.shape and abs(cut - origin).mean() < 12
    assert "done already" in dflwrap("prepare", video, output).stdout


def test_options_apply_to_the_frames_of_a_video(video: Path) -> None:
    output = video.parent / "out"
    done = dflwrap("prepare", video, output, "--every", "4", "--max-side", "320", "--json")
    assert done.report["frames"] == {"found": 12, "linked": 0, "converted": 3, "left_out": 9, "unusable": 0}
    assert cv2.imread(str(output / "00003.png")).shape == (180, 320, 3)


@pytest.mark.posix
def test_a_cut_that_was_killed_is_begun_again(video: Path, tmp_path: Path, ffmpeg: str) -> None:
    output = video.parent / "out"
    slow = tmp_path / "ffmpeg"
    slow.write_text(f'#!/bin/sh\n"{ffmpeg}" "$@"; exec sleep 600\n')
    slow.chmod(0o755)
    process = start_dflwrap(
        *("prepare", video, output, "--ffmpeg", slow), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    assert until(lambda: list(output.rglob("00012.png")), 120)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 4
    done = dflwrap("prepare", video, output)
    assert done.code == 0, done.stderr
    assert len(list(output.glob("*.png"))) == 12 and not (output / ".dflwrap-prepare").exists()


def test_what_is_no_video_is_refused(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"\0" * 5000)
    done = dflwrap("prepare", tmp_path / "clip.mp4", tmp_path / "out")
    assert done.code == 2 and "Is it a video, and whole?" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_without_ffmpeg_it_says_where_to_get_one(video: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "site"
    blocked.mkdir()
    (blocked / "imageio_ffmpeg.py").write_text("raise ImportError('not here')\n")
    done = dflwrap(
        "prepare",
        video,
        tmp_path / "out",
        env={"PYTHONPATH": str(blocked), "PATH": str(Path(sys.executable).parent)},
    )
    if shutil.which("ffmpeg", path=str(Path(sys.executable).parent)):
        pytest.skip("there is an ffmpeg beside this Python")
    assert done.code == 2 and "dflwrap[video]" in done.stderr


def test_a_frame_of_a_video_that_was_deleted_is_made_again(video: Path) -> None:
    output = video.parent / "data_src"
    assert dflwrap("prepare", video, output).code == 0
    before = contents(output)
    (output / "00007.png").unlink()
    done = dflwrap("prepare", video, output)
    assert done.code == 0 and "done already" not in done.stdout
    after = contents(output)
    assert {**before, NAME: None} == {**after, NAME: None}


def test_what_ffmpeg_complains_of_is_told_though_it_ends_well(video: Path) -> None:
    """Half a download: ffmpeg makes what frames there are, and ends with 0."""
    whole = video.with_suffix(".mkv")
    ffmpeg = str(imageio_ffmpeg.get_ffmpeg_exe())
    copy = [ffmpeg, "-nostdin", "-loglevel", "error", "-i", str(video), "-c", "copy", str(whole)]
    subprocess.run(copy, check=True, timeout=120)
    half = video.with_name("half.mkv")
    half.write_bytes(whole.read_bytes()[: whole.stat().st_size * 9 // 10])
    assert dflwrap("prepare", whole, video.parent / "of the whole", "--json").report["notes"] == []
    done = dflwrap("prepare", half, video.parent / "of a half", "--json")
    assert done.report["frames"]["found"] < 12
    [note] = done.report["notes"]
    assert "ffmpeg" in note and "copy or export it again" in note


def test_a_file_that_is_no_video_leaves_the_folder_free_for_one(video: Path) -> None:
    output = video.parent / "data_src"
    wrong = video.with_name("notes.txt")
    wrong.write_text("a text")
    done = dflwrap("prepare", wrong, output)
    assert done.code == 2 and "Is it a video" in done.stderr
    assert not output.exists()
    assert dflwrap("prepare", video, output).code == 0


def test_check_says_what_to_do_with_a_video(video: Path) -> None:
    done = dflwrap("check", video)
    assert done.code == 2 and "dflwrap prepare VIDEO OUTPUT" in done.stderr
