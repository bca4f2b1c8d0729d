"""The counter's names, and how its figures fill the gaps of NVML. The reading itself needs Windows."""

from __future__ import annotations

import sys

import pytest

from dflwrap.telemetry.base import DeviceSample, ProcessMemory
from dflwrap.telemetry.windows_pdh import PdhCounter, by_process, fill, parse_instance


@pytest.mark.parametrize(
    ("name", "parsed"),
    [
        ("pid_1234_luid_0x00000000_0x0000D1C2_phys_0", (1234, "0:d1c2", 0)),
        ("PID_8_LUID_0x00000001_0x0000d1c2_PHYS_1", (8, "1:d1c2", 1)),
        ("pid_1234_luid_0x00000000_0x0000D1C2_phys_0#1", (1234, "0:d1c2", 0)),
        ("luid_0x00000000_0x0000D1C2_phys_0", None),
        ("_Total", None),
        ("", None),
    ],
)
def test_instance_names(name: str, parsed: tuple[int, str, int] | None) -> None:
    assert parse_instance(name) == parsed


def test_a_process_on_two_adapters_is_summed_and_nonsense_left_out() -> None:
    items = [
        ("pid_7_luid_0x0_0x1_phys_0", 100),
        ("pid_7_luid_0x0_0x2_phys_0", 50),
        ("pid_8_luid_0x0_0x1_phys_0", -1),
        ("_Total", 150),
    ]
    assert by_process(items) == {7: 150}


def test_only_gaps_are_filled_and_nothing_counts_twice() -> None:
    first = DeviceSample(
        0, "A", processes=(ProcessMemory(7, None), ProcessMemory(8, 5), ProcessMemory(9, None))
    )
    second = DeviceSample(1, "B", processes=(ProcessMemory(9, None),))
    third = DeviceSample(2, "C", processes=None)
    filled = fill((first, second, third), {7: 70, 8: 80, 9: 90})
    assert filled[0].processes == (ProcessMemory(7, 70), ProcessMemory(8, 5), ProcessMemory(9, None))
    assert filled[1].processes == (ProcessMemory(9, None),)
    assert filled[2] == third


def test_a_process_the_counter_does_not_know_stays_unknown() -> None:
    sample = DeviceSample(0, "A", processes=(ProcessMemory(7, None),))
    assert fill((sample,), {}) == (sample,)


@pytest.mark.skipif(sys.platform == "win32", reason="there it works")
def test_elsewhere_the_counter_says_that_it_cannot() -> None:
    with pytest.raises(OSError, match="Windows only"):
        PdhCounter()


@pytest.mark.windows
def test_on_windows_the_counter_opens_and_reads() -> None:
    counter = PdhCounter()
    assert all(value >= 0 for value in counter.read().values())
    counter.close()
