"""Plans on played video cards: the real pynvml on a look-alike driver, the double as DeepFaceLab."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from nvml_play import compile_player
from played_cards import cards, extract, plans
from support import assert_conserved


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_player(tmp_path_factory.mktemp("nvml"))


def test_too_little_video_memory_is_answered_rung_by_rung(tmp_path: Path, driver: Path) -> None:
    (tmp_path / "play.txt").write_text(cards(1))
    script = {"options": {"gpus": 1}, "start": {"fault": "cuda_oom", "then": "exit", "times": 3}}
    done = extract(tmp_path, driver, 12, script, "--workers", "2")
    assert done.code == 0, done.stderr
    assert_conserved(done.report)
    assert done.report["frames"]["extracted"] == 12
    assert plans(done.report) == [([0], 2, False), ([0], 2, False), ([0], 1, False), ([0], 1, True)]
    sentences = [decision["sentence"] for decision in done.report["decisions"]]
    assert any("2 workers -> 1: GPU 0 had 22.5 of 23.4 GiB free" in sentence for sentence in sentences), (
        sentences
    )
    assert any("waiting until GPU 0" in sentence for sentence in sentences)
    assert any("weights on the GPU -> on the CPU" in sentence for sentence in sentences)
    assert len(sentences) == len(set(sentences)), "each decision is said once"


def test_a_card_that_fills_up_at_night_is_narrowed_and_widened_again(tmp_path: Path, driver: Path) -> None:
    play = tmp_path / "play.txt"
    play.write_text(cards(1))
    script = {"options": {"gpus": 1}, "host:00005.png": {"fault": "cuda_oom", "then": "exit", "times": 2}}

    def someone_plays_a_game() -> None:
        attempts = tmp_path / "aligned_dflwrap" / "attempts"
        for attempt, text in (("0001", cards(1) + "0 0 free 400\n"), ("0002", cards(1))):
            while not (attempts / attempt / "events.jsonl").exists():
                time.sleep(0.02)
            play.write_text(text)

    game = threading.Thread(target=someone_plays_a_game, daemon=True)
    game.start()
    done = extract(tmp_path, driver, 900, script)
    assert done.code == 0, done.stderr
    assert_conserved(done.report)
    assert done.report["frames"]["extracted"] == 900
    widths = [workers for _, workers, _ in plans(done.report)]
    assert widths[0] == 2 and 1 in widths and widths[-1] == 2, done.report["decisions"]


def test_of_two_cards_one_dies_and_the_run_ends_on_the_other(tmp_path: Path, driver: Path) -> None:
    (tmp_path / "play.txt").write_text(cards(2))
    dying = {"fault": "kill", "worker": "Double 1", "times": 500}
    script = {"options": {"gpus": 2}, "steady": dying, "worker_start": {**dying, "fault": "cuda_driver"}}
    # The first worker start on card 1 has to succeed for the card to die later.
    script["worker_start"] = [
        {"fault": "slow", "seconds": 0, "worker": "Double 1", "times": 1},
        script["worker_start"],
    ]
    done = extract(tmp_path, driver, 30, script, "--workers", "1")
    assert_conserved(done.report)
    assert done.code == 0, done.stderr
    assert done.report["frames"]["extracted"] == 30
    assert plans(done.report)[0][0] == [0, 1]
