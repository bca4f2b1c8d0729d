"""`dflwrap check` from outside."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from disks import small_disk
from frame_folders import MAKERS, clean
from support import contents, dflwrap, environment

from dflwrap.check.findings import kinds

KILLS = b"\xff\xd8KILLS"


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    return clean(tmp_path / "frames")


def test_good_frames_end_with_0_and_a_forecast(frames: Path) -> None:
    before = contents(frames)
    done = dflwrap("check", frames)
    assert done.code == 0, done.stderr
    assert "10 found, 10 usable, 0 unusable" in done.stdout and "Nothing to complain about." in done.stdout
    assert "10 will be tried" in done.stdout and "unknown: no run of dflwrap has been measured" in done.stdout
    assert contents(frames) == before


def test_notes_alone_end_with_0(frames: Path) -> None:
    MAKERS["number-gaps"](frames)
    done = dflwrap("check", frames)
    assert (done.code, "[number-gaps]" in done.stdout) == (0, True)


def test_json_holds_what_the_page_says(frames: Path) -> None:
    MAKERS["truncated"](frames)
    MAKERS["non-ascii"](frames)
    done = dflwrap("check", frames, "--json")
    assert done.code == 1, done.stderr
    data = done.report
    assert set(data) == {"schema_version", "input", "layout", "frames", "findings", "forecast"}
    assert data["schema_version"] == 1 and data["layout"] == "flat"
    assert data["frames"] == {"found": 10, "usable": 9, "unusable": 1}
    first, second = data["findings"]
    assert (first["id"], first["severity"], first["count"], first["cause"]) == (
        *("truncated", "error", 1),
        "imread-failed",
    )
    assert (second["id"], second["severity"]) == ("non-ascii", "note")
    for finding in data["findings"]:
        assert finding["explanation"] == kinds()[finding["id"]].explanation
        assert finding["fix"] == kinds()[finding["id"]].fix
    assert data["forecast"]["frames"] == 9 and data["forecast"]["hours"] is None


@pytest.mark.parametrize("name", ["empty", "mixed-layout", "videos-not-frames"])
def test_folders_that_extract_refuses_are_told_of_too(name: str, frames: Path) -> None:
    MAKERS[name](frames)
    done = dflwrap("check", frames)
    assert done.code == 1 and f"[{name}]" in done.stdout
    refused = dflwrap("extract", "--input-dir", frames, "--output-dir", frames.parent / "aligned")
    assert refused.code == 2


@pytest.mark.parametrize(
    "case", ["missing", "a file", "sheet.bmp", "sheet exists", "no sheet folder", "sheet among the frames"]
)
def test_bad_usage_is_one_sentence(case: str, frames: Path) -> None:
    taken = frames / "00001.jpg"
    arguments: dict[str, list[Path | str]] = {
        "missing": [frames / "not there"],
        "a file": [taken],
        "sheet.bmp": [frames, "--sheet", "sheet.bmp"],
        "sheet exists": [frames, "--sheet", taken],
        "sheet among the frames": [frames, "--sheet", frames / "sheet.jpg"],
        "no sheet folder": [frames, "--sheet", frames / "no/sheet.jpg"],
    }
    before = contents(frames)
    done = dflwrap("check", *arguments[case])
    assert (done.code, done.stdout) == (2, "")
    assert len(done.stderr.strip().splitlines()) == 1 and "Traceback" not in done.stderr
    assert "--input-dir" not in done.stderr, "an option of another command"
    assert contents(frames) == before


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--overexposed-above", "35"),
        ("--dark-below", "1000"),
        ("--blurry-below", "-1"),
        ("--dark-below", "nan"),
    ],
)
def test_a_threshold_that_nothing_can_pass_is_refused(option: str, value: str, frames: Path) -> None:
    """35 per cent, typed as 35, would find nothing, and say that all is well."""
    done = dflwrap("check", frames, option, value)
    assert (done.code, done.stdout) == (2, "") and option in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="a small disk is mounted")
def test_a_sheet_that_finds_no_room_costs_the_sheet_and_not_the_findings(
    frames: Path, tmp_path: Path
) -> None:
    MAKERS["dark"](frames)
    with small_disk(tmp_path / "disk") as disk:
        (disk / "full").write_bytes(bytes(1016 * 1024))
        done = dflwrap("check", frames, "--json", "--sheet", disk / "sheet.jpg")
        assert [path.name for path in disk.iterdir()] == ["full"], "no half of it is left"
    assert done.code == 2 and "No space left" in done.stderr
    assert "dark" in {finding["id"] for finding in done.report["findings"]}


def test_the_contact_sheet_shows_the_doubtful_frames(frames: Path) -> None:
    MAKERS["dark"](frames)
    sheet = frames.parent / "sheet.jpg"
    done = dflwrap("check", frames, "--sheet", sheet)
    assert done.code == 1 and str(sheet) in done.stdout
    picture = cv2.imread(str(sheet))
    assert picture.shape[1] > 4 * 240 and picture.shape[0] < 300, "four tiles in a row"
    clean_sheet = frames.parent / "none.jpg"
    assert (
        "no frame is questionable"
        in dflwrap("check", clean(frames.parent / "good"), "--sheet", clean_sheet).stdout
    )
    assert not clean_sheet.exists()


def test_names_cannot_act_on_the_terminal(frames: Path) -> None:
    (frames / "00001.jpg").rename(frames / "\x1b[2J\u202e1.jpg")
    for more in ((), ("--json",)):
        done = dflwrap("check", frames, *more)
        assert "\x1b" not in done.stdout and "\u202e" not in done.stdout
        assert "control-characters" in done.stdout


def test_help_imports_no_picture_library() -> None:
    code = (
        "import sys; sys.argv = ['dflwrap', 'check', '--help']\n"
        "try:\n    from dflwrap.cli.start import run; run()\nexcept SystemExit: pass\n"
        "print(sorted({'cv2', 'numpy', 'tensorflow', 'dhash', 'psutil'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=120,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_check_imports_no_tensorflow(frames: Path) -> None:
    code = (
        "import sys; sys.argv = ['dflwrap', 'check', sys.argv[1], '--json']\n"
        "try:\n    from dflwrap.cli.start import run; run()\nexcept SystemExit: pass\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('tensorflow', 'ai_edge_litert')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(frames)],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=120,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.posix
def test_a_picture_that_kills_its_decoder_costs_that_picture(
    frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The decoder child kills itself, as a crash in a C library does, at a file with a mark in it."""
    (frames / "00005.jpg").write_bytes(KILLS + (frames / "00005.jpg").read_bytes())
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(
        "import os, pathlib\n"
        "read = pathlib.Path.read_bytes\n"
        "def read_bytes(self):\n"
        "    data = read(self)\n"
        f"    return os.kill(os.getpid(), 11) if data.startswith({KILLS!r}) else data\n"
        "pathlib.Path.read_bytes = read_bytes\n"
    )
    done = dflwrap("check", frames, "--json", env={"PYTHONPATH": str(site)})
    assert done.report["frames"] == {"found": 10, "usable": 9, "unusable": 1}
    (only,) = done.report["findings"]
    assert only["id"] == "unreadable" and "died of it" in only["examples"][0]


def test_a_sample_without_any_face_is_a_finding(frames: Path) -> None:
    MAKERS["no-faces"](frames)
    done = dflwrap("check", frames, "--faces", "--json")
    found = {finding["id"]: finding for finding in done.report["findings"]}
    assert done.code == 1 and found["no-faces"]["examples"] == ["0 of 10 sampled frames"]


def test_faces_looks_at_a_sample(frames: Path) -> None:
    done = dflwrap("check", frames, "--json", "--faces")
    assert done.code == 0, done.stderr
    sample = json.loads(done.stdout)["forecast"]["sample"]
    assert sample["frames"] == 10 and sample["with_faces"] >= 8
    assert sample["people_at_least"] == 2, "the clip shows both portraits in its last third"
    assert 40 < sample["face_size"]["median"] < 200
    assert [path.name for path in frames.parent.iterdir()] == ["frames"]


def test_hours_come_from_what_was_measured_here(frames: Path, tmp_path: Path) -> None:
    from dflwrap.planning.paces import PaceStore

    cache = tmp_path / "cache"
    places = {"XDG_CACHE_HOME": str(cache), "WIN_PD_OVERRIDE_LOCAL_APPDATA": str(cache)}
    code = "import platformdirs; print(platformdirs.user_cache_dir('dflwrap'))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=environment(places),
        timeout=60,
        check=True,
    )
    assert PaceStore(Path(done.stdout.strip()) / "paces.json").remember("builtin", "the CPU", 640, 0.01, 100)
    ahead = dflwrap("check", frames, "--json", env=places).report["forecast"]
    assert ahead["hours"] == round(10 / 0.01 / 3600, 2)
    assert "measured here with builtin on the CPU" in ahead["hours_from"]
