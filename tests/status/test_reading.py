"""What a run is at, from its ledger alone: also one on another computer, a killed one, and a hostile one."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from dflwrap.cli.words.status import as_data, line, page
from dflwrap.common.events import Event, EventKind
from dflwrap.common.plan import Plan
from dflwrap.frames.judgement import Entry
from dflwrap.ledger.ledger import Ledger
from dflwrap.ledger.records import NewFrame, Outcome
from dflwrap.status.reading import SILENT_AFTER, Status, read_status
from dflwrap.supervisor.outside.presence import KEY, Presence
from dflwrap.supervisor.run_folder import RunFolder

NOW = time.time()


@pytest.fixture
def run(tmp_path: Path) -> tuple[RunFolder, Path]:
    faceset = tmp_path / "data_src" / "aligned"
    folder = RunFolder(faceset)
    folder.path.mkdir(parents=True)
    ledger = Ledger(folder.database)
    ledger.put("input_dir", "data_src")
    ledger.add_frames([NewFrame(f"{n}.png", str(n), 1, 1, Entry.LINK, True, 0, "") for n in range(4)])
    rows = ledger.open_frames()
    ledger.settle(rows[0].id, Outcome.EXTRACTED, attempt=1)
    with ledger.transaction():
        ledger.db.execute("UPDATE frames SET faces = 2 WHERE id = ?", (rows[0].id,))
    ledger.close()
    return folder, faceset


def shown(run: tuple[RunFolder, Path], presence: dict[str, Any] | None = None, at: float = NOW) -> Status:
    folder, faceset = run
    if presence is not None:
        ledger = Ledger(folder.database)
        ledger.put(KEY, presence)
        ledger.close()
    return read_status(folder, faceset, lambda: at)


def elsewhere(**more: Any) -> dict[str, Any]:
    return {
        "state": "running",
        "host": "another-computer",
        "pid": 1,
        "time": NOW,
        "stage": "extracting",
        **more,
    }


def test_a_run_on_another_computer_lives_by_its_last_sign(run: tuple[RunFolder, Path]) -> None:
    status = shown(run, elsewhere(rate=2.5, left=[60.0, 150.0], stage_since=NOW - 90))
    assert (status.state, status.exit_code, status.under_way) == ("running", 0, True)
    text = "\n".join(page(status))
    assert "1 of 4 frames (25 %)" in text and "2 faces" in text
    assert "extracting for 1 min 30 s, 2.5 frames/s, 1 to 3 min left" in text
    assert shown(run, at=NOW + SILENT_AFTER - 1).state == "running"
    late = shown(run, at=NOW + SILENT_AFTER + 1)
    assert (late.state, late.exit_code) == ("silent", 1)
    assert "last written 3 min 01 s ago" in "\n".join(page(late))
    assert shown(run, at=NOW - 7200).state == "running", "its clock is ahead of ours"


def test_on_this_computer_its_process_tells(run: tuple[RunFolder, Path]) -> None:
    folder, _ = run
    ledger = Ledger(folder.database)
    presence = Presence(ledger)
    presence.show("extracting", {})
    mine = ledger.get_table(KEY)
    ledger.close()
    assert mine is not None and mine["pid"] == os.getpid()
    assert shown(run, at=NOW + 10_000).state == "running", "it waits, and has nothing to write"
    other = psutil.Process().create_time() - 5000
    assert shown(run, {**mine, "started": other}).state == "ended", "another process got its number"
    assert shown(run, {**mine, "pid": 2**30}).state == "ended"


def test_a_stage_that_lasts_is_written_now_and_then_only(run: tuple[RunFolder, Path]) -> None:
    ledger = Ledger(run[0].database)
    presence = Presence(ledger)
    presence.show("extracting", {"number": 1})
    presence.show("extracting", {"number": 2})
    assert ledger.get(KEY)["number"] == 1
    presence.show("waiting", {"number": 3})
    assert ledger.get(KEY)["number"] == 3
    presence.end("complete", 0, None, "")
    presence.show("making the report", {})
    presence.close()
    assert (ledger.get(KEY)["state"], ledger.get(KEY)["ended_as"]) == ("ended", "complete")
    ledger.close()


@pytest.mark.parametrize(
    ("ended_as", "code", "words"),
    [
        ("complete", 0, "finished"),
        ("quarantined", 1, "set aside"),
        ("interrupted", 1, "why: it is 07:30"),
        ("stopped", 3, "- Free some room."),
    ],
)
def test_the_end_is_told_as_it_was(run: tuple[RunFolder, Path], ended_as: str, code: int, words: str) -> None:
    stop = {"cause": "disk-full", "sentence": "The disk is full.", "steps": ["Free some room."]}
    status = shown(
        run,
        {
            **elsewhere(state="ended", ended_as=ended_as, reason="it is 07:30 (--stop-at)"),
            "stop": stop if ended_as == "stopped" else None,
        },
        at=NOW + 10**6,
    )
    assert (status.state, status.exit_code, status.under_way) == (ended_as, code, False)
    assert words in "\n".join(page(status))


def test_a_ledger_of_an_earlier_dflwrap_is_told_as_far_as_it_goes(run: tuple[RunFolder, Path]) -> None:
    status = shown(run)
    assert (status.state, status.exit_code) == ("unknown", 1)
    assert "1 of 4 frames" in "\n".join(page(status))


HOSTILE = (
    {"state": ["running"], "stop": "x"},
    elsewhere(left="soon", rate=float("inf"), stage="\x1b]0;title\x07\u202e", stage_since=1e300),
    elsewhere(left=[5, -5], rate="fast", host=7, began=-1e18, time="now"),
    {"state": "running", "host": None, "pid": -1, "time": None},
    {"state": "ended", "ended_as": {"a": 1}, "stop": {"cause": 5, "steps": "x"}},
    {
        "state": "ended",
        "ended_as": "stopped",
        "stop": {"cause": "a\nb", "sentence": "\x1b[2J", "steps": [1, "\r"]},
    },
)


@pytest.mark.parametrize("presence", HOSTILE)
def test_a_hostile_ledger_writes_nothing_that_acts_on_a_terminal(
    run: tuple[RunFolder, Path], presence: dict[str, Any]
) -> None:
    status = shown(run, presence)
    text = "".join(page(status)) + "".join(line(status))
    assert text.isprintable()
    assert json.loads(json.dumps(as_data([status]), allow_nan=False))["runs"][0]["state"] == status.state


def test_a_damaged_ledger_is_a_state_with_its_reason(run: tuple[RunFolder, Path]) -> None:
    folder, faceset = run
    folder.database.write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    status = read_status(folder, faceset)
    assert (status.state, status.exit_code) == ("unreadable", 2)
    assert "cannot be read" in page(status)[0] and "".join(page(status)).isprintable()
    folder.database.unlink()
    assert read_status(folder, faceset).state == "unreadable"


def test_a_view_in_place_of_a_table_is_not_read(run: tuple[RunFolder, Path]) -> None:
    folder, faceset = run
    database = sqlite3.connect(folder.database)
    database.execute("CREATE VIEW decoy AS SELECT 1")
    database.commit()
    database.close()
    assert read_status(folder, faceset).state == "unreadable"


def test_the_workers_are_those_of_now_not_the_most_that_the_plan_allows(run: tuple[RunFolder, Path]) -> None:
    presence = elsewhere(stage="waiting")
    ledger = Ledger(run[0].database)
    ledger.begin_attempt(1, "deepfacelab", Plan(devices=(0, 1), workers=8).to_dict(), "first", 4)
    ledger.close()
    assert "attempt 1: DeepFaceLab, GPU 0,1, 8 workers" in "".join(page(shown(run, presence)))
    for device, workers in (("GPU0", 2), ("GPU1", 0), ("CPU", 2), ("CPU", 0), ("GPU0", 1)):
        ledger = Ledger(run[0].database)
        event = Event(EventKind.WIDTH_CHANGED, time.time(), data={"device": device, "workers": workers})
        ledger.add_events(1, [event])
        ledger.close()
    status = shown(run)
    assert "attempt 1: DeepFaceLab, GPU 0: 1 worker, GPU 1: no worker" in "".join(page(status))
    assert as_data([status])["runs"][0]["workers"] == {"GPU0": 1, "GPU1": 0, "CPU": 0}
