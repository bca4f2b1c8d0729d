"""The counter's names, and how its figures fill the gaps of NVML. The reading itself needs Windows."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from dflwrap.common.memory import GIB
from dflwrap.common.plan import Plan
from dflwrap.planning.fit import measured_peak
from dflwrap.telemetry.base import DeviceSample, HostSample, NoGpu, ProcessMemory, ProcessSample, Sample
from dflwrap.telemetry.summary import Tally
from dflwrap.telemetry.windows_pdh import (
    DEDICATED,
    SHARED,
    PdhCounter,
    PdhFilledReader,
    by_process,
    fill,
    parse_instance,
)


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
    filled = fill((first, second, third), {7: 70, 8: 80, 9: 90}, {7: 1, 8: 2, 9: 3})
    assert filled[0].processes == (ProcessMemory(7, 70, 1), ProcessMemory(8, 5), ProcessMemory(9, None))
    assert filled[1].processes == (ProcessMemory(9, None),)
    assert filled[2] == third


def test_a_process_the_counter_does_not_know_stays_unknown() -> None:
    sample = DeviceSample(0, "A", processes=(ProcessMemory(7, None),))
    assert fill((sample,), {}, {}) == (sample,)


class PlayedCounter:
    def __init__(self, figures: dict[int, int]) -> None:
        self._figures, self.closed = figures, False

    def read(self) -> dict[int, int]:
        return self._figures

    def close(self) -> None:
        self.closed = True


class PlayedCard(NoGpu):
    """A card under WDDM: NVML lists the processes and tells no memory of theirs."""

    def __init__(self, free: int) -> None:
        super().__init__("")
        self._free = free

    def sample(self) -> tuple[DeviceSample, ...]:
        processes = (ProcessMemory(7, None), ProcessMemory(8, None))
        return (DeviceSample(0, "A", total=8 * GIB, free=self._free, processes=processes),)


@pytest.mark.parametrize(
    ("free", "spilled", "peak"),
    [
        (GIB // 4, 3 * GIB, 10 * GIB),  # full: what lies in RAM belongs to the worker
        (4 * GIB, 0, 7 * GIB),  # room is left: buffers, not a spill
    ],
)
def test_video_memory_that_windows_keeps_in_ram_counts_as_the_workers(
    free: int, spilled: int, peak: int
) -> None:
    """Driver 536 and later: a full card spills into RAM, slow instead of out of memory. The next plan must see it."""
    counters: list[Any] = [PlayedCounter({7: 7 * GIB, 8: GIB}), PlayedCounter({7: 3 * GIB, 8: GIB})]
    reader = PdhFilledReader(PlayedCard(free), *counters)
    tally = Tally()
    host = HostSample(processes=(ProcessSample(7, 1),))
    tally.add(Sample(0.0, reader.sample(), host), lambda device, ours: ())
    summary = tally.summary()
    (card,) = summary.devices
    assert (card.ours_peak, card.spilled_peak) == (7 * GIB, spilled)
    assert measured_peak(summary, Plan(devices=(0,))) == peak
    reader.close()
    assert all(counter.closed for counter in counters)


@pytest.mark.skipif(sys.platform == "win32", reason="there it works")
def test_elsewhere_the_counter_says_that_it_cannot() -> None:
    with pytest.raises(OSError, match="Windows only"):
        PdhCounter()


@pytest.mark.windows
def test_on_windows_the_counter_opens_and_reads() -> None:
    for name in (DEDICATED, SHARED):
        counter = PdhCounter(name)
        assert all(value >= 0 for value in counter.read().values())
        counter.close()
