"""Width on a played card: its memory is a counter that the workers of the double and another program draw on.

What a user saw on a real card before: no wait at a full card, a fixed width on one that became free, every frame blamed
where memory ran out, and a peak that was seen too low.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from played_cards import extract
from support import Finished, assert_conserved

TOTAL = 16_384
"""MiB of the card. A worker holds 2 GiB, and a frame takes 1 GiB more; 0.5 GiB are the reserve."""


SOONER = """
import dflwrap.planning.width.device as device
assert (device.MEMORY_AGAIN, device.MEMORY_AGAIN_MOST) == (5, 300)
device.MEMORY_AGAIN = 2.0
import dflwrap.planning.width.controller as controller
assert (controller.WINDOW_SECONDS, controller.SETTLED, controller.STAND_IN_AFTER) == (2, 3, 10)
controller.WINDOW_SECONDS, controller.SETTLED, controller.STAND_IN_AFTER = 1.0, 1.0, 3.0
import dflwrap.supervisor.attempt.width as width
assert (width.LOW_OVER, width.TOLD_AFTER) == (4, 1)
width.LOW_OVER, width.TOLD_AFTER = 2.0, 0.5
"""
"""Seconds as a night has them, cut to what memory takes here that is a counter: their sense is in the order."""


class Card:
    def __init__(self, folder: Path, driver: Path) -> None:
        self.folder, self.driver = folder, driver
        self.pool = folder / "pool"
        self.pool.mkdir()
        lines = ["0 - count 1", "0 0 name Played", f"0 0 total {TOTAL}", f"0 0 pool {self.pool}"]
        (folder / "play.txt").write_text("\n".join(lines) + "\n")

    def another_program_holds(self, mib: int) -> None:
        new = self.pool / "game.new"
        new.write_text(str(mib))
        new.replace(self.pool / "game")

    def events(self) -> list[dict[str, Any]]:
        found = []
        for path in sorted((self.folder / "aligned_dflwrap" / "attempts").glob("*/events.jsonl")):
            for line in path.read_text(encoding="utf-8").splitlines():
                found.append(json.loads(line))
        return found

    def when(self, seen: Callable[[list[dict[str, Any]]], bool], then: Callable[[], None]) -> None:
        """Do something as soon as the events show it."""

        def watch() -> None:
            end = time.monotonic() + 300
            while time.monotonic() < end:
                try:
                    if seen(self.events()):
                        then()
                        return
                except (OSError, ValueError):
                    pass  # half a line, or the folder is about to go
                time.sleep(0.1)

        threading.Thread(target=watch, daemon=True).start()

    def extract(
        self,
        count: int,
        *more: str,
        seconds: float = 0.1,
        hold: int = 2048,
        frame: int = 1024,
        frames: dict[str, int] | None = None,
    ) -> Finished:
        """hold, frame: MiB of a worker and of each frame; frames: of those that take another amount."""
        vram = {
            "folder": str(self.pool),
            "total": TOTAL,
            "hold": hold,
            "frame": frame,
            "frames": frames or {},
        }
        script = {"options": {"gpus": 1, "frame_seconds": seconds, "cpu_seconds": 1.0, "vram": vram}}
        return extract(self.folder, self.driver, count, script, *more, limits=SOONER)


@pytest.fixture
def card(tmp_path: Path, driver: Path) -> Card:
    return Card(tmp_path, driver)


def said(done: Finished) -> list[str]:
    return [decision["sentence"] for decision in done.report["decisions"]]


def of(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [event for event in events if event["event"] == kind]


def all_done_in_one_attempt(done: Finished, frames: int) -> None:
    assert done.code == 0, done.stderr
    assert_conserved(done.report)
    assert done.report["frames"]["extracted"] == frames, said(done)
    assert len(done.report["attempts"]) == 1, said(done)


def test_it_becomes_wider_while_that_pays(card: Card) -> None:
    done = card.extract(150)
    all_done_in_one_attempt(done, 150)
    assert any(sentence.startswith("GPU 0: 1 worker -> 2: ") for sentence in said(done)), said(done)


def test_a_card_that_is_full_at_the_start_is_waited_for_while_the_cpu_works(card: Card) -> None:
    card.another_program_holds(TOTAL - 300)
    card.when(
        lambda events: len([e for e in of(events, "frame_done") if e["worker"].startswith("CPU")]) >= 3,
        lambda: card.another_program_holds(0),
    )
    done = card.extract(60)
    all_done_in_one_attempt(done, 60)
    sentences = said(done)
    waits = [sentence for sentence in sentences if "GPU 0: waiting until" in sentence]
    assert len(waits) == 1 and "2.0 GiB of its memory are free (0.3 GiB are)" in waits[0]
    (stands_in,) = [
        sentence for sentence in sentences if sentence.startswith("CPU: ") and "while GPU 0" in sentence
    ]
    (over,) = [sentence for sentence in sentences if "of waiting: 1 worker" in sentence]
    assert sentences.index(waits[0]) < sentences.index(stands_in) < sentences.index(over)
    workers = {event["worker"][:3] for event in of(card.events(), "frame_done")}
    assert workers == {"CPU", "GPU"}
    assert not any("CPU with" in sentence or "weights on" in sentence for sentence in sentences)


def test_a_card_that_becomes_free_is_used_in_full(card: Card) -> None:
    card.another_program_holds(TOTAL - 6 * 1024)
    card.when(lambda events: len(of(events, "frame_done")) >= 30, lambda: card.another_program_holds(0))
    done = card.extract(200)
    all_done_in_one_attempt(done, 200)
    steps = [sentence for sentence in said(done) if sentence.startswith("GPU 0: ") and " -> " in sentence]
    assert any("1 worker -> 2" in step for step in steps), said(done)


def test_memory_that_another_program_takes_costs_a_worker_and_no_frame(card: Card) -> None:
    card.when(
        lambda events: len({e["worker"] for e in of(events, "frame_done")}) >= 3,
        lambda: card.another_program_holds(TOTAL - 7 * 1024),
    )
    done = card.extract(350)
    all_done_in_one_attempt(done, 350)
    sentences = said(done)
    narrowed = [sentence for sentence in sentences if "out of memory" in sentence]
    assert narrowed and all(sentence.startswith("GPU 0: ") for sentence in narrowed), sentences
    assert len(narrowed) <= 4
    events = card.events()
    assert of(events, "frame_failed") == [] and of(events, "repair_wanted") == []
    assert of(events, "frame_again"), "what failed went round again"
    assert not any("re-encod" in sentence for sentence in sentences)


def test_what_was_refused_is_remembered_as_the_need(card: Card) -> None:
    """A frame takes its 3 GiB for a moment only: single looks see less."""
    card.another_program_holds(TOTAL - 8 * 1024)
    done = card.extract(200, frame=3072, seconds=0.06)
    assert_conserved(done.report)
    assert done.report["frames"]["extracted"] == 200
    peaks = json.loads((card.folder / "cache" / "dflwrap" / "peaks.json").read_text())["peaks"]
    (vram,) = [peak["vram"] for key, peak in peaks.items() if key.startswith("Played")]
    assert vram >= 5 * 1024 * 2**20


def test_the_users_number_of_workers_comes_back_after_lack_of_memory(card: Card) -> None:
    card.when(
        lambda events: len(of(events, "frame_done")) >= 20, lambda: card.another_program_holds(TOTAL - 4000)
    )
    card.when(lambda events: bool(of(events, "width_changed")), lambda: card.another_program_holds(0))
    done = card.extract(160, "--workers", "2")
    all_done_in_one_attempt(done, 160)
    assert any("2 workers -> 1: out of memory" in sentence for sentence in said(done)), said(done)
    assert any("1 worker -> 2: memory is free again" in sentence for sentence in said(done)), said(done)


def test_a_worker_that_dies_while_memory_is_short_costs_a_worker(card: Card) -> None:
    """No text says why: the card was full, and the process is gone."""
    card.another_program_holds(TOTAL - 2 * 2048 - 100)
    vram = {"folder": str(card.pool), "total": TOTAL, "hold": 2048, "frame": 0}
    script: dict[str, Any] = {"options": {"gpus": 1, "frame_seconds": 0.3, "vram": vram}}
    script["00020.png"] = {"fault": "kill", "times": 1}
    done = extract(card.folder, card.driver, 40, script, "--workers", "2")
    all_done_in_one_attempt(done, 40)
    assert any(sentence.startswith("GPU 0: 2 workers -> 1: out of memory") for sentence in said(done)), said(
        done
    )
    assert of(card.events(), "frame_failed") == []


def test_one_frame_that_no_card_can_hold_is_no_measure_of_what_a_worker_needs(card: Card) -> None:
    """The card would be waited for in vain, in this night and in those to come."""
    done = card.extract(30, frames={"00010.png": TOTAL})  # its copy may have another name, and be done
    assert_conserved(done.report)
    assert done.report["frames"]["extracted"] >= 29 and not done.report["not_attempted"], said(done)
    assert any("00010.png" in sentence for sentence in said(done)), said(done)
    waits = [sentence for sentence in said(done) if "waiting until" in sentence]
    assert all(" 4.0 GiB of its" in words or " 3.5 GiB of its" in words for words in waits), waits
    peaks = json.loads((card.folder / "cache" / "dflwrap" / "peaks.json").read_text())["peaks"]
    assert all((peak["vram"] or 0) < 5 * 2**30 for peak in peaks.values()), peaks
