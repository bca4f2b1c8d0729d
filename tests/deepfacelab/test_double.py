"""The double must fail as DeepFaceLab does, or the tests on it show nothing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dflwrap.faceset.face_file.errors import FaceFileError
from dflwrap.faceset.face_file.verify import verify_face

from .conftest import DOUBLE, Double


def faults_of_the_double() -> set[str]:
    code = "import faults; print(*sorted(faults.NAMES))"
    asked = subprocess.run(
        [sys.executable, "-c", code], cwd=DOUBLE, capture_output=True, text=True, check=True
    )
    return set(asked.stdout.split())


def test_every_fault_is_explained() -> None:
    readme = (DOUBLE / "README.md").read_text(encoding="utf-8")
    assert faults_of_the_double() <= set(re.findall(r"`(\w+)`", readme))


def test_a_clean_run_without_the_agent(tmp_path: Path, each_python: str) -> None:
    double = Double(tmp_path, each_python)
    double.add()
    ran = double.run({}, agent=False)
    assert ran.code == 0 and len(ran.faces) == 6 and ran.text.rstrip().endswith("Done.")
    for name in ran.faces:
        assert verify_face(ran.output / name, 256).source_filename == name.replace("_0.jpg", ".png")


def test_an_exception_loses_all_that_follows_and_exits_0(double: Double) -> None:
    if (os.cpu_count() or 1) // 2 != 1:
        pytest.skip("the loss needs a single worker, and the double starts one for two cores")
    ran = double.run({"00004.png": "raise"}, agent=False)
    assert ran.code == 0 and len(ran.faces) == 3 and "Done." in ran.text


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_a_killed_worker_is_waited_for(double: Double) -> None:
    ran = double.run({"00004.png": "kill", "options": {"no_response": 2}}, agent=False)
    assert ran.code == 0 and ran.seconds > 2
    assert "CPU0 doesnt response, terminating it." in ran.text
    assert "00004_0.jpg" not in ran.faces


@pytest.mark.parametrize("stage", ["enumeration", "worker_start"])
def test_a_death_during_start_up_hangs_for_ever(double: Double, stage: str) -> None:
    double.devices = ("--force-gpu-idxs", "0")
    process = double.start({stage: "exit", "options": {"gpus": 1}}, agent=False)
    time.sleep(4)
    assert process.poll() is None
    process.kill()
    process.wait()


def test_a_filled_output_folder_asks_before_it_deletes(double: Double) -> None:
    double.run({}, agent=False)
    ran = double.run({}, agent=False)
    assert ran.code == 1 and "Press enter to continue." in ran.text and "EOFError" in ran.text
    assert len(ran.faces) == 6


@pytest.mark.parametrize(("fault", "size"), [("half_jpeg", 1), ("bare_jpeg", 1), ("zero_jpeg", 0)])
def test_a_kill_while_a_face_is_written_leaves_no_whole_face(double: Double, fault: str, size: int) -> None:
    ran = double.run({"00001.png": fault, "options": {"no_response": 1}}, agent=False)
    left = ran.output / "00001_0.jpg"
    assert left.stat().st_size >= size
    with pytest.raises(FaceFileError):
        verify_face(left)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("nuls", b"\0" * 64),
        ("bad_utf8", b"\xff\xfe\xc3\x28"),
        ("utf16", "Zugriff".encode("utf-16-le")),
        ("cuda_oom", b"ResourceExhaustedError: OOM when allocating tensor"),
        ("cudnn_init", b"CUDNN_STATUS_INTERNAL_ERROR"),
        ("cuda_driver", b"CUDA_ERROR_NO_DEVICE"),
    ],
)
def test_what_it_prints_on_command(double: Double, fault: str, expected: bytes) -> None:
    out, _ = double.start({"00001.png": fault}, agent=False).communicate(timeout=60)
    assert expected in out


def test_floods_and_long_lines_have_the_size_asked_for(double: Double) -> None:
    faults = {
        "00001.png": {"fault": "flood", "bytes": 10**6},
        "00002.png": {"fault": "long_line", "bytes": 10**6},
    }
    out, _ = double.start(faults, agent=False).communicate(timeout=60)
    assert len(out) > 1_900_000 and b"x" * 10**6 in out


def test_a_fault_fires_as_often_as_asked_over_all_processes(double: Double) -> None:
    ran = double.run({"*.png": {"fault": "landmarks", "times": 2}}, agent=False)
    assert len(ran.faces) == 4


def test_an_unknown_fault_is_not_ignored(double: Double) -> None:
    ran = double.run({"finish": "tpyo"}, agent=False)
    assert ran.code == 1 and "unknown fault 'tpyo'" in ran.text
