"""When the agent's host takes a worker for dead: not before its last messages have been heard."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from dflwrap.extractors.deepfacelab.agent import worker_processes as module
from dflwrap.extractors.deepfacelab.agent.worker_processes import WorkerProcesses
from dflwrap.extractors.deepfacelab.agent.worker_slot import BUSY, FREE


@pytest.fixture
def worker_processes() -> WorkerProcesses:
    return WorkerProcesses(None, SimpleNamespace(kernel_cache=""), None, None, None)


def worker(worker_processes: WorkerProcesses, state: str, exit_status: int | None) -> Any:
    process = SimpleNamespace(exitcode=exit_status)
    member = SimpleNamespace(
        cli=SimpleNamespace(p=process), state=state, dead_since=None, pipe_closed_at=None, reason=None
    )
    worker_processes.slots = [SimpleNamespace(member=member, spare=None)]
    return member


def test_a_worker_that_died_in_a_frame_may_have_finished_it(worker_processes: WorkerProcesses) -> None:
    """Its result lies in the pipe: buried at once, a frame that is done would be tried again, or blamed."""
    member = worker(worker_processes, BUSY, 0)
    assert worker_processes.dead() == []
    member.state = FREE  # the message has come
    assert worker_processes.dead() == [(member, 0)]


def test_the_end_of_its_pipe_is_its_last_message(worker_processes: WorkerProcesses) -> None:
    member = worker(worker_processes, BUSY, -11)
    assert worker_processes.dead() == []
    member.pipe_closed_at = time.monotonic()
    assert worker_processes.dead() == [(member, -11)]


def test_a_pipe_that_a_child_of_it_holds_open_is_not_waited_for(
    worker_processes: WorkerProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    member = worker(worker_processes, BUSY, -9)
    assert worker_processes.dead() == []
    monkeypatch.setattr(module, "DRAIN_SECONDS", 0.0)
    assert worker_processes.dead() == [(member, -9)]


def test_a_worker_that_lives_is_not_dead(worker_processes: WorkerProcesses) -> None:
    worker(worker_processes, BUSY, None)
    assert worker_processes.dead() == []
