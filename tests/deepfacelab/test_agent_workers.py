"""A worker that dies, stops, hangs or never starts costs its frame at most, and is replaced in place."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from support import Stalls

from .conftest import Double

ALL = [f"{n:05d}.png" for n in range(1, 7)]
POSIX = pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")


@pytest.mark.parametrize("fault", ["kill", "segfault", "abort", "exit", "done", "half_jpeg", "bare_jpeg"])
def test_a_frame_that_kills_its_worker_costs_only_itself(double: Double, fault: str) -> None:
    ran = double.run({"00003.png": fault})
    assert ran.code == 0
    assert ran.frames("frame_failed") == ["00003.png"]
    assert ran.of("frame_failed")[0]["kind"] == "worker_lost"
    assert sorted(ran.frames("frame_done")) == [name for name in ALL if name != "00003.png"]
    assert ran.frames("worker_lost") == ["00003.png", "00003.png"], "retried, alone, then given back"
    assert ran.of("worker_lost")[1]["phase"] == "first_frame", (
        "the second try is a fresh worker's first frame"
    )
    assert ran.of("finished")[0] | {"time": 0} == {
        "event": "finished",
        "time": 0,
        "done": 5,
        "failed": 1,
        "total": 6,
    }


def test_a_worker_killed_by_chance_costs_no_frame(tmp_path: Path, each_python: str) -> None:
    double = Double(tmp_path, each_python)
    double.add()
    ran = double.run({"00003.png": {"fault": "kill", "times": 1}})
    assert sorted(ran.frames("frame_done")) == ALL
    assert not ran.of("frame_failed")
    assert len(ran.faces) == 6
    assert len(ran.of("worker_lost")) == 1


@POSIX
def test_a_dead_worker_is_noticed_within_two_seconds_while_the_other_goes_on(double: Double) -> None:
    double.add(20)
    double.env["DFLWRAP_WORKERS"] = "2"
    process = double.start({"options": {"frame_seconds": 0.2}})
    victims = double.wait_for("worker_started", 2)
    double.wait_for("frame_done", 3)
    stalls = Stalls()
    stalls.start()
    os.kill(victims[0]["pid"], signal.SIGKILL)
    killed = time.time()
    text = process.communicate(timeout=60)[0].decode()
    ran = double.ran(process.returncode, 0, text)
    lost = ran.of("worker_lost")
    assert [event["pid"] for event in lost] == [victims[0]["pid"]]
    assert lost[0]["exit_status"] == -signal.SIGKILL
    assert lost[0]["time"] - killed < 2.0 + stalls.end()
    assert lost[0].get("frame", "00001.png") in ran.frames("frame_done")
    assert sorted(ran.frames("frame_done")) == sorted(path.name for path in double.frames.iterdir())
    assert len(ran.of("worker_replaced")) >= 1
    others = [e for e in ran.of("frame_done") if e["worker"] == victims[1]["worker"] and e["time"] > killed]
    assert others, "the other worker continued"


@POSIX
def test_a_stopped_worker_is_killed_and_its_frame_done(double: Double) -> None:
    double.env["DFLWRAP_STOPPED_TIMEOUT"] = "1"
    ran = double.run({"00003.png": {"fault": "stop", "times": 1}})
    assert ran.code == 0
    assert ran.of("worker_lost")[0]["reason"] == "stopped"
    assert sorted(ran.frames("frame_done")) == ALL


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="CPU time is read from /proc")
@pytest.mark.parametrize(
    ("fault", "variable", "reason"),
    [
        ("hang", "DFLWRAP_IDLE_TIMEOUT", "hang"),
        ("deadlock", "DFLWRAP_IDLE_TIMEOUT", "hang"),
        ("spin", "DFLWRAP_FRAME_TIMEOUT", "spin"),
    ],
)
def test_a_hanging_worker_is_told_from_a_spinning_one(
    double: Double, fault: str, variable: str, reason: str
) -> None:
    # On a machine that computes in fits and starts, a sound or spinning worker stands still for seconds.
    double.env[variable] = "8" if fault == "spin" else "4"
    ran = double.run({"00003.png": {"fault": fault, "times": 1}})
    assert ran.of("worker_lost")[0]["reason"] == reason
    assert sorted(ran.frames("frame_done")) == ALL


@pytest.mark.parametrize("workers", [1, 2])
def test_where_every_first_frame_hangs_four_different_ones_are_enough(double: Double, workers: int) -> None:
    """Each costs a whole timeout: none is tried twice before it is known that others do not hang."""
    double.add(40)
    double.env |= {"DFLWRAP_IDLE_TIMEOUT": "5", "DFLWRAP_WORKERS": str(workers)}
    ran = double.run({"first_frame": {"fault": "hang"}})
    assert ran.code == 1 and "4 different frames hang" in ran.text
    hung = [event["frame"] for event in ran.of("worker_lost") if "frame" in event]
    assert len(hung) == len(set(hung)) == 4
    assert max(hung) > "00010.png", "from all over the batch"
    assert not ran.of("frame_failed") and not ran.of("finished")


def test_frames_that_hang_at_the_beginning_are_named_once_others_have_succeeded(double: Double) -> None:
    double.add(10)
    double.env |= {"DFLWRAP_IDLE_TIMEOUT": "5", "DFLWRAP_WORKERS": "2"}
    poison = ["00001.png", "00002.png"]
    ran = double.run(dict.fromkeys(poison, "hang"))
    assert ran.code == 0
    assert sorted(ran.frames("frame_failed")) == poison
    assert len(ran.of("frame_done")) == 8


@pytest.mark.parametrize("fault", ["kill", "raise", "hang"])
def test_a_worker_that_fails_to_start_once_is_started_again(double: Double, fault: str) -> None:
    if fault == "hang":  # on a busy machine a sound start may stand still for seconds
        double.env["DFLWRAP_IDLE_TIMEOUT"] = "5"
    ran = double.run({"worker_start": {"fault": fault, "times": 1}})
    assert ran.code == 0
    assert ran.of("worker_lost")[0]["phase"] == "startup"
    assert sorted(ran.frames("frame_done")) == ALL


@pytest.mark.parametrize("fault", ["kill", "raise"])
def test_workers_that_never_start_end_the_run_with_its_error(double: Double, fault: str) -> None:
    ran = double.run({"worker_start": {"fault": fault, "text": "no CUDA today"}})
    assert ran.code == 1
    assert "Unable to start subprocesses." in ran.text
    assert not ran.of("frame_done") and not ran.of("frame_failed") and not ran.of("finished")
    if fault == "raise":
        assert "no CUDA today" in ran.of("worker_lost")[0]["error"]


def test_one_of_two_workers_that_never_starts_is_done_without(double: Double) -> None:
    double.env["DFLWRAP_WORKERS"] = "2"
    double.add(30)
    faults: dict[str, Any] = {"worker_start": {"fault": "raise", "worker": "CPU1"}}
    ran = double.run({**faults, "options": {"frame_seconds": 0.05}})
    assert ran.code == 0
    assert len(ran.of("frame_done")) == 30
    assert {event["worker"] for event in ran.of("frame_done")} == {"CPU0"}


def test_a_machine_on_which_every_worker_dies_blames_no_frame(double: Double) -> None:
    ran = double.run({"first_frame": "kill"})
    assert ran.code == 1
    assert not ran.of("frame_failed") and not ran.of("frame_done") and not ran.of("finished")
    assert "workers in a row were lost" in ran.text


def test_killer_frames_in_a_row_are_told_from_a_broken_machine(double: Double) -> None:
    ran = double.run({f"0000{n}.png": "kill" for n in (1, 2, 3, 4)})
    assert ran.code == 0
    assert sorted(ran.frames("frame_failed")) == ALL[:4]
    assert sorted(ran.frames("frame_done")) == ALL[4:]


def test_two_workers_on_the_cpu_share_the_frames(double: Double) -> None:
    double.env["DFLWRAP_WORKERS"] = "2"
    double.add(30)
    ran = double.run({"options": {"frame_seconds": 0.15}})
    assert {event["worker"] for event in ran.of("frame_done")} == {"CPU0", "CPU1"}
    assert len(ran.faces) == 30


def test_a_growing_kernel_cache_excuses_a_slow_first_frame(double: Double) -> None:
    """A GPU that is new to CUDA compiles its kernels for minutes, and says nothing meanwhile."""
    cache = double.folder / "cache"
    cache.mkdir()
    double.env |= {"DFLWRAP_IDLE_TIMEOUT": "4", "CUDA_CACHE_PATH": str(cache)}
    process = double.start({"first_frame": {"fault": "slow", "seconds": 9}})
    while process.poll() is None:
        with (cache / "kernels").open("ab") as file:
            file.write(b"x")
        time.sleep(0.1)
    ran = double.ran(process.returncode, 0, "")
    assert sorted(ran.frames("frame_done")) == ALL and not ran.of("worker_lost")
