"""The number of workers of a device, set while they work: real processes of the double under the agent."""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from dflwrap.extractors.control_file import ControlWriter

from .conftest import Double

OUT_OF_MEMORY = "ResourceExhaustedError: OOM when allocating tensor with shape[1,64,640,640]"


class Elastic:
    """A double whose width is set through the control file."""

    def __init__(self, folder: Path, python: str, frames: int, gpus: int = 0) -> None:
        self.double = Double(folder, python)
        self.double.add(frames)
        self.control = folder / "control.jsonl"
        self.double.env["DFLWRAP_CONTROL"] = str(self.control)
        self.double.env["DFLWRAP_WORKERS"] = "1"
        if gpus:
            self.double.devices = ("--force-gpu-idxs", ",".join(map(str, range(gpus))))
        self.writer = ControlWriter(str(self.control))

    def finish(self, process: Any) -> Any:
        text = process.communicate(timeout=240)[0].decode("utf-8", "replace")
        return self.double.ran(process.returncode, 0.0, text)


def every_frame_once(ran: Any, frames: int) -> None:
    assert Counter(ran.frames("frame_done")) == {f"{n:05d}.png": 1 for n in range(1, frames + 1)}, ran.text
    assert ran.of("frame_failed") == []
    assert len(ran.faces) == frames


def test_twenty_changes_in_a_row_lose_and_double_no_frame(tmp_path: Path, each_python: str) -> None:
    elastic = Elastic(tmp_path, each_python, 300)
    process = elastic.double.start({"options": {"frame_seconds": 0.05}})
    elastic.double.wait_for("frame_done", 1)
    widths, rng = [1], random.Random(14)
    for _ in range(20):
        widths.append(rng.choice([n for n in (0, 1, 2, 3) if n != widths[-1]]))
        elastic.writer.workers("CPU", widths[-1], "a change")
        time.sleep(rng.uniform(0.0, 0.6))
    elastic.writer.workers("CPU", 2, "the last")
    ran = elastic.finish(process)
    every_frame_once(ran, 300)
    assert ran.code == 0 and ran.of("worker_lost") == []
    told = [event["workers"] for event in ran.of("width_changed")]
    assert told == [*widths[1:], 2] if widths[-1] != 2 else told == widths[1:]
    assert ran.of("extractor_started")[0]["supported"][0] == "workers"


def test_one_worker_comes_and_goes_and_the_other_never_pauses(tmp_path: Path, each_python: str) -> None:
    elastic = Elastic(tmp_path, each_python, 120)
    process = elastic.double.start({"options": {"frame_seconds": 0.1}})
    elastic.double.wait_for("frame_done", 3)
    elastic.writer.workers("CPU", 2, "one more")
    elastic.double.wait_for("worker_started", 2)
    elastic.double.wait_for("frame_done", 30)
    elastic.writer.workers("CPU", 1, "one fewer")
    ran = elastic.finish(process)
    every_frame_once(ran, 120)
    (ended,) = ran.of("worker_ended")
    stays, other = [event["worker"] for event in ran.of("worker_started")]
    assert ended["worker"] == other, "the last to come is the first to go"
    by_stayer = [event["time"] for event in ran.of("frame_done") if event["worker"] == stays]
    by_other = [event["time"] for event in ran.of("frame_done") if event["worker"] == other]
    assert by_other and by_stayer[0] < by_other[0] and by_stayer[-1] > by_other[-1]
    assert len(ran.of("worker_starting")) == 2, "nobody was replaced"
    # Its frames came one after another all the time; how fast, is the machine's affair.
    at_work = [event for event in ran.of("frame_started") if event["worker"] == stays]
    assert len(at_work) == len(by_stayer)


def test_lack_of_memory_narrows_and_the_frame_goes_round_again(tmp_path: Path, each_python: str) -> None:
    elastic = Elastic(tmp_path, each_python, 40, gpus=1)
    elastic.double.env["DFLWRAP_WORKERS"] = "3"
    fault = {"fault": "raise", "text": OUT_OF_MEMORY, "times": 1}
    ran = elastic.double.run({"options": {"gpus": 1, "frame_seconds": 0.05}, "00010.png": fault})
    every_frame_once(ran, 40)
    assert ran.code == 0 and ran.frames("frame_again") == ["00010.png"]
    (change,) = ran.of("width_changed")
    assert (change["device"], change["before"], change["workers"]) == ("GPU0", 3, 2)
    assert change["reason"] == "out_of_memory" and "OOM when allocating" in change["error"]
    assert len(ran.of("worker_ended")) == 1 and ran.of("worker_lost") == [] and ran.of("repair_wanted") == []


def test_a_frame_that_needs_more_than_there_is_fails_alone_at_the_end(tmp_path: Path, python: str) -> None:
    elastic = Elastic(tmp_path, python, 12, gpus=1)
    fault = {"fault": "raise", "text": OUT_OF_MEMORY}
    process = elastic.double.start({"options": {"gpus": 1}, "00003.png": fault})
    elastic.double.wait_for("width_changed", 1)
    assert elastic.double.read_events()[-1]["event"] != "finished"
    for turn in range(2, 9):  # the supervisor sees that there is room
        elastic.writer.workers("GPU0", 1, "room", room=True)
        try:
            process.wait(3)
            break
        except Exception:
            assert turn < 8
    ran = elastic.finish(process)
    assert ran.code == 0 and ran.frames("frame_failed") == ["00003.png"]
    assert sorted(ran.frames("frame_done")) == [f"{n:05d}.png" for n in range(1, 13) if n != 3]


def test_a_start_without_memory_waits_for_it(tmp_path: Path, python: str) -> None:
    elastic = Elastic(tmp_path, python, 6, gpus=1)
    fault = {"fault": "raise", "text": OUT_OF_MEMORY, "times": 1}
    process = elastic.double.start({"options": {"gpus": 1}, "worker_start": fault})
    elastic.double.wait_for("width_changed", 1)
    time.sleep(1.0)
    assert (
        process.poll() is None
        and [e["event"] for e in elastic.double.read_events()].count("worker_starting") == 1
    )
    elastic.writer.workers("GPU0", 1, "free again")
    every_frame_once(elastic.finish(process), 6)


@pytest.mark.parametrize("python", [sys.executable])
def test_the_cpu_works_while_the_card_is_full(tmp_path: Path, python: str) -> None:
    elastic = Elastic(tmp_path, python, 60, gpus=1)
    elastic.writer.workers("GPU0", 0, "full")
    process = elastic.double.start({"options": {"gpus": 1, "frame_seconds": 0.1}})
    elastic.double.wait_for("extractor_started", 1)
    elastic.writer.workers("CPU", 1, "meanwhile", threads=2)
    elastic.double.wait_for("frame_done", 5)
    elastic.writer.workers("GPU0", 1, "free")
    elastic.double.wait_for("worker_started", 2)
    elastic.writer.workers("CPU", 0, "the card is back")
    ran = elastic.finish(process)
    every_frame_once(ran, 60)
    assert {event["worker"] for event in ran.of("frame_done")} == {"CPU0", "GPU0"}
    last = ran.of("frame_done")[-10:]
    assert {event["worker"] for event in last} == {"GPU0"}


def test_what_is_not_followed_is_said_and_changes_nothing(tmp_path: Path, python: str) -> None:
    elastic = Elastic(tmp_path, python, 6)
    elastic.control.write_bytes(b'{"type": "workers", "device": "GPU7", "workers": 2}\nrm -rf\n')
    ran = elastic.double.run({})
    every_frame_once(ran, 6)
    assert len(ran.of("log_line")) == 2 and ran.of("width_changed") == []
