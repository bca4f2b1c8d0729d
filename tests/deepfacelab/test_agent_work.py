"""Who is to blame for a failure, as the agent's host decides it from what succeeds, and where."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dflwrap.extractors.deepfacelab.agent.work import Work


class NoCopies:
    """Nobody re-encodes frames."""

    waiting = False

    def is_copy(self, data: Any) -> bool:
        return False

    def ask(self, data: Any) -> bool:
        return False


def frame(name: str) -> Any:
    return SimpleNamespace(filepath=Path(name))


@pytest.fixture
def work() -> Work:
    extract = SimpleNamespace(input_data=deque())
    return Work(extract, SimpleNamespace(deaths_in_row=100), NoCopies())


def unhealthy(work: Work, slot: Any, *names: str) -> None:
    """These frames fail on a slot whose worker was replaced before for failing on them, so they are suspect."""
    slot.unhealthy = True
    held = [(frame(name), {"kind": "exception", "error": "CUDA_ERROR_LAUNCH_FAILED"}) for name in names]
    assert work.failed_in_row(SimpleNamespace(slot=slot, held=held, good_frames=0)) == ([], False)


def dies(work: Work, slot: Any, data: Any) -> None:
    work.worker_died(SimpleNamespace(slot=slot, frame=data, reason=None), -9)


def names(failures: list[Any]) -> list[str]:
    return [data.filepath.name for _, data, _ in failures]


def test_a_success_settles_only_what_failed_on_the_same_device(work: Work) -> None:
    """Another device that works says nothing of this one: its card may be ill, and the frames good."""
    ill, well = SimpleNamespace(unhealthy=False), SimpleNamespace(unhealthy=False)
    unhealthy(work, ill, "1.png", "2.png", "3.png")
    unhealthy(work, well, "4.png")
    assert names(work.succeeded(well)) == ["4.png"]
    assert work.errors_in_doubt(ill) == 3
    assert names(work.succeeded(ill)) == ["1.png", "2.png", "3.png"]
    assert work.succeeded(ill) == []


def test_a_frame_that_killed_two_workers_is_settled_by_a_success_anywhere(work: Work) -> None:
    one, other = SimpleNamespace(unhealthy=False), SimpleNamespace(unhealthy=False)
    killer = frame("1.png")
    dies(work, one, killer)
    dies(work, one, killer)
    unhealthy(work, one, "2.png")
    assert names(work.succeeded(other)) == ["1.png"]
    assert work.errors_in_doubt(one) == 1


def test_a_device_that_is_given_up_hands_its_frames_in_doubt_to_the_others_once(work: Work) -> None:
    ill, well = SimpleNamespace(unhealthy=False), SimpleNamespace(unhealthy=False)
    unhealthy(work, ill, "1.png", "2.png")
    unhealthy(work, well, "3.png")
    work.slot_given_up(ill)
    free = SimpleNamespace(frames_done=1)
    handed = [work.next_for(free, others_busy=False).filepath.name for _ in range(2)]
    assert handed == ["1.png", "2.png"]
    assert (work.errors_in_doubt(ill), work.errors_in_doubt(well)) == (0, 1)
    assert names(work.settled()) == ["3.png"]
