"""Devices: workers per GPU, weights on the CPU, and a listing of devices that cannot hang the host."""

from __future__ import annotations

import os

import pytest

from .conftest import Double


@pytest.fixture
def gpus(double: Double) -> Double:
    double.devices = ("--force-gpu-idxs", "0,1")
    return double


def test_workers_per_gpu_are_set_from_outside(gpus: Double) -> None:
    gpus.env["DFLWRAP_WORKERS"] = "2"
    gpus.add(40)
    ran = gpus.run({"options": {"gpus": 2, "frame_seconds": 0.2}})
    assert ran.of("extractor_started")[0]["workers"] == 4
    assert {e["worker"] for e in ran.of("worker_started")} == {"GPU0.0", "GPU0.1", "GPU1.0", "GPU1.1"}
    assert len(ran.faces) == 40


def test_one_worker_per_gpu_is_called_by_its_device(gpus: Double) -> None:
    gpus.env["DFLWRAP_WORKERS"] = "1"
    gpus.add(20)
    ran = gpus.run({"options": {"gpus": 2, "frame_seconds": 0.2}})
    assert {event["worker"] for event in ran.of("frame_done")} == {"GPU0", "GPU1"}


@pytest.mark.parametrize("wanted", [True, False])
def test_weights_on_the_cpu(gpus: Double, wanted: bool) -> None:
    gpus.env["DFLWRAP_WEIGHTS_ON_CPU"] = "1" if wanted else "0"
    ran = gpus.run({"options": {"gpus": 2, "gpu_gib": 12}})
    assert ("weights on the CPU" in ran.text) is wanted
    assert len(ran.faces) == 6


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("kill", "ended without an answer"),
        ("raise", "ended without an answer"),
        ("exit", "ended without an answer"),
        ("hang", "took longer than 5 s"),
        pytest.param("stop", "was stopped", marks=pytest.mark.skipif(os.name != "posix", reason="SIGSTOP")),
    ],
)
def test_listing_the_devices_cannot_hang_the_host(gpus: Double, fault: str, said: str) -> None:
    gpus.env |= {"DFLWRAP_ENUM_TIMEOUT": "5" if fault == "hang" else "60", "DFLWRAP_STOPPED_TIMEOUT": "1"}
    ran = gpus.run({"options": {"gpus": 2}, "enumeration": fault})
    assert ran.code == 1
    lost = ran.of("worker_lost")[0]
    assert (lost["worker"], lost["phase"]) == ("devices", "enumeration")
    assert said in lost["error"] and said in ran.text
    if fault == "raise":
        assert lost["exit_status"] == 1


def test_a_cpu_plan_does_not_list_devices_at_all(double: Double) -> None:
    ran = double.run({"enumeration": "hang"})
    assert ran.code == 0 and len(ran.faces) == 6
