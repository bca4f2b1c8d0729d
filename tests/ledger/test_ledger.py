"""The ledger: every frame once, whatever happens; full, read-only, damaged and foreign files told in words."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from disks import remount, small_disk

from dflwrap.common.errors import DflwrapError, NeedsUserError
from dflwrap.common.events import Event, EventKind
from dflwrap.common.plan import Plan
from dflwrap.frames.judgement import Entry
from dflwrap.ledger.ledger import Ledger
from dflwrap.ledger.records import FaceFacts, FaceRow, Move, NewFrame, Outcome
from dflwrap.ledger.schema import TABLES

OUTCOMES = (Outcome.NO_FACE, Outcome.QUARANTINED, Outcome.NOT_ATTEMPTED)


def frame(number: int, entry: Entry = Entry.LINK) -> NewFrame:
    cause = "imread-failed" if entry is Entry.REFUSE else ""
    return NewFrame(f"{number:05d}.png", f"{number:05d}", 10, 20, entry, True, 0, "a reason", 640, cause)


def filled(path: Path, count: int) -> Ledger:
    ledger = Ledger(path)
    ledger.add_frames(frame(n) for n in range(count))
    return ledger


def write_until_it_fails(ledger: Ledger) -> None:
    for n in range(5000):
        ledger.decide(None, f"{n} " + "because " * 50)


def fail_in_the_middle(ledger: Ledger, ids: list[int], step: int) -> None:
    with ledger.transaction():
        ledger.settle_many((i, Outcome.NO_FACE, 1, None, None) for i in ids)
        ledger.reopen("1")
        ledger.add_frames([frame(10_000 + step)])
        raise ZeroDivisionError


STEPS = ("add", "settle", "promote", "journal", "forget", "reopen", "fail", "adopt", "restart")
STEPS += ("anew", "take back", "roll back")


@pytest.mark.parametrize("seed", range(6))
def test_whatever_is_done_to_it_every_frame_is_counted_once(tmp_path: Path, seed: int) -> None:
    """Random walks; a plain dictionary beside the ledger says what must be true after each step."""
    random_ = random.Random(seed)
    path = tmp_path / "run.db"
    ledger = Ledger(path)
    model: dict[int, str | None] = {}
    faces: dict[int, int] = {}
    for step in range(80):
        ids = list(model)
        some = random_.sample(ids, min(len(ids), random_.randint(1, 3))) if ids else []
        match random_.choice(STEPS):
            case "add":
                refused = random_.random() < 0.3
                ledger.add_frames([frame(len(model), Entry.REFUSE if refused else Entry.LINK)])
                new = next(r.id for r in ledger.frames() if r.id not in model)
                model[new], faces[new] = ("quarantined" if refused else None), 0
            case "settle":
                outcome = random_.choice(OUTCOMES)
                ledger.settle_many((i, outcome, 1, "a-cause", "evidence") for i in some)
                model.update({i: outcome.value for i in some if model[i] is None})
            case "promote" | "journal" as what:
                chosen = [i for i in some if model[i] is None]
                counts = {i: random_.randint(0, 3) for i in chosen}
                moves = [
                    Move(f"attempts/0001/out/{i}_{k}", f"{i}_{step}_{k}.jpg", i, 1)
                    for i in chosen
                    for k in range(counts[i])
                ]
                ledger.journal(moves)
                assert set(moves) <= set(ledger.pending_moves())
                if what == "promote":
                    ledger.settle_promoted(chosen, 1)
                    for i in chosen:
                        faces[i] = counts[i]
                        model[i] = "extracted" if counts[i] else "no_face"
                else:
                    for i in chosen:
                        ledger.forget_moves(i)
            case "forget":
                for i in some:
                    ledger.forget_moves(i)
            case "reopen":
                for i in some:
                    ledger.reopen("id = ?", (i,))
                    if model[i] != "extracted":
                        model[i] = None
            case "fail":
                ledger.count_failures((i, "a-cause", "evidence") for i in some)
            case "anew":
                # as its callers do: never of a frame with a result
                chosen = [i for i in some if model[i] not in ("extracted", "no_face")]
                refused = random_.random() < 0.3
                new_frame = frame(step, Entry.REFUSE if refused else Entry.LINK)
                ledger.enter_anew((i, new_frame) for i in chosen)
                model.update(dict.fromkeys(chosen, "quarantined" if refused else None))
            case "take back":
                ledger.take_back(some)
                model.update(dict.fromkeys(some, None))
                faces.update(dict.fromkeys(some, 0))
            case "roll back":
                with pytest.raises(ZeroDivisionError):
                    fail_in_the_middle(ledger, ids, step)
            case "adopt":
                for i in some:
                    ledger.adopt([(i, f"old_{i}_{step}.jpg", None)])
                    faces[i] += 1
                    model[i] = "extracted"
            case "restart":
                ledger.close()
                ledger = Ledger(path)
        counts_ = ledger.counts()
        counted_anew = Ledger(path)
        assert counts_ == counted_anew.counts()
        counted_anew.close()
        assert counts_.total == len(model)
        settled = counts_.extracted + counts_.no_face + counts_.quarantined + counts_.not_attempted
        assert counts_.total == settled + counts_.open
        assert {r.id: r.outcome.value if r.outcome else None for r in ledger.frames()} == model
        assert counts_.faces == sum(n for i, n in faces.items() if model[i] == "extracted")
        assert len(ledger.face_names()) == sum(faces.values())
    ledger.close()


def test_all_frames_enter_or_none(tmp_path: Path) -> None:
    ledger = filled(tmp_path / "run.db", 3)
    with pytest.raises(DflwrapError):
        ledger.add_frames([frame(7), frame(8), frame(2)])
    assert ledger.counts().total == 3
    ledger.add_frames([frame(7)])
    assert ledger.counts().total == 4


def test_an_extracted_frame_is_never_taken_back(tmp_path: Path) -> None:
    ledger = filled(tmp_path / "run.db", 1)
    ledger.journal([Move("attempts/0001/out/a", "00000_0.jpg", 1, 1)])
    ledger.settle_promoted([1], 1)
    ledger.reopen("1")
    ledger.settle(1, Outcome.QUARANTINED, cause="x", evidence="y")
    (row,) = ledger.frames()
    assert (row.outcome, row.faces, row.cause) == (Outcome.EXTRACTED, 1, None)


def test_a_face_that_the_user_made_settles_a_quarantined_frame(tmp_path: Path) -> None:
    ledger = filled(tmp_path / "run.db", 1)
    ledger.settle(1, Outcome.QUARANTINED, attempt=1, cause="poison-frame", evidence="it died")
    ledger.adopt([(1, "00000_0.jpg", None)])
    (row,) = ledger.frames()
    assert (row.outcome, row.faces, row.cause) == (Outcome.EXTRACTED, 1, None)
    assert row.evidence == "found in the faceset"


def test_attempts_decisions_events_and_values_come_back(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    ledger = filled(path, 1)
    assert ledger.next_attempt() == 1
    ledger.begin_attempt(1, "builtin", Plan(devices=(0,)).to_dict(), "first", 1)
    ledger.add_events(1, [Event(EventKind.WORKER_LOST, 1.0, "GPU0", "\udcff.png", {"x": "\ud800" * 99999})])
    ledger.end_attempt(1, gained=0, ended_by="exit", exit_status=-9, cause="x", verdict={"a": [1]})
    ledger.decide(1, "because")
    ledger.put("input_dir", "/data/\udcff")  # as a name of other bytes arrives on POSIX
    ledger.close()
    ledger = Ledger(path)
    (attempt,) = ledger.attempts()
    assert (attempt.exit_status, attempt.verdict, ledger.next_attempt()) == (-9, '{"a": [1]}', 2)
    assert [sentence for _, _, sentence in ledger.decisions()] == ["because"]
    assert ledger.get("input_dir") == "/data/\udcff"
    assert ledger.get("nothing") is None


def test_what_was_committed_survives_a_kill(tmp_path: Path) -> None:
    script = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r}); sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from pathlib import Path
from test_ledger import filled, Outcome
ledger = filled(Path({str(tmp_path / "run.db")!r}), 500)
for n in range(1, 501):
    ledger.settle(n, Outcome.NO_FACE, attempt=1)
    print(n, flush=True)
"""
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert child.stdout is not None
    said = 0
    for line in child.stdout:
        said = int(line)
        if said == 40:
            os.kill(child.pid, signal.SIGTERM if os.name == "nt" else signal.SIGKILL)
    child.wait()
    child.stdout.close()
    counts = Ledger(tmp_path / "run.db").counts()
    assert counts.total == 500
    assert counts.no_face in (said, said + 1)


def test_a_full_disk_is_told_and_the_ledger_goes_on_when_there_is_room(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        ledger = filled(disk / "run.db", 50)
        filler = disk / "filler"
        filler.write_bytes(b"x" * (700 * 1024))
        with pytest.raises(NeedsUserError) as raised:
            write_until_it_fails(ledger)
        assert raised.value.cause == "disk-full"
        assert raised.value.steps
        before = len(ledger.decisions())
        assert ledger.counts().total == 50
        with pytest.raises(NeedsUserError):
            ledger.add_frames(frame(n) for n in range(100, 5000))
        assert ledger.counts().total == 50
        filler.unlink()
        ledger.add_frames([frame(100)])
        ledger.decide(None, "there is room again")
        assert ledger.counts().total == 51
        assert len(ledger.decisions()) == before + 1
        ledger.close()
        again = Ledger(disk / "run.db")
        assert again.counts().total == 51
        again.close()


def test_a_disk_without_any_room_is_told_at_the_start(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "64k") as disk:
        (disk / "filler").write_bytes(b"x" * (56 * 1024))
        with pytest.raises(NeedsUserError) as raised:
            filled(disk / "run.db", 5)
        assert raised.value.cause == "disk-full"


def test_a_read_only_disk_is_told(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        filled(disk / "run.db", 2).close()
        remount(disk, "ro")
        for name in ("run.db", "new.db"):
            with pytest.raises(NeedsUserError) as raised:
                Ledger(disk / name).put("key", 1)
            assert raised.value.cause == "output-not-writable"


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(NeedsUserError) as raised:
        Ledger(tmp_path / "no" / "run.db")
    assert raised.value.cause == "output-not-writable"


@pytest.mark.parametrize("what", ["header", "middle", "text", "cut"])
def test_a_damaged_file_is_told_and_left_as_it_is(tmp_path: Path, what: str) -> None:
    path = tmp_path / "run.db"
    filled(path, 2000).close()
    content = bytearray(path.read_bytes())
    if what == "header":
        content[:100] = b"\xff" * 100
    elif what == "middle":
        for page in range(2, len(content) // 4096):
            content[page * 4096 : page * 4096 + 64] = os.urandom(64)
    elif what == "text":
        content = bytearray(b"this is not a database, it is a text\n" * 200)
    else:
        del content[len(content) // 2 :]
    path.write_bytes(content)
    with pytest.raises(DflwrapError, match="damaged") as raised:
        Ledger(path)
    assert not isinstance(raised.value, NeedsUserError)
    assert "\n" not in str(raised.value)
    assert path.read_bytes() == content


def test_damage_in_a_part_that_a_start_does_not_read_is_told_too(tmp_path: Path) -> None:
    """Samples are only written; the run would go on, and break at the next one, or hand on what is torn."""
    path = tmp_path / "run.db"
    ledger = filled(path, 2)
    ledger.add_samples(None, [(float(number), {"text": f"marker {'x' * 200}"}) for number in range(500)])
    ledger.close()
    content = bytearray(path.read_bytes())
    pages = [page for page in range(len(content) // 4096) if b"marker xxx" in content[page * 4096 :][:4096]]
    assert len(pages) > 10
    for page in pages[2:-2]:
        content[page * 4096 : page * 4096 + 64] = os.urandom(64)
    path.write_bytes(content)
    with pytest.raises(DflwrapError, match="damaged"):
        Ledger(path)


def test_a_newer_version_is_refused_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    filled(path, 2).close()
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version=99")
    database.close()
    before = path.read_bytes()
    with pytest.raises(DflwrapError, match="another version of dflwrap"):
        Ledger(path)
    assert path.read_bytes() == before


def test_a_database_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE run (a)")
    database.close()
    with pytest.raises(DflwrapError):
        Ledger(path)


def test_a_ledger_that_another_program_locks_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = filled(tmp_path / "run.db", 1)
    ledger.db.execute("PRAGMA busy_timeout=200")
    other = sqlite3.connect(tmp_path / "run.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    with pytest.raises(NeedsUserError) as raised:
        ledger.put("key", 1)
    assert raised.value.cause == "file-in-use"
    assert time.monotonic() - began < 5
    other.execute("ROLLBACK")
    ledger.put("key", 1)
    assert ledger.get("key") == 1


FACTS = FaceFacts(1234, 5678, b"0123456789abcdef", (1.0, 2.5, 30.0, 40.0))


def test_what_a_face_is_known_by_goes_from_the_journal_into_the_ledger(tmp_path: Path) -> None:
    ledger = filled(tmp_path / "run.db", 2)
    out = "attempts/0001/out"
    ledger.journal([Move(f"{out}/a", "00000_0.jpg", 1, 1, FACTS), Move(f"{out}/b", "debug/00000.jpg", 1, 1)])
    assert [move.facts for move in ledger.pending_moves()] == [FACTS, None]
    ledger.settle_promoted([1], 1)
    ledger.adopt([(2, "old_0.jpg", FACTS)])
    assert ledger.faces() == [FaceRow("00000_0.jpg", 1, FACTS, False), FaceRow("old_0.jpg", 2, FACTS, True)]


def test_a_ledger_of_the_first_version_is_brought_up_to_date_and_keeps_everything(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    database = sqlite3.connect(path)
    database.executescript(TABLES + "PRAGMA user_version=1;")
    with database:
        database.execute(
            "INSERT INTO frames (raw, name, stem, size, mtime_ns, longest_side, entry, plain, max_side,"
            " entry_reason, outcome, faces) VALUES (x'61', 'a', 'a', 1, 2, 3, 'link', 1, 0, '', 'extracted', 1)"
        )
        database.execute("INSERT INTO faces VALUES ('a_0.jpg', 1)")
        database.execute("INSERT INTO moves VALUES ('a_1.jpg', 'attempts/x', 1, 1)")
    database.close()
    for _ in range(2):
        ledger = Ledger(path)
        assert ledger.faces() == [FaceRow("a_0.jpg", 1, None, False)]
        assert ledger.pending_moves() == [Move("attempts/x", "a_1.jpg", 1, 1)]
        assert ledger.counts().extracted == 1
        ledger.close()
