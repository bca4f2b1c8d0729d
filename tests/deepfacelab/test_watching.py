"""How the agent's host watches a worker: its own pauses, and what counts as compiling. On a clock that is played."""

from __future__ import annotations

import os
import queue
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dflwrap.extractors.deepfacelab.agent import os_process as process
from dflwrap.extractors.deepfacelab.agent import worker_slot as workers
from dflwrap.extractors.deepfacelab.agent.worker_slot import BUSY, WATCH_EVERY, Member, Slot

SETTINGS = SimpleNamespace(startup_timeout=60.0, frame_timeout=60.0, idle_timeout=60.0, stopped_timeout=15.0)


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (workers, process):
        monkeypatch.setattr(module, "time", clock)
    # Silent, sleeping, and never stopped.
    monkeypatch.setattr(process, "cpu_and_state", lambda pid: (1.0, "S"))
    return clock


@pytest.fixture
def member(clock: Clock) -> Any:
    never = threading.Event()
    cli = SimpleNamespace(p=SimpleNamespace(pid=os.getpid()), c2s=SimpleNamespace(get=never.wait))
    member = Member(Slot("CPU0", ("CPU0", {}, {}), "CPU"), cli, queue.Queue())
    member.state, member.frames_done = BUSY, 5
    return member


def test_a_sleep_of_the_computer_is_neither_silence_nor_time_in_a_frame(clock: Clock, member: Any) -> None:
    clock.now += 1
    assert member.overdue(SETTINGS, 1.0) is None
    clock.now += 7200
    assert member.seconds_in_frame() < 1 + 2 * process.HOST_PAUSE, "before the host has looked again"
    assert member.overdue(SETTINGS, 1.0) is None
    assert member.seconds_in_frame() < 1 + 2 * process.HOST_PAUSE


@pytest.mark.parametrize("gap", [WATCH_EVERY, 10.0])
def test_a_hang_comes_to_its_end_however_slow_the_hosts_own_turns_are(
    clock: Clock, member: Any, gap: float
) -> None:
    began, reasons = clock.now, []
    while not reasons and clock.now - began < 1000:
        clock.now += gap
        reasons = [reason for reason in (member.overdue(SETTINGS, 1.0),) if reason]
    assert reasons == ["hang"]
    assert clock.now - began >= workers.LEAST_BOUND


PATIENT = SimpleNamespace(
    startup_timeout=1800.0, frame_timeout=300.0, idle_timeout=180.0, stopped_timeout=15.0
)


@pytest.mark.parametrize(("first", "least", "most"), [(None, 180, 190), (1.0, 45, 55), (6.0, 90, 100)])
def test_the_second_try_of_a_frame_that_hung_waits_no_longer_than_first_frames_take(
    clock: Clock, member: Any, first: float | None, least: float, most: float
) -> None:
    member.frames_done = 0  # the copy of a frame that hung is a fresh worker's first
    began, reason = clock.now, None
    while reason is None and clock.now - began < 1000:
        clock.now += WATCH_EVERY
        reason = member.overdue(PATIENT, 1.0, first)
    assert reason == "hang" and least <= clock.now - began <= most


def test_a_first_frame_that_computes_has_the_whole_time_of_a_start(
    clock: Clock, member: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    member.frames_done = 0
    began = clock.now
    monkeypatch.setattr(process, "cpu_and_state", lambda pid: (clock.now, "R"))
    while clock.now - began < 1700:
        clock.now += WATCH_EVERY
        assert member.overdue(PATIENT, 1.0, 1.0) is None


def test_kernels_compiled_just_now_excuse_every_worker_that_waits_for_them(
    clock: Clock, tmp_path: Path
) -> None:
    kernels = process.GrowingFolder(str(tmp_path))
    assert not kernels.grew()
    (tmp_path / "kernel").write_bytes(b"x")
    assert kernels.grew() and kernels.grew()
    clock.now += process.GROWTH_COUNTS
    assert not kernels.grew()
