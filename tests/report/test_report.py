"""The report adds up in every state, and the quarantine folder says why, touching nothing of the user's."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from support import assert_conserved, contents

from dflwrap.common.plan import Plan
from dflwrap.frames.judgement import Entry
from dflwrap.frames.names import face_stem
from dflwrap.ledger.ledger import Ledger
from dflwrap.ledger.records import Move, NewFrame, Outcome
from dflwrap.report.quarantine import lay_out
from dflwrap.report.summary import build_report, write_report


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """Seven frames: one of each outcome, one refused at the door, two open (one of them failed before)."""
    ledger = Ledger(tmp_path / "run.db")
    ledger.add_frames(NewFrame(f"{n}.png", str(n), 1, 1, Entry.LINK, True, 0, "", 640) for n in range(6))
    ledger.add_frames(
        [NewFrame("6.png", "6", 0, 1, Entry.REFUSE, True, 0, "empty\nfile", 0, "zero-byte-image")]
    )
    targets = ("0_0.jpg", "0_1.jpg", "debug/0.jpg")
    ledger.journal([Move(f"attempts/0001/out/{n}", name, 1, 1) for n, name in enumerate(targets)])
    ledger.settle_promoted([1], 1)
    ledger.settle_promoted([2], 1)
    ledger.settle(3, Outcome.QUARANTINED, attempt=1, cause="poison-frame", evidence="it died\x1b[2J")
    ledger.settle(4, Outcome.NOT_ATTEMPTED, cause="input-dir-missing", evidence="gone")
    ledger.count_failures([(6, "cuda-out-of-memory", "no room")])
    ledger.begin_attempt(1, "builtin", Plan().to_dict(), "first", 6)
    ledger.end_attempt(1, gained=2, ended_by="exit", exit_status=1, cause="x", verdict=None)
    ledger.decide(1, "on with it")
    return ledger


@pytest.mark.parametrize("state", ["complete", "quarantined", "stopped", "interrupted"])
def test_the_report_adds_up_in_every_state(ledger: Ledger, state: str) -> None:
    stop = {"cause": "disk-full", "sentence": "s", "steps": []} if state == "stopped" else None
    report = build_report(ledger, state=state, stop=stop, ignored=[{"name": "x", "reason": "y"}])
    assert_conserved(report)
    assert report["frames"] == {
        "total": 7,
        "extracted": 1,
        "no_face": 1,
        "quarantined": 2,
        "not_attempted": 3,
        "removed": 0,
    }
    assert report["faces"] == 2, "a debug picture is no face"
    assert report["extracted_by"] == {"builtin": ["0.png"]}
    assert report["no_face"] == ["1.png"]
    named = {row["frame"]: row for row in report["quarantined"] + report["not_attempted"]}
    assert named["6.png"]["cause"] == "zero-byte-image"
    assert named["2.png"]["evidence"] == "it died\\x1b[2J"
    assert named["5.png"]["cause"] == "cuda-out-of-memory", "what it failed of, not what the run stopped for"
    assert named["4.png"]["cause"] == ("disk-full" if state == "stopped" else "not-reached")
    assert all(row["evidence"] for row in named.values())
    assert report["attempts"][0]["plan"] == Plan().to_dict() | {"devices": []}
    assert [d["sentence"] for d in report["decisions"]] == ["on with it"]
    assert json.loads(json.dumps(report)) == report | {"attempts": json.loads(json.dumps(report["attempts"]))}


def test_the_report_says_which_frames_came_from_which_extractor(ledger: Ledger) -> None:
    ledger.begin_attempt(2, "deepfacelab", Plan().to_dict(), "second", 2)
    ledger.journal([Move("attempts/0001/out/c", "4_0.jpg", 5, 2)])
    ledger.settle_promoted([5], 2)
    ledger.adopt([(6, "5_0.jpg", None)])
    report = build_report(ledger, state="quarantined", stop=None, ignored=[])
    assert report["frames"]["extracted"] == 3
    assert report["extracted_by"] == {"builtin": ["0.png"], "deepfacelab": ["4.png"]}, "5.png is nobody's"


def test_an_empty_ledger_has_a_report(tmp_path: Path) -> None:
    report = build_report(Ledger(tmp_path / "run.db"), state="complete", stop=None, ignored=[])
    assert_conserved(report)
    assert report["frames"]["total"] == 0


def test_a_report_is_replaced_whole_and_reads_as_json(ledger: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text("an older one")
    ledger.put("input_dir", "/data/写真 \udcff\ud800")
    report = build_report(ledger, state="complete", stop=None, ignored=[])
    write_report(path, report)
    read = json.loads(path.read_bytes())
    assert read["run"]["input_dir"] == "/data/写真 \udcff\ud800"
    assert "写真".encode() in path.read_bytes()
    assert not list(tmp_path.glob("*.part"))


def test_a_report_that_cannot_be_written_leaves_the_older_one(ledger: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text("{}")
    (tmp_path / "report.json.part").mkdir()
    with pytest.raises(OSError):
        write_report(path, build_report(ledger, state="complete", stop=None, ignored=[]))
    assert path.read_text() == "{}"


NAMES = ["a.png", "b;'\"\n%s.png", "-rf.png", "写真.png", "dflwrap-0000001.png", "x" * 240 + ".png"]


@pytest.mark.skipif(sys.platform != "linux", reason="only here may a name be any bytes")
def test_the_quarantine_folder_says_why_and_comes_up_to_date(tmp_path: Path) -> None:
    frames, folder = tmp_path / "frames", tmp_path / "quarantine"
    frames.mkdir()
    names = [*NAMES, os.fsdecode(b"\xff.png")]
    for name in names:
        (frames / name).write_bytes(os.fsencode(name))
    before = contents(frames)
    ledger = Ledger(tmp_path / "run.db")
    ledger.add_frames(
        NewFrame(n, f"{k}{face_stem(n[:-4])}", 1, 1, Entry.LINK, False, 0, "") for k, n in enumerate(names)
    )
    for row in ledger.frames():
        ledger.settle(row.id, Outcome.QUARANTINED, cause="poison-frame", evidence=f"evidence of {row.id}")
    rows = ledger.frames()
    for _ in range(2):
        lay_out(folder, frames, rows, ledger)
        notes = {path.name: path.read_text("utf-8") for path in folder.glob("*.txt")}
        links = {path.read_bytes() for path in folder.iterdir() if path.suffix != ".txt"}
        assert links == {os.fsencode(name) for name in names}
        assert len(notes) == len(names)
        for row in rows:
            assert any(t.splitlines()[0] == row.name and f"evidence of {row.id}" in t for t in notes.values())
        assert all(len(text.splitlines()) == 3 for text in notes.values())
    lay_out(folder, frames, rows[:1], ledger)
    assert len(list(folder.iterdir())) == 2, "released frames leave the folder"
    lay_out(folder, frames, [], ledger)
    assert list(folder.iterdir()) == []
    assert contents(frames) == before, "the frames themselves are as they were"


def test_a_frame_that_is_gone_keeps_its_reason(ledger: Ledger, tmp_path: Path) -> None:
    folder = tmp_path / "quarantine"
    lay_out(folder, tmp_path / "nothing here", ledger.frames("outcome = 'quarantined'"), ledger)
    assert sorted(path.name for path in folder.iterdir()) == ["2.png.txt", "6.png.txt"]
    assert "poison-frame" in (folder / "2.png.txt").read_text()


def test_the_users_own_files_in_quarantine_stay(ledger: Ledger, tmp_path: Path) -> None:
    folder, frames, far = tmp_path / "quarantine", tmp_path / "frames", tmp_path / "far.txt"
    frames.mkdir()
    folder.mkdir()
    far.write_text("far away")
    for name in ("2.png", "6.png"):
        (frames / name).write_bytes(b"x")
    (folder / "notes.txt").write_text("mine")
    (folder / "6.png.txt").symlink_to(far)
    lay_out(folder, frames, ledger.frames("outcome = 'quarantined'"), ledger)
    reasons = {path.name for path in folder.iterdir()} - {"notes.txt", "6.png.txt", "2.png", "6.png"}
    assert reasons == {"2.png.txt", "frame-0000007.txt"}, "each reason is there, beside what has its name"
    (folder / "2.png.txt").write_text("what I found out about it")
    (folder / "2.png").unlink()
    (folder / "2.png").write_bytes(b"my repaired frame")
    for _ in range(2):
        lay_out(folder, frames, [], ledger)
        assert contents(folder) == {
            "2.png": b"my repaired frame",
            "2.png.txt": b"what I found out about it",
            "6.png.txt": str(far),
            "notes.txt": b"mine",
        }
    assert far.read_text() == "far away"


def test_a_quarantine_that_is_a_link_is_left_alone(ledger: Ledger, tmp_path: Path) -> None:
    (tmp_path / "users").mkdir()
    (tmp_path / "users" / "2.png.txt").write_text("mine")
    (tmp_path / "quarantine").symlink_to(tmp_path / "users")
    lay_out(tmp_path / "quarantine", tmp_path, ledger.frames("outcome = 'quarantined'"), ledger)
    assert contents(tmp_path / "users") == {"2.png.txt": b"mine"}


def test_a_forged_record_deletes_nothing_outside(ledger: Ledger, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    info = (tmp_path / "mine.txt").stat()
    stamp = [info.st_size, info.st_mtime_ns]
    ledger.put("made: quarantine", {"../mine.txt": stamp, str(tmp_path / "mine.txt"): stamp, "x": 3})
    lay_out(tmp_path / "quarantine", tmp_path, [], ledger)
    assert (tmp_path / "mine.txt").read_text() == "mine"
