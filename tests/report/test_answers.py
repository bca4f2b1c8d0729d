"""Answers of the morning that were wrong or badly put once."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from nights import make_night
from support import DOUBLE, dflwrap, small_frames

from dflwrap.ledger.history import end_session
from dflwrap.ledger.ledger import Ledger
from dflwrap.report.night.facts import Facts
from dflwrap.report.night.gathering import gather
from dflwrap.report.page.answers import answers, to_do
from dflwrap.report.page.rendering import render
from dflwrap.report.page.slow import what_was_slow


def said(facts: Facts) -> dict[str, str]:
    return {answer.id: answer.answer for answer in answers(facts)}


def night_of(tmp_path: Path) -> Facts:
    night = make_night(tmp_path, [f"{n}.png" for n in range(20)])
    return gather(night.database, alive=False, seconds=5, pictures=False)


def test_faces_that_were_damaged_or_removed_since_are_told(tmp_path: Path) -> None:
    faceset = tmp_path / "aligned"
    done = dflwrap(
        *("extract", "--input-dir", small_frames(tmp_path / "frames", 6), "--output-dir", faceset),
        *("--dfl-root", DOUBLE, "--dfl-python", sys.executable, "--extractor", "dfl", "--cpu-only"),
        *("--image-size", "256", "--second-look", "off"),
    )
    assert done.code == 0, done.stderr
    database = tmp_path / "aligned_dflwrap" / "run.db"

    facts = gather(database, alive=False, seconds=20)
    assert "cannot be read" not in said(facts)["good"] and said(facts)["go-on"].startswith("Yes")

    (faceset / "00001_0.jpg").unlink()
    (faceset / "00002_0.jpg").write_bytes(b"no picture any more")
    facts = gather(database, alive=False, seconds=20)
    assert "1 face cannot be read any more; 1 face of the run is not there any more" in said(facts)["good"]
    assert said(facts)["go-on"] == "Not before you have looked at the faces that cannot be read."
    assert "Run dflwrap verify on the faceset: it names 1 face that cannot be read." in to_do(facts)

    for face in faceset.glob("*.jpg"):
        face.write_bytes(b"no picture any more")
    facts = gather(database, alive=False, seconds=20)
    assert "; 5 faces cannot be read any more." in said(facts)["good"]
    assert {answer.id: answer.tone for answer in answers(facts)}["good"] == "bad"


@pytest.mark.parametrize(
    ("starting", "waits", "fruitless", "words"),
    [
        (60.0, 0.0, 0.0, "60 s went into starting the extractor."),
        (0.0, 60.0, 0.0, "60 s went into waiting between attempts."),
        (
            60.0,
            0.0,
            70.0,
            "60 s went into starting the extractor and 70 s into attempts that gained no frame.",
        ),
    ],
)
def test_where_the_time_went_is_a_sentence(
    tmp_path: Path, starting: float, waits: float, fruitless: float, words: str
) -> None:
    facts = night_of(tmp_path)
    spent = facts.line.spent
    spent.starting, spent.waits, spent.fruitless = starting, waits, fruitless
    assert what_was_slow(facts).answer.startswith(f"Of 8 h 00 min, {words}")


def test_a_cause_that_is_not_known_is_said_once(tmp_path: Path) -> None:
    night = make_night(tmp_path, [f"{n}.png" for n in range(20)])
    ledger = Ledger(night.database)
    ledger.reopen("outcome = 'no_face'")
    end_session(ledger, "stopped", cause="unknown", sentence="attempt 3: stopped, nothing is left to try")
    ledger.close()
    facts = gather(night.database, alive=False, seconds=5, pictures=False)
    assert said(facts)["why"].lower().count("the cause is not known") == 1
    assert said(facts)["finished"].endswith(". Attempt 3: stopped, nothing is left to try.")


def test_one_frame_at_a_time_is_one_frame(tmp_path: Path) -> None:
    night = make_night(tmp_path, ["1.png"])
    ledger = Ledger(night.database)
    plan = '{"devices": [], "workers": 1, "batch_size": 1}'
    with ledger.transaction():
        ledger.db.execute("UPDATE attempts SET plan = ?", (plan,))
    ledger.close()
    page = render(gather(night.database, alive=False, seconds=5, pictures=False))
    assert "CPU, 1 worker, 1 frame at a time" in page
