"""Whose the run folder is, what in it may be deleted, and what a call that did nothing leaves behind."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from support import DOUBLE, Finished, contents, dflwrap, small_frames, start_dflwrap, until

from dflwrap.common.errors import DflwrapError
from dflwrap.common.trees import is_link, make_folders, remove_tree
from dflwrap.ledger.ledger import Ledger
from dflwrap.supervisor.run_folder import MARK, RunFolder

FRAMES = 6


def command(root: Path, *more: str | Path) -> tuple[str | Path, ...]:
    return (
        *("extract", "--input-dir", root / "frames", "--output-dir", root / "aligned", "--cpu-only"),
        *("--dfl-root", DOUBLE, "--dfl-python", sys.executable, "--extractor", "dfl", "--image-size", "256"),
        *("--workers", "1", "--second-look", "off", *more),
    )


def extract(root: Path, *more: str | Path) -> Finished:
    return dflwrap(*command(root, *more))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    small_frames(tmp_path / "frames", FRAMES)
    return tmp_path


def foreign(folder: Path) -> None:
    """Somebody's folder that happens to have the name, with parts that have our names."""
    for part in ("attempts/0001/in", "attempts/0001/out", "quarantine", "set_aside"):
        (folder / part).mkdir(parents=True)
        (folder / part / "mine.png").write_bytes(b"mine")


# -- whose it is ----------------------------------------------------------------------------------------


def test_a_foreign_folder_of_that_name_is_refused_untouched(root: Path) -> None:
    foreign(root / "aligned_dflwrap")
    before = contents(root)
    done = extract(root)
    assert done.code == 2
    assert "aligned_dflwrap" in done.stderr and "not dflwrap's" in done.stderr
    assert "Nothing in it was touched" in done.stderr
    assert contents(root) == before


@pytest.mark.parametrize("name", ["run.db", "report.json", MARK])
@pytest.mark.parametrize("what", [b"", b"{}", b"[1]", b"SQLite format 3\0" + bytes(4096), b"[" * 60000])
def test_what_only_bears_a_name_of_ours_does_not_make_it_ours(tmp_path: Path, name: str, what: bytes) -> None:
    folder = tmp_path / "aligned_dflwrap"
    folder.mkdir()
    (folder / name).write_bytes(what)
    (folder / "users.txt").write_text("mine")
    before = contents(tmp_path)
    with pytest.raises(DflwrapError, match="not dflwrap's"):
        RunFolder(tmp_path / "aligned").lock()
    assert contents(tmp_path) == before


def test_another_programs_database_is_not_taken_for_a_ledger(tmp_path: Path) -> None:
    folder = tmp_path / "aligned_dflwrap"
    folder.mkdir()
    database = sqlite3.connect(folder / "run.db")
    database.execute("CREATE TABLE photos (name)")
    database.execute("PRAGMA user_version=1")
    database.commit()
    database.close()
    with pytest.raises(DflwrapError, match="not dflwrap's"):
        RunFolder(tmp_path / "aligned").lock()
    assert sorted(path.name for path in folder.iterdir()) == ["run.db"]


def test_only_one_owns_a_run(tmp_path: Path) -> None:
    first, second = RunFolder(tmp_path / "aligned"), RunFolder(tmp_path / "aligned")
    first.lock()
    with pytest.raises(DflwrapError, match="Another dflwrap is working on this faceset"):
        second.lock()
    first.unlock()
    second.lock()
    second.unlock()


def test_the_mark_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    mkdir = Path.mkdir

    def watched(self: Path, *arguments: object, **options: object) -> None:
        if self.parent.name == "aligned_dflwrap":
            seen.append(sorted(path.name for path in self.parent.iterdir()))
        mkdir(self, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "mkdir", watched)
    folder = RunFolder(tmp_path / "aligned")
    folder.lock()
    folder.unlock()
    assert seen[0] == [MARK]
    assert json.loads((folder.path / MARK).read_bytes())["format"] == "dflwrap run folder"


@pytest.mark.parametrize("left", [b"", None])
def test_an_empty_folder_and_one_with_a_mark_cut_off_by_a_power_cut_are_taken(
    tmp_path: Path, left: bytes | None
) -> None:
    folder = RunFolder(tmp_path / "aligned")
    folder.path.mkdir()
    if left is not None:
        (folder.path / MARK).write_bytes(left)
    folder.lock()
    folder.unlock()
    assert json.loads((folder.path / MARK).read_bytes())["format"] == "dflwrap run folder"


@pytest.mark.parametrize("how", ["closed", "killed"])
def test_a_folder_of_an_earlier_version_is_ours_by_its_ledger(tmp_path: Path, how: str) -> None:
    """It has no mark; killed before the first checkpoint, its tables are in the WAL alone."""
    folder = RunFolder(tmp_path / "aligned")
    folder.path.mkdir()
    end = "ledger.close()" if how == "closed" else "import os; os._exit(9)"
    script = (
        "from pathlib import Path; from dflwrap.ledger.ledger import Ledger\n"
        f"ledger = Ledger(Path({str(folder.database)!r})); {end}"
    )
    subprocess.run([sys.executable, "-c", script], check=False)
    assert how == "closed" or (folder.path / "run.db-wal").stat().st_size
    folder.lock()
    folder.unlock()
    assert (folder.path / MARK).is_file()


@pytest.mark.parametrize(
    "name",
    [
        MARK,
        "run.lock",
        "run.db",
        "run.db-wal",
        "report.json",
        "report.json.part",
        "report.reserve",
        "report.html",
        "report-share.zip",
        "earlier",
    ],
)
def test_a_link_in_the_place_of_a_file_of_ours_is_refused_and_its_target_stays(
    tmp_path: Path, name: str
) -> None:
    folder = RunFolder(tmp_path / "aligned")
    folder.lock()
    Ledger(folder.database).close()
    folder.unlock()
    (tmp_path / "users").write_bytes(b"precious")
    (folder.path / name).unlink(missing_ok=True)
    (folder.path / name).symlink_to(tmp_path / "users")
    before = contents(tmp_path)
    with pytest.raises(DflwrapError, match="is a link"):
        RunFolder(tmp_path / "aligned").lock()
    assert contents(tmp_path) == before


@pytest.mark.parametrize("part", ["attempts", "quarantine", "set_aside", "earlier"])
def test_a_part_that_is_a_link_is_refused_and_what_lies_behind_it_stays(root: Path, part: str) -> None:
    assert extract(root).code == 0
    users = root / "users"
    foreign(users)
    place = root / "aligned_dflwrap" / part
    if place.exists():
        place.rename(root / "kept")
    place.symlink_to(users / part, target_is_directory=True)
    before = contents(root)
    done = extract(root)
    assert done.code == 2
    assert "link" in done.stderr and part in done.stderr
    assert contents(root) == before


# -- what may be deleted in it --------------------------------------------------------------------------


def test_the_users_own_files_in_attempts_stay(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "aligned")
    folder.lock()
    ledger = Ledger(folder.database)
    for name in ("mine/out", "0001/out", "0009/in"):
        (folder.attempts / name).mkdir(parents=True)
        (folder.attempts / name / "frame.png").write_bytes(b"mine")
    (folder.attempts / "notes.txt").write_text("mine")
    before = contents(folder.attempts)
    number, attempt = folder.new_attempt(ledger)
    assert number == 2, "0001 is the user's"
    (attempt / "in").mkdir()
    (attempt / "in" / "ours.png").write_bytes(b"x")
    (attempt / "stdout.log").write_text("a log")
    folder.clear_work(ledger)
    assert contents(folder.attempts) == before | {"0002": "folder", "0002/stdout.log": b"a log"}
    ledger.put("made: attempts", ["../../users", -1, True, None, {"x": 1}, 2])
    folder.clear_work(ledger)
    assert contents(folder.attempts) == before | {"0002": "folder", "0002/stdout.log": b"a log"}


def test_an_attempt_that_became_a_link_is_not_followed(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "aligned")
    folder.lock()
    ledger = Ledger(folder.database)
    _, attempt = folder.new_attempt(ledger)
    attempt.rmdir()
    foreign(tmp_path / "users")
    attempt.symlink_to(tmp_path / "users" / "attempts" / "0001", target_is_directory=True)
    before = contents(tmp_path / "users")
    folder.clear_work(ledger)
    assert contents(tmp_path / "users") == before
    assert folder.new_attempt(ledger)[0] == 2


def test_the_scratch_folder_is_never_one_of_the_users(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "aligned")
    folder.lock()
    ledger = Ledger(folder.database)
    (folder.path / "witness").mkdir()
    first = folder.scratch(ledger)
    assert first.name != "witness" and not first.exists()
    first.mkdir()
    assert folder.scratch(ledger) == first, "recorded as ours"
    ledger.put("made: scratch", "../users")
    assert folder.scratch(ledger).parent == folder.path


def test_removing_a_tree_follows_no_link(tmp_path: Path) -> None:
    users, tree = tmp_path / "users", tmp_path / "tree"
    foreign(users)
    before = contents(users)
    tree.mkdir()
    (tree / "inner").symlink_to(users, target_is_directory=True)
    remove_tree(tree)
    assert not tree.exists()
    tree.symlink_to(users, target_is_directory=True)
    remove_tree(tree)
    assert not os.path.lexists(tree) and contents(users) == before
    remove_tree(tree)


def test_a_junction_of_windows_counts_as_a_link(tmp_path: Path) -> None:
    """Not shown on Windows: there a junction's lstat is a folder's, with this tag."""

    class Junction(type(tmp_path)):  # type: ignore[misc]
        def lstat(self) -> object:
            return type("Stat", (), {"st_mode": 0o40777, "st_reparse_tag": 0xA0000003})()

    assert is_link(Junction(tmp_path))
    assert not is_link(tmp_path) and not is_link(tmp_path / "nothing")


def test_what_was_made_is_known(tmp_path: Path) -> None:
    assert make_folders(tmp_path / "a" / "b") == (tmp_path / "a" / "b", tmp_path / "a")
    assert make_folders(tmp_path / "a" / "c") == (tmp_path / "a" / "c",)
    assert make_folders(tmp_path / "a") == ()
    (tmp_path / "file").touch()
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    for name in ("file", "nowhere"):
        with pytest.raises(FileExistsError):
            make_folders(tmp_path / name)


# -- a call that did nothing ----------------------------------------------------------------------------


def test_a_call_that_did_nothing_leaves_nothing_behind_and_takes_only_its_own(root: Path) -> None:
    """The frame's name is taken: exit 2 before anything starts."""
    (root / "aligned").mkdir()
    picture = cv2.imencode(".jpg", np.zeros((90, 90, 3), np.uint8))[1].tobytes()
    (root / "aligned" / "00001_0.jpg").write_bytes(picture)
    before = contents(root)
    assert extract(root).code == 2
    assert contents(root) == before
    (root / "aligned_dflwrap").mkdir()
    assert extract(root).code == 2
    assert (root / "aligned_dflwrap").is_dir(), "it stood there before"
    assert contents(root / "aligned") == {"00001_0.jpg": picture}


@pytest.mark.parametrize("thing", ["set_aside/a_0.jpg", "attempts/0001/stdout.log", "users.txt"])
def test_undoing_stops_at_what_it_did_not_make(tmp_path: Path, thing: str) -> None:
    folder = RunFolder(tmp_path / "aligned")
    folder.lock()
    folder.make_output()
    ledger = Ledger(folder.database)
    ledger.close()
    (folder.path / thing).parent.mkdir(parents=True, exist_ok=True)
    (folder.path / thing).write_bytes(b"precious")
    before = contents(folder.path)
    folder.undo()
    folder.unlock()
    after = contents(folder.path)
    assert after.pop(thing) == b"precious"
    assert {MARK, "run.db"} <= after.keys() and after.keys() <= before.keys()


def test_nothing_is_undone_once_something_was_done(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "aligned")
    folder.lock()
    folder.make_output()
    folder.keep()
    folder.undo()
    folder.unlock()
    assert (folder.path / MARK).is_file() and (tmp_path / "aligned").is_dir()


def test_a_ledger_that_is_damaged_during_the_run_stops_it_and_everything_stays(root: Path) -> None:
    script = root / "script.json"
    script.write_text(json.dumps({"options": {"frame_seconds": 0.5}}))
    (root / "aligned").mkdir()
    (root / "aligned" / "00001_0.jpg").write_bytes(b"")  # half-written: will be set aside
    output, folder = root / "aligned", root / "aligned_dflwrap"
    running = start_dflwrap(
        *command(root),
        env={"DFLWRAP_DOUBLE_SCRIPT": str(script)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        assert until(lambda: len(list(output.glob("*.jpg"))) >= 2 or running.poll() is not None, 120)
        other = sqlite3.connect(folder / "run.db", timeout=30)
        other.execute("DROP TABLE moves")
        other.close()
        stderr = running.communicate(timeout=120)[1].decode()
    finally:
        if running.poll() is None:
            running.kill()
        running.wait()
    assert running.returncode == 3, stderr
    assert "ledger is damaged" in stderr and "Rename the run folder" in stderr
    assert stderr.strip().splitlines()[-1] == "ledger-damaged"
    assert "Nothing was changed" not in stderr and "Traceback" not in stderr
    said = json.loads((folder / "report.json").read_bytes())["run"]
    assert (said["state"], said["stop"]["cause"]) == ("stopped", "ledger-damaged")
    assert list((folder / "set_aside").iterdir()), "what was set aside is still there"
    assert (folder / "attempts" / "0001" / "events.jsonl").is_file() and (folder / MARK).is_file()
    assert len(list(output.glob("*.jpg"))) >= 2
    again = extract(root)
    assert again.code == 2, "at the start it is what is wrong with the input"
    assert "ledger is damaged" in again.stderr and "Rename the run folder" in again.stderr
    folder.rename(root / "older")
    done = extract(root, "--json")
    assert done.code == 0, done.stderr
    assert done.report["frames"]["extracted"] == FRAMES


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO moves (target, source, frame, attempt) VALUES ('../stolen.jpg', 'attempts/0001/out/x', 1, 1)",
        "INSERT INTO moves (target, source, frame, attempt) VALUES ('x.jpg', '../aligned/00001_0.jpg', 1, 1)",
        "UPDATE frames SET stem = '../../escaped', outcome = NULL WHERE id = 1",
        "UPDATE frames SET entry = 'what'",
        "UPDATE attempts SET plan = '{'",
        "UPDATE run SET value = '7' WHERE key = 'options'",
    ],
)
def test_a_ledger_made_to_do_harm_is_a_damaged_one(root: Path, statement: str) -> None:
    assert extract(root).code == 0
    database = sqlite3.connect(root / "aligned_dflwrap" / "run.db")
    database.execute(statement)
    database.commit()
    database.close()
    before = contents(root)
    done = extract(root)
    assert done.code == 2, done.stderr
    assert "ledger is damaged" in done.stderr and "Rename the run folder" in done.stderr
    assert contents(root) == before
