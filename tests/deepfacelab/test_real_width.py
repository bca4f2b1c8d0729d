"""Width on a real DeepFaceLab: its workers come and go within one attempt. (test_real_dfl.py says what it needs.)"""

from __future__ import annotations

import subprocess
from collections import Counter
from pathlib import Path

import pytest

from dflwrap.common.plan import Plan
from dflwrap.extractors.control_file import CONTROL_ENV, ControlWriter

from .conftest import Ran
from .test_real_dfl import PYTHON, ROOT, Real, pytestmark  # noqa: F401 - the marks are this file's too


class Elastic(Real):
    """Over a real install, with a control file."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, str(PYTHON))
        self.writer = ControlWriter(str(folder / "control.jsonl"))

    def begin_elastic(self, plan: Plan) -> subprocess.Popen[bytes]:
        made = self.launch(str(ROOT), plan)
        env = {**made.env, CONTROL_ENV: str(self.folder / "control.jsonl")}
        return subprocess.Popen(
            made.argv,
            env=env,
            cwd=made.cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )


@pytest.fixture
def elastic(tmp_path: Path) -> Elastic:
    return Elastic(tmp_path)


def every_frame_once(ran: Ran, frames: int) -> None:
    assert ran.code == 0, ran.text
    assert Counter(ran.frames("frame_done")) == {f"{n:05d}.png": 1 for n in range(1, frames + 1)}
    assert ran.of("frame_failed") == [] and ran.of("worker_lost") == []


def test_one_two_one_workers_within_one_attempt_and_the_first_never_pauses(elastic: Elastic) -> None:
    elastic.make([n % 2 for n in range(80)])
    process = elastic.begin_elastic(Plan(workers=1, threads=1))
    elastic.wait_for("frame_done", 5, limit=300)
    elastic.writer.workers("CPU", 2, "one more", threads=1)
    elastic.wait_for("worker_started", 2, limit=300)
    by_two = len(elastic.wait_for("frame_done", 6, limit=300))
    elastic.wait_for("frame_done", by_two + 14, limit=300)
    elastic.writer.workers("CPU", 1, "one fewer")
    elastic.wait_for("worker_ended", 1, limit=300)
    ran = elastic.end(process)
    every_frame_once(ran, 80)
    first, second = [event["worker"] for event in ran.of("worker_started")]
    assert [event["worker"] for event in ran.of("worker_ended")] == [second]
    assert len(ran.of("worker_starting")) == 2, "nobody was replaced"
    done = {name: [e for e in ran.of("frame_done") if e["worker"] == name] for name in (first, second)}
    assert done[second], "the second worked"
    ended = ran.of("worker_ended")[0]["time"]
    assert done[first][-1]["time"] > ended > done[second][-1]["time"]
    # The first never pauses: between its frames lies no more than a frame takes, also while the second starts and ends.
    starts = [e["time"] for e in ran.of("frame_started") if e["worker"] == first]
    gaps = [start - before["time"] for start, before in zip(starts[1:], done[first], strict=False)]
    slowest = max(event["seconds"] for event in done[first])
    assert max(gaps) < max(2.0, slowest), gaps


def test_workers_of_two_devices_in_one_attempt(elastic: Elastic) -> None:
    """A "card" whose tensors lie on the CPU stands for one: it is waited for, the CPU works, the card comes back."""
    elastic.make([1] * 40)
    card = {"TF_DEV_TYPE": "CPU", "NAME": "Stand-in", "TOTAL_MEM": str(8 << 30), "FREE_MEM": str(8 << 30)}
    listed = {"NN_DEVICES_INITIALIZED": "1", "NN_DEVICES_COUNT": "1"}
    listed |= {f"NN_DEVICE_0_{key}": value for key, value in card.items()}
    elastic.writer.workers("GPU0", 0, "full")
    process = elastic.begin_elastic(Plan(devices=(0,), workers=1, env=listed))
    elastic.wait_for("extractor_started", 1, limit=300)
    elastic.writer.workers("CPU", 1, "meanwhile", threads=1)
    elastic.wait_for("frame_done", 4, limit=300)
    elastic.writer.workers("GPU0", 1, "free")
    elastic.wait_for("worker_started", 2, limit=300)
    elastic.writer.workers("CPU", 0, "the card works again")
    elastic.wait_for("worker_ended", 1, limit=300)
    ran = elastic.end(process)
    every_frame_once(ran, 40)
    workers = [event["worker"] for event in ran.of("frame_done")]
    assert set(workers) == {"CPU0", "GPU0"} and workers[0] == "CPU0" and workers[-1] == "GPU0"
    beside = [event for event in ran.of("worker_started") if event.get("beside_gpus")]
    assert [event["worker"] for event in beside] == ["CPU0"]
