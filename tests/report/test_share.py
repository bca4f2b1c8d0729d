"""What is shared names nobody and shows nobody."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from nights import make_night
from support import contents, dflwrap
from test_page import Elements, pictures_in

from dflwrap.ledger.ledger import Ledger
from dflwrap.report.page.hiding import Hider

SECRETS = ("anna", "lindqvist", "holiday", "verreaux", "hunter2", "192.168.7.41", "desktop-4f7k2lq")


def shared(tmp_path: Path, names: list[str]) -> dict[str, str]:
    folder = tmp_path / "Anna Lindqvist" / "Holiday (private)"
    path = "/home/verreaux/DeepFaceLab/Anna Lindqvist/x.py"
    hostile = (
        f"cannot open {names[7]}, C:\\Users\\Verreaux\\clip.mp4 or {path} on DESKTOP-4F7K2LQ at 192.168.7.41"
    )
    night = make_night(folder, names, hostile=f"{hostile} password=hunter2")
    pictures_in(night.frames, [names[7]], 80)
    ledger = Ledger(night.database)
    ledger.put(
        "extractor", {"name": "deepfacelab", "title": f"DeepFaceLab at {path}", "location": str(folder)}
    )
    ledger.decide(1, f"{names[7]} isolated; {Path(names[3]).stem}_0.jpg moved out of {folder}")
    ledger.close()
    before = contents(folder)
    done = dflwrap("report", night.faceset, "--share")
    assert done.code == 0, done.stderr
    target = night.database.parent / "report-share.zip"
    assert done.stdout.strip() == str(target)
    assert {n: c for n, c in contents(folder).items() if not n.endswith(".zip")} == before
    with zipfile.ZipFile(target) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


@pytest.mark.parametrize(
    "pattern",
    ["anna_{:04d}.png", "Anna Lindqvist, holiday {:d} (1).png", "{:05d} anna&lindqvist's.jpg", "{:05d}.jpg"],
)
def test_neither_names_nor_paths_nor_faces_are_in_it(tmp_path: Path, pattern: str) -> None:
    names = [pattern.format(n) for n in range(120)]
    files = shared(tmp_path, names)
    assert sorted(files) == ["README.txt", "report.html", "report.json"]
    for name, text in files.items():
        plain = text.casefold()
        assert [secret for secret in SECRETS if secret in plain] == [], name
        assert "data:image/webp" not in text
        assert not any(frame in text for frame in names)
        assert str(tmp_path) not in text
    page = Elements(files["report.html"])
    assert "2 of 120 frames: 2 quarantined." in page.text, "what happened is still there"
    assert "frame 8" in page.text and "The graphics card ran out of memory" in page.text
    report = json.loads(files["report.json"])
    assert report["run"]["input_dir"] is None and report["quarantined"][0]["frame"] == "frame 8"
    assert report["attempts"][0]["plan"]["workers"] == 2


def test_a_file_of_the_users_is_not_overwritten_and_one_run_is_named(tmp_path: Path) -> None:
    night = make_night(tmp_path / "a", ["1.png"])
    make_night(tmp_path / "b", ["1.png"])
    mine = tmp_path / "mine.zip"
    mine.write_text("mine")
    done = dflwrap("report", night.faceset, "--share", "--output", mine)
    assert done.code == 2 and "exists already" in done.stderr and mine.read_text() == "mine"
    both = dflwrap("report", tmp_path, "--share")
    assert both.code == 2 and "name one of them" in both.stderr


def test_what_names_nobody_stays_readable() -> None:
    hider = Hider(["00001.png", "x.png"], [Path("/mnt/data/aligned")], lambda text: text)
    said = "2 workers -> 1: 00001.png failed, 00001_0.jpg too; 12345.png is none; x.png."
    assert hider(said) == "2 workers -> 1: frame 1 failed, face 0 of frame 1 too; 12345.png is none; frame 2."
    assert hider("aligned data at 00001") == "aligned data at 00001"
    own = Hider(["anna_face_1.png"], [Path("/mnt/Anna B/aligned")], lambda text: text)
    assert own("Anna's face, Annabel, anna_face_1_0.jpg") == "<name>'s face, Annabel, face 0 of frame 1"
