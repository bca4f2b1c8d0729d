"""`--ask`: DeepFaceLab's questions at a terminal; `--clip` and dropped folders without any."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support import dflwrap

SCRIPT = """
import sys
from dflwrap.cli.terminal.stock_questions import ask_options
from dflwrap.common.plan import ExtractOptions
print("ANSWERS", ask_options(ExtractOptions(), frozenset(GIVEN), sys.stdout, lambda: False, BOUND), flush=True)
"""


def asked(answers: list[str], given: tuple[str, ...] = (), bound: float = 60) -> str:
    """What a person at a terminal sees who types `answers`, each after a question."""
    pty = pytest.importorskip("pty")
    here, there = pty.openpty()
    script = SCRIPT.replace("GIVEN", repr(list(given))).replace("BOUND", str(bound))
    process = subprocess.Popen([sys.executable, "-c", script], stdin=there, stdout=there, stderr=there)
    os.close(there)
    shown, left, deadline = "", list(answers), time.monotonic() + 60
    try:
        while time.monotonic() < deadline:
            if select.select([here], [], [], 0.1)[0]:
                try:
                    shown += os.read(here, 4096).decode()
                except OSError:  # the other side is gone
                    break
            if left and shown.endswith("]: "):
                answer = left.pop(0)
                os.write(here, answer.encode() + b"\n" if answer != "^D" else b"\x04")
                shown += "\n"
        assert process.wait(timeout=30) == 0, shown
    finally:
        process.kill()
        os.close(here)
    return shown


@pytest.mark.posix
@pytest.mark.parametrize(
    ("answers", "given", "expected"),
    [
        (["head", "2", "", "85", "y"], (), ("'head'", "image=2", "size=768", "quality=85", "debug=True")),
        (["", "", "256", "", ""], (), ("'whole_face'", "image=0", "size=256", "quality=90", "debug=False")),
        (["x", "wf", "-1", "1", "99", "512", "0", "1", "n"], (), ("'whole_face'", "image=1", "quality=1,")),
        (["f", "", ""], ("max_faces_from_image", "output_debug"), ("'full_face'", "size=512", "quality=90")),
        (["f", "^D"], (), ("'full_face'", "size=512", "debug=False")),
    ],
)
def test_the_answers_are_taken(answers: list[str], given: tuple[str, ...], expected: tuple[str, ...]) -> None:
    told = asked(answers, given).split("ANSWERS")[1]
    assert all(part in told for part in expected), told


@pytest.mark.posix
def test_nobody_is_waited_for_without_an_end() -> None:
    shown = asked([], bound=0.3)
    assert "ANSWERS" in shown and "'whole_face'" in shown


def test_unattended_nothing_is_asked(tmp_path: Path, clean_frames: Path) -> None:
    """And an earlier faceset of another kind is set aside, where stock would have deleted it."""
    frames = tmp_path / "data_src"
    frames.mkdir()
    for frame in sorted(clean_frames.iterdir())[:2]:
        shutil.copy(frame, frames)
    unattended = ("extract", frames, "--extractor", "builtin", "--ask", "--on-conflict", "set-aside")
    assert dflwrap(*unattended).code == 0
    first = {path.name for path in (frames / "aligned").glob("*.jpg")}
    assert first
    assert dflwrap(*unattended, "--face-type", "head").code == 0
    kept = frames / "aligned_dflwrap" / "earlier"
    assert {path.name for path in kept.rglob("*.jpg")} >= first, "nothing is lost"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("log.txt", "dflwrap diagnose"),
        ("notes.pdf", "is a file"),
        ("gone", "There is no folder"),
    ],
)
def test_what_cannot_be_extracted_from_is_named(tmp_path: Path, name: str, words: str) -> None:
    if name != "gone":
        (tmp_path / name).write_bytes(b"x")
    done = dflwrap("extract", tmp_path / name)
    assert done.code == 2 and words in done.stderr and done.stderr.count("\n") == 1


def test_a_folder_is_needed_once(tmp_path: Path) -> None:
    for words, said in (
        ((), "--input-dir"),
        (("--input-dir", tmp_path), "--output-dir"),
        ((tmp_path, "--input-dir", tmp_path), "once"),
        ((tmp_path, tmp_path), "same folder"),
        ((tmp_path, tmp_path, tmp_path), "DATA and OUT"),
        (("--clip", "data_src", "--output-dir", tmp_path, tmp_path, tmp_path), "once"),
        (("--clip", "data_src", "--dfl-root", tmp_path), "no DeepFaceLab in"),
        (("--clip", "other", "--dfl-root", tmp_path), "'data_src', 'data_dst'"),
    ):
        done = dflwrap("extract", *words)
        assert done.code == 2 and said in done.stderr, done.stderr


def test_a_video_is_cut_into_frames_first(tmp_path: Path, clean_frames: Path) -> None:
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")
    video = tmp_path / "my clip & co.mp4"
    subprocess.run(
        [
            *(imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-framerate", "5", "-start_number", "1"),
            *("-i", str(clean_frames / "%05d.jpg"), "-frames:v", "4", "-pix_fmt", "yuv420p", str(video)),
        ],
        check=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
    )
    done = dflwrap("extract", video, "--extractor", "builtin", "--json")
    assert done.code == 0, done.stderr
    frames = tmp_path / "my clip & co_frames"
    assert len(list(frames.glob("*.png"))) == 4 and done.report["frames"]["total"] == 4
    assert len(list((frames / "aligned").glob("*.jpg"))) >= 4


def test_what_is_no_video_ends_with_what_prepare_says(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"no video")
    done = dflwrap("extract", tmp_path / "clip.mp4", "--extractor", "builtin")
    assert done.code == 2 and "clip.mp4" in done.stderr and "Traceback" not in done.stderr


def test_what_cmd_cut_from_a_dropped_path_is_whole_again(tmp_path: Path) -> None:
    log = tmp_path / "a&b.log"
    log.write_bytes((Path(__file__).parents[2] / "sample_logs" / "no-avx.log").read_bytes())
    env = {"DFLWRAP_STARTED_AS": f"cmd.exe /c ??D:\\diagnose last run (dflwrap).bat? {log}?"}
    done = dflwrap("scripts", "last-run", tmp_path / "a", env=env)
    assert done.code == 1 and "a&b.log" in done.stdout, done.stderr
