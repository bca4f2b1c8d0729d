"""How the agent ends: asked to, or because its parent is gone; and no process is left over."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from .conftest import Double

Gone = Callable[[int, float], bool]
pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_first_signal_finishes_the_frames_in_flight(double: Double, gone: Gone, number: int) -> None:
    double.add(50)
    double.env["DFLWRAP_WORKERS"] = "2"
    process = double.start({"options": {"frame_seconds": 0.4}})
    workers = double.wait_for("worker_started", 2)
    double.wait_for("frame_done", 2)
    process.send_signal(number)
    text = process.communicate(timeout=60)[0].decode()
    ran = double.ran(process.returncode, 0, text)
    assert ran.code == 0
    assert sorted(ran.frames("frame_started")) == sorted(ran.frames("frame_done")), "none was cut off"
    assert 2 <= ran.of("finished")[0]["done"] < 50
    assert all(gone(event["pid"], 3) for event in workers)


def test_a_signal_to_the_whole_group_does_not_kill_the_workers_frames(double: Double) -> None:
    """Ctrl-C in a terminal reaches every process of the group."""
    double.add(50)
    process = double.start({"options": {"frame_seconds": 0.4}})
    double.wait_for("frame_done")
    for pid in (process.pid, double.wait_for("worker_started")[0]["pid"]):
        os.kill(pid, signal.SIGINT)
    text = process.communicate(timeout=60)[0].decode()
    ran = double.ran(process.returncode, 0, text)
    assert ran.code == 0 and not ran.of("worker_lost")
    assert ran.frames("frame_started") == ran.frames("frame_done")


def test_a_second_signal_ends_at_once(double: Double, gone: Gone) -> None:
    process = double.start({"steady": "hang"})
    worker = double.wait_for("worker_started")[0]
    double.wait_for("frame_started", 2)
    process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 130
    assert gone(worker["pid"], 3)


def test_a_signal_before_the_first_worker_ends_with_nothing_done(double: Double) -> None:
    process = double.start({"worker_start": "hang"})
    double.wait_for("extractor_started")
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert double.read_events()[-1]["done"] == 0


def test_workers_do_not_outlive_a_killed_host(double: Double, gone: Gone) -> None:
    double.env["DFLWRAP_WORKERS"] = "2"
    process = double.start({"steady": "hang"})
    workers = double.wait_for("worker_started", 2)
    process.kill()
    process.wait()
    assert all(gone(event["pid"], 5) for event in workers)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="PR_SET_PDEATHSIG")
def test_a_stopped_worker_does_not_outlive_a_killed_host(double: Double, gone: Gone) -> None:
    process = double.start({"steady": "stop"})
    worker = double.wait_for("worker_started")[0]
    double.wait_for("frame_started", 2)
    process.kill()
    process.wait()
    assert gone(worker["pid"], 5)


def test_the_host_does_not_outlive_its_parent(double: Double, gone: Gone) -> None:
    """The parent is a short-lived Python that starts the host and is killed."""
    code = "import json, subprocess, sys, time; subprocess.Popen(json.loads(sys.argv[1])); time.sleep(600)"
    probe = double.start({"options": {"frame_seconds": 1}})
    command = probe.args
    probe.kill()
    probe.communicate()
    double.events_path.unlink(missing_ok=True)
    env = {**os.environ, "DFLWRAP_EVENTS": str(double.events_path)}
    env["DFLWRAP_DOUBLE_SCRIPT"] = str(double.script)
    parent = subprocess.Popen([sys.executable, "-c", code, json.dumps(command)], env=env)
    host = double.wait_for("extractor_started")[0]["pid"]
    worker = double.wait_for("worker_started")[0]["pid"]
    parent.kill()
    parent.wait()
    assert gone(host, 5) and gone(worker, 5)


def test_a_worker_that_ignores_sigterm_is_ended_all_the_same(double: Double, gone: Gone) -> None:
    ran = double.run({"first_frame": "ignore_sigterm"})
    assert ran.code == 0 and len(ran.faces) == 6
    assert gone(ran.of("worker_started")[0]["pid"], 3)
