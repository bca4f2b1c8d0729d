"""dflwrap.log: with times, rotated, and never over a file of the user's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from disks import small_disk

from dflwrap.unattended import log_file
from dflwrap.unattended.log_file import EARLIER, HEADER, RunLog


def test_lines_have_their_time_and_what_was_said_before_comes_first(tmp_path: Path) -> None:
    log = RunLog()
    log.write("before there was a folder")
    log.open(tmp_path, "dflwrap starts")
    log.write("two\nlines with 100 % and {braces}")
    log.write("a name \x1b[31m\u202e with an escape")
    log.close()
    log.write("after the end")
    first, *lines = (tmp_path / "dflwrap.log").read_text(encoding="utf-8").splitlines()
    assert re.fullmatch(rf"{HEADER}, times are local \(UTC[+-]\d{{4}}\)", first)
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ", line) for line in lines)
    assert [line[20:] for line in lines] == [
        "dflwrap starts",
        "before there was a folder",
        "two",
        "lines with 100 % and {braces}",
        r"a name \x1b[31m\u202e with an escape",
    ]


def test_a_second_start_continues_the_file(tmp_path: Path) -> None:
    for number in range(2):
        log = RunLog()
        log.open(tmp_path, f"start {number}")
        log.close()
    text = (tmp_path / "dflwrap.log").read_text()
    assert text.count(HEADER) == 1 and "start 0" in text and "start 1" in text


def fill(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(log_file, "LARGEST", 2000)
    log = RunLog()
    log.open(folder, "start")
    for number in range(400):
        log.write(f"line {number:04d} of a long night")
    log.close()
    return sorted(path.name for path in folder.iterdir())


def test_full_files_move_on_and_the_oldest_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = fill(tmp_path, monkeypatch)
    assert names == ["dflwrap.log", *(f"dflwrap.log.{n}" for n in range(1, EARLIER + 1))]
    for name in names:
        text = (tmp_path / name).read_text()
        assert text.startswith(HEADER) and len(text) <= 2100
    assert "line 0399" in (tmp_path / "dflwrap.log").read_text()


@pytest.mark.parametrize("name", ["dflwrap.log.1", "dflwrap.log.3"])
def test_a_file_of_the_users_is_never_rotated_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / name).write_text("my notes")
    fill(tmp_path, monkeypatch)
    assert (tmp_path / name).read_text() == "my notes"
    text = (tmp_path / "dflwrap.log").read_text()
    assert "line 0000" in text and "line 0399" in text, "it grows instead"


def test_another_file_of_that_name_and_a_link_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "a" / "dflwrap.log").write_text("the user's own")
    (tmp_path / "elsewhere").write_text(f"{HEADER}, looks like ours\n")
    (tmp_path / "b" / "dflwrap.log").symlink_to(tmp_path / "elsewhere")
    for folder in ("a", "b"):
        log = RunLog()
        log.open(tmp_path / folder, "start")
        log.write("a line")
        log.close()
    assert (tmp_path / "a" / "dflwrap.log").read_text() == "the user's own"
    assert (tmp_path / "elsewhere").read_text() == f"{HEADER}, looks like ours\n"


def test_a_full_disk_costs_lines_and_nothing_else(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "64k") as disk:
        log = RunLog()
        log.open(disk, "start")
        (disk / "filler").write_bytes(bytes(60_000 - 4096))
        for number in range(3000):
            log.write(f"line {number} {'x' * 60}")
        (disk / "filler").unlink()
        log.write("there is room again")
        log.close()
        assert "there is room again" in (disk / "dflwrap.log").read_text()
