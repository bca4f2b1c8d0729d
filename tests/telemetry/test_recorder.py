"""The recorder: what it sums up, that it cannot hurt the run."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from nvml_play import MIB, Play

from dflwrap.telemetry.base import (
    DeviceDescription,
    DeviceSample,
    HostSample,
    NoGpu,
    ProcessMemory,
    ProcessSample,
    Sample,
)
from dflwrap.telemetry.host import HostReader, free_space
from dflwrap.telemetry.recorder import Recorder
from dflwrap.telemetry.summary import Tally

BUSY = "import time\nx = bytearray(60_000_000)\nend = time.time() + 300\nwhile time.time() < end: sum(range(1000))"
PARENT = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {BUSY!r}])"


def until(condition: object, seconds: float = 60.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():  # type: ignore[operator]
            return True
        time.sleep(0.05)
    return False


def test_the_host_reader_follows_the_tree_and_its_children(tmp_path: Path) -> None:
    host = HostReader()
    first = host.sample()
    assert first.ram_total and first.ram_available and first.cpu_percent is None and first.processes == ()
    child = subprocess.Popen([sys.executable, "-c", PARENT])
    try:
        host.watch(child.pid)
        assert until(lambda: len(host.sample().processes) == 2)
        assert until(lambda: max(p.rss for p in host.sample().processes) > 60_000_000)
        assert until(lambda: time.sleep(0.5) or (host.sample().cpu_percent or 0) > 20)
        grandchild = max(host.sample().processes, key=lambda p: p.rss).pid
    finally:
        child.kill()
        child.wait()
    assert [p.pid for p in host.sample().processes] == [grandchild], "an orphan stays known"
    os.kill(grandchild, 9)
    assert until(lambda: host.sample().processes == ())


def test_free_space_of_a_folder_that_is_to_come(tmp_path: Path) -> None:
    """Compared again where another program wrote between the two readings."""
    to_come = tmp_path / "a" / "b"
    assert until(lambda: free_space(to_come) == free_space(tmp_path))

    def free() -> dict[str, int]:
        return HostReader({"output": to_come, "input": tmp_path}).sample().disk_free

    assert until(lambda: len(set(free().values())) == 1)
    assert free().keys() == {"output", "input"} and min(free().values()) > 0


def test_a_process_that_does_not_exist_is_no_error() -> None:
    host = HostReader()
    host.watch(2**22 - 3)
    assert host.sample().processes == ()


class Wave:
    """A GPU whose readings were written down beforehand; the last one repeats."""

    why_not = None

    def __init__(self, *readings: tuple[DeviceSample, ...] | Exception) -> None:
        self.readings = list(readings)

    def describe(self) -> tuple[DeviceDescription, ...]:
        return ()

    def sample(self) -> tuple[DeviceSample, ...]:
        reading = self.readings.pop(0) if len(self.readings) > 1 else self.readings[0]
        if isinstance(reading, Exception):
            raise reading
        return reading

    def close(self) -> None:
        return


def gpu(free: int, *processes: tuple[int, int | None], **more: object) -> DeviceSample:
    listed = tuple(ProcessMemory(pid, used) for pid, used in processes)
    return DeviceSample(
        0,
        "Card",
        total=8000,
        used=8000 - free,
        free=free,
        processes=listed,
        **more,  # type: ignore[arg-type]
    )


def test_the_recorder_samples_faster_while_starting_and_sums_up() -> None:
    seen: list[Sample] = []
    wave = Wave((gpu(7000),), (gpu(300, (9, 5000)),), (gpu(6900),))
    recorder = Recorder(wave, HostReader(), seen.append, steady=0.2, starting=0.02)
    recorder.start()
    assert recorder.latest is not None, "the machine before the attempt is known when start returns"
    assert until(lambda: len(seen) >= 10)
    recorder.steady()
    time.sleep(0.05)
    before, began = len(seen), time.monotonic()
    time.sleep(0.5)
    assert len(seen) - before <= (time.monotonic() - began) / 0.2 + 2
    summary = recorder.stop()
    card = summary.devices[0]
    assert (card.free_before, card.free_min, card.free_last, card.total) == (7000, 300, 6900, 8000)
    assert [(p.pid, p.used) for p in card.foreign] == [(9, 5000)], "who held it when it was fullest"
    assert summary.ram_available_min is not None and summary.ram_available_before is not None


def test_a_sink_that_fails_is_left_alone_and_sampling_goes_on() -> None:
    calls = []

    def sink(sample: Sample) -> None:
        calls.append(sample)
        raise OSError("disk full")

    recorder = Recorder(NoGpu("none here"), HostReader(), sink, steady=0.02, starting=0.02)
    recorder.start()
    first = recorder.latest
    assert until(lambda: recorder.latest is not first)
    recorder.stop()
    assert len(calls) == 1
    assert recorder.sink_error == "OSError: disk full"
    assert recorder.why_no_gpu == "none here"


def test_a_reader_that_raises_does_not_end_the_thread() -> None:
    wave = Wave((gpu(5000),), RuntimeError("odd driver"), (gpu(4000),))
    recorder = Recorder(wave, HostReader(), steady=0.02, starting=0.02)
    recorder.start()
    assert until(lambda: (recorder.summary().devices or (gpu(0),))[0].free_last == 4000)
    recorder.stop()


def test_ours_and_foreign_are_told_apart() -> None:
    tally = Tally()
    host = HostSample(processes=(ProcessSample(50, 900), ProcessSample(51, 1100)))

    def foreign(device: DeviceSample, ours: frozenset[int]) -> tuple:  # type: ignore[type-arg]
        return tuple(p.pid for p in device.processes or () if p.pid not in ours)

    def add(device: DeviceSample, sample: HostSample = host) -> None:
        tally.add(Sample(0.0, (device,), sample), foreign)

    add(gpu(8000))
    add(gpu(3000, (50, 2000), (51, 1500), (7, 1500), throttle=("gpu_idle",), temperature=70))
    add(gpu(4000, (50, 2500), (7, 1500), throttle=("hw_slowdown",), temperature=91, xids=(13,)))
    add(gpu(6500, (7, 1500)), HostSample())
    card = tally.summary().devices[0]
    assert (card.ours_peak, card.ours_last) == (3500, 0), "gone with its processes"
    assert (card.ours_seen, card.free_min, card.free_max) == (True, 3000, 8000)
    assert card.foreign == (7,)
    assert (card.throttled, card.temperature_max, card.xids) == (("hw_slowdown",), 91, (13,))
    assert tally.summary().worker_rss_peak == 1100


def test_memory_of_ours_that_is_not_told_is_not_zero() -> None:
    tally = Tally()
    host = HostSample(processes=(ProcessSample(50, 900),))
    tally.add(Sample(0.0, (gpu(3000, (50, None)),), host), lambda *_: ())
    assert tally.summary().devices[0].ours_peak is None
    assert tally.summary().devices[0].ours_seen is True


def test_a_card_on_which_nothing_of_ours_was_ever_listed() -> None:
    host = HostSample(processes=(ProcessSample(50, 900),))
    for processes, seen in (((), False), (((7, 100),), False), (((7, 100), (50, 1)), True)):
        tally = Tally()
        tally.add(Sample(0.0, (gpu(3000, *processes),), host), lambda *_: ())
        tally.add(Sample(1.0, (gpu(3000),), host), lambda *_: ())
        assert tally.summary().devices[0].ours_seen is seen
    tally = Tally()
    tally.add(Sample(0.0, (DeviceSample(0, "Card", free=3000),), host), lambda *_: ())
    assert tally.summary().devices[0].ours_seen is None, "the driver lists no processes"


@settings(max_examples=50, deadline=None)
@given(st.lists(st.none() | st.integers(0, 8000), min_size=1, max_size=30))
def test_the_sum_agrees_with_the_samples(frees: list[int | None]) -> None:
    tally = Tally()
    for free in frees:
        tally.add(Sample(0.0, (DeviceSample(0, "Card", free=free),), HostSample()), lambda *_: ())
    card = tally.summary().devices[0]
    known = [free for free in frees if free is not None]
    assert card.free_min == min(known, default=None)
    assert card.free_before == (known[0] if known else None)
    assert card.free_last == (known[-1] if known else None)


OWN = """
import json, os, sys, time
from dflwrap.telemetry.gpu import open_gpu
from dflwrap.telemetry.host import HostReader
from dflwrap.telemetry.recorder import Recorder
with open(os.environ["NVML_PLAY"], "a") as script:
    script.write(f"3 0 procs {os.getpid()}:2000,1:1000\\n")
gpu = open_gpu()
recorder = Recorder(gpu, HostReader(), steady=0.05, starting=0.05)
recorder.start()
recorder.watch(os.getpid())
while len(recorder.summary().devices) == 0 or recorder.summary().devices[0].free_min > 500 * 1024**2:
    time.sleep(0.02)
card = recorder.stop().devices[0]
print(json.dumps([card.free_before, card.free_min, card.ours_peak, [[p.pid, p.used] for p in card.foreign]]))
"""


def test_another_program_that_takes_the_card_is_seen_on_the_played_driver(play: Play) -> None:
    script = "0 0 total 8192\n0 0 free 8000\n3 0 free 5000\n6 0 free 400\n"
    before, lowest, ours, foreign = play(script, OWN)
    assert (before, lowest) == (8000 * MIB, 400 * MIB)
    assert ours == 2000 * MIB
    assert foreign == [[1, 1000 * MIB]]


COST = """
import json, os, time
from dflwrap.telemetry.gpu import open_gpu
from dflwrap.telemetry.host import HostReader
from dflwrap.telemetry.recorder import Recorder
recorder = Recorder(open_gpu(), HostReader())
recorder.watch(os.getpid())
recorder.start()
recorder.steady()
time.sleep(0.5)
began, cpu = time.monotonic(), time.process_time()
time.sleep(4)
print(json.dumps((time.process_time() - cpu) / (time.monotonic() - began)))
"""


def test_sampling_once_a_second_costs_next_to_nothing(play: Play) -> None:
    """The promise is 1 % of a core (docs/telemetry.md has the measure); loaded test machines get room."""
    assert play("0 0 total 8192\n0 0 free 8000\n", COST) < 0.03
