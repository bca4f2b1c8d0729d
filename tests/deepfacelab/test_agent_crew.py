"""When the agent's host takes a worker for dead: not before its last messages have been heard."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from dflwrap.extractors.deepfacelab.agent import worker_processes as module
from dflwrap.extractors.deepfacelab.agent.worker_processes import Crew
from dflwrap.extractors.deepfacelab.agent.worker_slot import BUSY, FREE


@pytest.fixture
def crew() -> Crew:
    return Crew(None, SimpleNamespace(kernel_cache=""), None, None, None)


def worker(crew: Crew, state: str, exit_status: int | None) -> Any:
    process = SimpleNamespace(exitcode=exit_status)
    member = SimpleNamespace(
        cli=SimpleNamespace(p=process), state=state, dead_since=None, deaf_since=None, reason=None
    )
    crew.slots = [SimpleNamespace(member=member, spare=None)]
    return member


def test_a_worker_that_died_in_a_frame_may_have_finished_it(crew: Crew) -> None:
    """Its result lies in the pipe: buried at once, a frame that is done would be tried again, or blamed."""
    member = worker(crew, BUSY, 0)
    assert crew.dead() == []
    member.state = FREE  # the message has come
    assert crew.dead() == [(member, 0)]


def test_the_end_of_its_pipe_is_its_last_message(crew: Crew) -> None:
    member = worker(crew, BUSY, -11)
    assert crew.dead() == []
    member.deaf_since = time.monotonic()
    assert crew.dead() == [(member, -11)]


def test_a_pipe_that_a_child_of_it_holds_open_is_not_waited_for(
    crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    member = worker(crew, BUSY, -9)
    assert crew.dead() == []
    monkeypatch.setattr(module, "DRAIN_SECONDS", 0.0)
    assert crew.dead() == [(member, -9)]


def test_a_worker_that_lives_is_not_dead(crew: Crew) -> None:
    worker(crew, BUSY, None)
    assert crew.dead() == []
