"""The real pynvml on a played driver: what it tells, what it lacks, how it fails."""

from __future__ import annotations

from pathlib import Path

import pytest
from nvml_play import MIB, Play, run_child

FULL = """
0 0 total 8192
0 0 free 7500
0 0 util 35
0 0 mem_util 12
0 0 temp 61
0 0 power 120500
0 0 sm_clock 1700
0 0 mem_clock 7000
0 0 throttle 0x24
0 0 ecc 2
0 0 display 1
0 0 procs 100:3000,101:NA
0 0 graphics 101:250,102:40
"""

SAMPLES = """
import dataclasses, json, sys
from dflwrap.telemetry.nvml import NvmlReader, NvmlUnavailableError
try:
    reader = NvmlReader(startup_bound=30.0)
except NvmlUnavailableError as error:
    print(json.dumps({"why_not": str(error)}))
    raise SystemExit
out = {"devices": [dataclasses.asdict(d) for d in reader.describe()], "samples": []}
for _ in range(int(sys.argv[1])):
    out["samples"].append([dataclasses.asdict(s) for s in reader.sample()])
reader.close()
print(json.dumps(out))
"""


def test_a_driver_that_tells_everything(play: Play) -> None:
    out = play(FULL, SAMPLES, "1")
    assert out["devices"] == [
        {
            "index": 0,
            "name": "Played Card 0",
            "uuid": "GPU-0",
            "total": 8192 * MIB,
            "driver": "550.54",
            "drives_display": True,
        }
    ]
    assert out["samples"][0] == [
        {
            "index": 0,
            "name": "Played Card 0",
            "total": 8192 * MIB,
            "used": 692 * MIB,
            "free": 7500 * MIB,
            "utilisation": 35,
            "memory_utilisation": 12,
            "temperature": 61,
            "power": 120.5,
            "clock_sm": 1700,
            "clock_memory": 7000,
            "throttle": ["sw_power_cap", "sw_thermal_slowdown"],
            "ecc_uncorrected": 2,
            "processes": [
                {"pid": 100, "used": 3000 * MIB, "shared": None},
                {"pid": 101, "used": 250 * MIB, "shared": None},
                {"pid": 102, "used": 40 * MIB, "shared": None},
            ],
            "xids": [],
            "lost": False,
        }
    ]


def test_a_driver_that_tells_next_to_nothing(play: Play) -> None:
    sample = play("0 0 total 4096\n0 0 free 4000\n", SAMPLES, "1")["samples"][0][0]
    assert sample["free"] == 4000 * MIB
    for field in ("utilisation", "temperature", "power", "clock_sm", "throttle", "ecc_uncorrected"):
        assert sample[field] is None, field


def test_memory_per_process_that_is_not_available_stays_unknown(play: Play) -> None:
    sample = play(FULL + "0 0 graphics 101:NA\n0 0 procs 7:NA\n", SAMPLES, "1")["samples"][0][0]
    assert sample["processes"] == [
        {"pid": 7, "used": None, "shared": None},
        {"pid": 101, "used": None, "shared": None},
    ]


def test_an_old_driver_answers_under_its_old_names(old_player: Path, tmp_path: Path) -> None:
    script = tmp_path / "play.txt"
    script.write_text(FULL + "0 0 procs 100:3000\n")
    sample = run_child(old_player, script, SAMPLES, "1")["samples"][0][0]
    assert sample["throttle"] == ["sw_power_cap", "sw_thermal_slowdown"]
    assert sample["processes"] == [{"pid": 100, "used": 3000 * MIB, "shared": None}]


def test_a_card_that_fills_up_is_followed(play: Play) -> None:
    script = FULL + "2 0 free 5000\n3 0 free 400\n"
    samples = play(script, SAMPLES, "4")["samples"]
    assert [s[0]["free"] // MIB for s in samples] == [7500, 5000, 400, 400]


def test_an_xid_is_told_once_by_the_device_that_had_it(play: Play) -> None:
    script = FULL + "0 - count 2\n0 1 total 100\n0 1 free 50\n2 1 xid 79\n"
    samples = play(script, SAMPLES, "5")["samples"]
    assert [s[0]["xids"] for s in samples] == [[]] * 5
    assert [s[1]["xids"] for s in samples].count([79]) == 1


@pytest.mark.parametrize("code", [15, 16])
def test_a_lost_device_is_lost_and_the_other_goes_on(play: Play, code: int) -> None:
    script = FULL + f"0 - count 2\n0 1 total 100\n0 1 free 50\n2 1 error {code}\n"
    samples = play(script, SAMPLES, "3")["samples"]
    assert [s[1]["lost"] for s in samples] == [False, True, True]
    assert samples[2][1]["free"] is None
    assert samples[2][0]["free"] == 7500 * MIB and not samples[2][0]["lost"]


def test_a_driver_that_goes_away_and_comes_back_is_found_again(play: Play) -> None:
    """All calls fail with UNINITIALIZED from tick 2 until NVML is initialised a second time."""
    samples = play(FULL + "2 0 needs_inits 2\n", SAMPLES, "16")["samples"]
    assert samples[1][0]["free"] is None and not samples[1][0]["lost"]
    assert samples[-1][0]["free"] == 7500 * MIB


@pytest.mark.parametrize(
    ("code", "words"), [(9, "not loaded"), (18, "restart"), (4, "may not ask"), (17, "does not answer")]
)
def test_a_driver_that_refuses_says_why(play: Play, code: int, words: str) -> None:
    assert words in play(f"0 - init {code}\n", SAMPLES.replace("bound=30.0", "bound=0.3"), "1")["why_not"]


def test_a_driver_that_starts_late_is_waited_for(play: Play) -> None:
    assert play(FULL + "0 - init_fails 2\n", SAMPLES, "1")["samples"][0][0]["free"] == 7500 * MIB


def test_no_gpu_and_no_driver_are_two_things(play: Play, tmp_path: Path) -> None:
    assert play("0 - count 0\n", SAMPLES, "1")["why_not"] == "the NVIDIA driver sees no GPU"
    empty = tmp_path / "no-driver-here"
    empty.mkdir()
    why_not = run_child(empty, tmp_path / "none", SAMPLES, "1").get("why_not", "")
    if why_not == "":
        pytest.skip("this machine has an NVIDIA driver")
    assert why_not == "no NVIDIA driver is installed here"


HANG = """
import json, sys, time
from dflwrap.telemetry.gpu import open_gpu
began = time.monotonic()
gpu = open_gpu(start_timeout=float(sys.argv[1]), call_timeout=0.4)
opened = time.monotonic() - began
looks = []
for _ in range(4):
    began = time.monotonic()
    samples = gpu.sample()
    looks.append([len(samples), round(time.monotonic() - began, 2), gpu.why_not])
print(json.dumps({"opened": opened, "looks": looks}))
"""


def test_a_driver_that_hangs_in_a_call_costs_one_bound_once(play: Play) -> None:
    looks = play(FULL + "2 - hang nvmlDeviceGetMemoryInfo\n", HANG, "10", timeout=60)["looks"]
    assert looks[0][0] == 1 and looks[0][2] is None
    assert looks[1][0] == 0 and 0.3 < looks[1][1] < 10 and "not answered" in looks[1][2]
    assert all(count == 0 and seconds < 0.1 for count, seconds, _ in looks[2:])


def test_a_driver_that_hangs_while_starting_stops_nothing(play: Play) -> None:
    out = play("0 - hang nvmlInit\n", HANG, "0.5", timeout=60)
    assert out["opened"] < 8
    assert all(look[0] == 0 and "hangs while starting" in look[2] for look in out["looks"])


def test_two_cards_are_told_apart(play: Play) -> None:
    script = FULL + "0 - count 2\n0 1 name Other Card\n0 1 total 24576\n0 1 free 24000\n"
    out = play(script, SAMPLES, "1")
    assert [d["name"] for d in out["devices"]] == ["Played Card 0", "Other Card"]
    assert [s["free"] // MIB for s in out["samples"][0]] == [7500, 24000]
