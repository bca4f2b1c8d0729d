"""What a program inherits may be missing: streams that are closed, a current folder that is deleted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import assert_conserved

from dflwrap.samples import make_frames

pytestmark = pytest.mark.skipif(os.name != "posix", reason="descriptors and folders as POSIX has them")

START = (
    "import os, sys\n"
    "for descriptor in map(int, sys.argv.pop(1)): os.close(descriptor)\n"
    "os.execv(sys.executable, [sys.executable, '-m', 'dflwrap', *sys.argv[1:]])\n"
)


def without(streams: str, *arguments: str | Path, cwd: Path | None = None) -> int:
    """The exit code of dflwrap, started with these descriptors closed."""
    return subprocess.run(
        [sys.executable, "-c", START, streams, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=300,
        check=False,
        cwd=cwd,
    ).returncode


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("streams") / "frames"
    make_frames(folder, 2, (320, 180), 0, False)
    return folder


@pytest.mark.parametrize("streams", ["0", "1", "2", "012"])
def test_a_run_with_closed_streams_ends_as_any_other(frames: Path, tmp_path: Path, streams: str) -> None:
    output = tmp_path / "aligned"
    done = without(
        streams, "extract", "--input-dir", frames, "--output-dir", output, "--extractor", "builtin"
    )
    assert done == 0
    report = json.loads((tmp_path / "aligned_dflwrap" / "report.json").read_text(encoding="utf-8"))
    assert_conserved(report)
    assert report["frames"]["extracted"] + report["frames"]["no_face"] == 2
    assert (tmp_path / "aligned_dflwrap" / "run.db").read_bytes().startswith(b"SQLite format 3\0")


@pytest.mark.parametrize("streams", ["1", "2", "012"])
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("extract", "--input-dir", "{tmp}/none", "--output-dir", "{tmp}/out"), 2),
        (("extract", "--no-such-option"), 2),
        (("diagnose", "{tmp}/none"), 2),
        (("rules", "list"), 0),
        (("--version",), 0),
    ],
)
def test_the_exit_code_tells_the_same_without_streams(
    tmp_path: Path, arguments: tuple[str, ...], code: int, streams: str
) -> None:
    assert without(streams, *(argument.replace("{tmp}", str(tmp_path)) for argument in arguments)) == code
    assert list(tmp_path.iterdir()) == []


def in_a_deleted_folder(tmp_path: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    gone = tmp_path / "gone"
    gone.mkdir()
    start = (
        "import os, sys\nos.rmdir(os.getcwd())\n"
        "os.execv(sys.executable, [sys.executable, '-P', '-m', 'dflwrap', *sys.argv[1:]])"
    )
    return subprocess.run(
        [sys.executable, "-c", start, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=gone,
    )


@pytest.mark.parametrize("black_box", [(), ("--no-agent",)])
def test_a_run_from_a_deleted_folder_ends_as_any_other(
    frames: Path, tmp_path: Path, black_box: tuple[str, ...]
) -> None:
    output = tmp_path / "aligned"
    folders = ("--input-dir", frames, "--output-dir", output)
    done = in_a_deleted_folder(tmp_path, "extract", *folders, "--extractor", "builtin", *black_box)
    assert done.returncode == 0, done.stderr
    assert list(output.glob("*.jpg"))


def test_a_short_path_in_a_deleted_folder_is_told(frames: Path, tmp_path: Path) -> None:
    done = in_a_deleted_folder(tmp_path, "extract", "--input-dir", frames, "--output-dir", "aligned")
    assert done.returncode == 2
    assert "no longer exists" in done.stderr and "full paths" in done.stderr
