"""Plans on played video cards: the real pynvml on a look-alike driver, the double as DeepFaceLab."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from played_cards import cards, extract, plans, sentences
from support import assert_conserved

from dflwrap.diagnosis.rulebook.catalogue import load_catalogue

SOONER = """
import dflwrap.planning.policy as policy
assert policy.VRAM_BOUND == 180
policy.VRAM_BOUND = 4.0
"""
"""Seconds that a card's memory is waited for: nobody gives it back here."""


def test_too_little_video_memory_is_answered_rung_by_rung(tmp_path: Path, driver: Path) -> None:
    (tmp_path / "play.txt").write_text(cards(1))
    script = {"options": {"gpus": 1}, "start": {"fault": "cuda_oom", "then": "exit", "times": 2}}
    done = extract(tmp_path, driver, 12, script, "--workers", "2")
    assert done.code == 0, done.stderr
    assert_conserved(done.report)
    assert done.report["frames"]["extracted"] == 12
    assert plans(done.report) == [([0], 2, False), ([0], 2, False), ([0], 2, True)]
    sentences = [decision["sentence"] for decision in done.report["decisions"]]
    assert any("waiting until GPU 0 has 5.5 GiB free: " in sentence for sentence in sentences), sentences
    assert any("weights on the GPU -> on the CPU" in sentence for sentence in sentences)
    assert len(sentences) == len(set(sentences)), "each decision is said once"


def test_what_a_full_card_cost_at_night_comes_back(tmp_path: Path, driver: Path) -> None:
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
    done = extract(tmp_path, driver, 900, script, limits=SOONER)
    assert done.code == 0, done.stderr
    assert_conserved(done.report)
    assert done.report["frames"]["extracted"] == 900
    moved = [weights_on_cpu for _, _, weights_on_cpu in plans(done.report)]
    assert moved[0] is False and True in moved and moved[-1] is False, done.report["decisions"]


def on(card: int, fault: str, **more: object) -> dict[str, object]:
    return {"fault": fault, "worker": f"Double {card}", **more}


def test_of_two_cards_one_falls_off_the_bus_and_is_left_out(tmp_path: Path, driver: Path) -> None:
    """The driver loses card 1, and the extractor dies of it: the run continues with card 0 alone."""
    play = tmp_path / "play.txt"
    play.write_text(cards(2))
    text = load_catalogue().by_id["xid-79-off-bus"].matches[0] + "\n"
    script = {
        "options": {"gpus": 2, "frame_seconds": 0.1},
        "host:00040.png": {"fault": "text", "text": text, "then": "exit", "times": 1},
        # Whoever asks for card 1 after that gets nothing done.
        "worker_start": [on(1, "slow", seconds=0, times=1), on(1, "cuda_driver")],
    }

    def card_1_is_lost() -> None:
        events = tmp_path / "aligned_dflwrap" / "attempts" / "0001" / "events.jsonl"
        while not events.exists() or "frame_done" not in events.read_text():
            time.sleep(0.02)
        play.write_text(cards(2) + "0 1 error 15\n0 1 xid 79\n")

    threading.Thread(target=card_1_is_lost, daemon=True).start()
    done = extract(tmp_path, driver, 60, script, "--workers", "1")
    report = done.report
    assert_conserved(report)
    assert done.code == 0, done.stderr
    assert report["frames"]["extracted"] == 60
    assert plans(report) == [([0, 1], 1, False), ([0], 1, False)]
    (said,) = sentences(report)
    assert said.startswith("attempt 1: GPU 1 is left out, continuing with GPU 0: ")
    assert "on GPU 1: Xid 79, the driver lost it (stderr.log:" in said


def test_a_card_whose_workers_cannot_start_leaves_its_frames_to_the_other(
    tmp_path: Path, driver: Path
) -> None:
    """Within one attempt: the agent gives up on card 1, and the workers of card 0 take what is open."""
    (tmp_path / "play.txt").write_text(cards(2))
    script = {
        "options": {"gpus": 2, "frame_seconds": 0.2},  # or card 0 is done before card 1 has begun
        "steady": on(1, "kill"),
        "worker_start": [on(1, "slow", seconds=0, times=1), on(1, "cuda_driver")],
    }
    done = extract(tmp_path, driver, 30, script, "--workers", "1")
    assert_conserved(done.report)
    assert done.code == 0, done.stderr
    assert done.report["frames"]["extracted"] == 30
    assert plans(done.report)[0][0] == [0, 1]
    assert "worker GPU1 was lost" in done.stderr


@pytest.mark.parametrize("play", ["0 - count 0\n", "0 - init 9\n"], ids=["no card", "no driver"])
def test_that_no_nvidia_card_can_be_used_is_said_once_with_what_else_there_is(
    tmp_path: Path, driver: Path, play: str
) -> None:
    (tmp_path / "play.txt").write_text(play)
    script = {"start": {"fault": "exit", "times": 1}}  # a second attempt does not say it again
    done = extract(tmp_path, driver, 4, script)
    assert done.code == 0, done.stderr
    assert [devices for devices, _, _ in plans(done.report)] == [[], []]
    assert done.stderr.count("No NVIDIA card can be used") == 1
    assert "everything runs on the CPU" in done.stderr and "--force-gpu-idxs" in done.stderr
    assert "GPU telemetry" not in done.stderr
