"""Rows of the cause table walked by whole runs: a real error text, real processes, the real policy.

The double prints a sample of the rule and dies at its start, so often as a case says. The decisions must be
those of the row, in order, each with its sentence, and the plans must follow.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from played_cards import cards, extract, sentences
from support import DOUBLE, Finished, assert_conserved, dflwrap

from dflwrap.diagnosis.rulebook.catalogue import load_catalogue
from dflwrap.samples.generator import make_frames

FRAMES = 12


def dies_of(rule: str, times: int | None = None) -> dict[str, Any]:
    """The fault of printing the rule's first sample, and of ending."""
    text = load_catalogue().by_id[rule].matches[0] if rule != "unknown" else "the flux capacitor is empty"
    return {"fault": "text", "text": f"{text}\n", "then": "exit", **({"times": times} if times else {})}


@dataclass(frozen=True)
class Row:
    cause: str
    times: int | None
    """How often it fails; None = forever."""
    decisions: list[str]
    """What the sentence of each decision holds, in order (regular expressions)."""
    plans: list[dict[str, Any]]
    """What stands in the plan of each attempt, in order."""
    options: tuple[str, ...] = ("--cpu-only",)
    gpus: int = 0


ROWS = [
    Row(
        "gpu-oom-tensor",
        4,
        [
            r"waiting until GPU 0 has 5.5 GiB free: GPU 0 had 22.5 of 23.4 GiB free \(",
            r"longest side 1300 px -> 960 px \(the detector then sees 480 px instead of 640\): GPU 0 had",
            r"weights on the GPU -> on the CPU: GPU 0 had",
            r"GPU 0 -> CPU with \d+ workers?: GPU 0 had",
        ],
        [
            *2 * [{"devices": [0], "workers": 2, "max_side": 0}],
            {"devices": [0], "workers": 2, "max_side": 960, "weights_on_cpu": False},
            {"devices": [0], "workers": 2, "max_side": 960, "weights_on_cpu": True},
            {"devices": [], "max_side": 0, "weights_on_cpu": False},
        ],
        ("--workers", "2"),
        gpus=1,
    ),
    Row(
        "host-memoryerror",
        3,
        [
            r"2 workers -> 1: .* GiB of RAM were free",
            r"12 frames per attempt -> 8: .* GiB of RAM were free",
            r"longest side 1300 px -> 960 px: .* GiB of RAM were free",
        ],
        [
            *({"workers": workers, "batch_size": 0, "max_side": 0} for workers in (2, 1)),
            {"workers": 1, "batch_size": 8, "max_side": 0},
            *2 * [{"workers": 1, "batch_size": 8, "max_side": 960}],
        ],
        ("--cpu-only", "--workers", "2"),
    ),
    Row(
        "tdr-launch-failed",
        4,
        [
            r"the same plan in a fresh process: The graphics card stopped answering and was reset \(",
            r"GPUs 0 and 1 -> GPU 0 alone, to see which one fails",
            r"GPU 0 is left out, continuing with GPU 1: .* was reset on GPU 0 \(",
            r"there is no other GPU; GPU 1 -> CPU with \d+ workers?: .* was reset on GPU 1 \(",
        ],
        [{"devices": devices} for devices in ([0, 1], [0, 1], [0], [1], [])],
        ("--workers", "1"),
        gpus=2,
    ),
    Row(
        "cudnn-version-mismatch",
        1,
        [r"GPUs 0 and 1 -> CPU with \d+ workers?: The wrong cuDNN version is loaded \("],
        [{"devices": [0, 1]}, {"devices": []}],
        ("--workers", "1"),
        gpus=2,
    ),
    Row(
        "no-kernel-image",
        2,
        [
            r"GPUs 0 and 1 -> GPU 0 alone, to see which one fails: This build has no code for this",
            r"GPU 0 is left out, continuing with GPU 1: This build has no code for this graphics card",
        ],
        [{"devices": [0, 1]}, {"devices": [0]}, {"devices": [1]}],
        ("--workers", "1"),
        gpus=2,
    ),
    *(
        Row(
            cause,
            None,
            [
                r"stopped, nothing is left to try \(--on-gpu-failure builtin would let .*\): .*\(stderr.log:\d+: .+\)"
            ],
            [{}],
        )
        for cause in ("np-int-removed", "tf-api-mismatch", "model-file-missing")
    ),
    Row(
        "output-not-writable",
        None,
        [r"stopped: No permission to write to the folder \(stderr.log:1: .+\)"],
        [{}],
    ),
    Row(
        "unknown",
        None,
        [
            r"the same again: the cause is not known",
            r"2 workers -> 1: the cause is not known",
            r"stopped, nothing is left to try \(no worker came as far as a frame: .*\): the cause is not known",
        ],
        [{"workers": workers} for workers in (2, 2, 1)],
        ("--cpu-only", "--workers", "2"),
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.cause)
def test_a_failure_with_a_real_text_takes_the_rungs_of_its_row(
    row: Row, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    driver = None
    if row.gpus:
        driver = request.getfixturevalue("driver")
        (tmp_path / "play.txt").write_text(cards(row.gpus))
    script = {"options": {"gpus": row.gpus}, "start": dies_of(row.cause, row.times)}
    done = extract(tmp_path, driver, FRAMES, script, *row.options, size=(1300, 200))
    report = done.report
    assert_conserved(report)
    said = sentences(report)
    assert len(said) == len(row.decisions), said
    for pattern, sentence in zip(row.decisions, said, strict=True):
        assert re.search(pattern, sentence), said
    attempts = report["attempts"]
    assert len(attempts) == len(row.plans), said
    for wanted, attempt in zip(row.plans, attempts, strict=True):
        assert attempt["plan"] | wanted == attempt["plan"], (attempt["number"], said)
    assert attempts[0]["cause"] == row.cause, done.stderr
    settled = report["frames"]["extracted"] + report["frames"]["no_face"]
    if said[-1].split(": ", 1)[1].startswith("stopped"):
        assert done.code == 3 and settled == 0
        assert report["run"]["stop"]["cause"] == row.cause == done.stderr.strip().splitlines()[-1]
        assert report["run"]["stop"]["steps"]
    else:
        assert done.code == 0 and settled == FRAMES, done.stderr


def test_the_built_in_extractor_goes_on_where_the_other_broke_off_and_the_report_tells_them_apart(
    tmp_path: Path,
) -> None:
    make_frames(tmp_path / "frames", FRAMES, (640, 360), 0, False)
    names = sorted(path.name for path in (tmp_path / "frames").iterdir())
    script = tmp_path / "script.json"
    script.write_text(json.dumps({f"host:{names[5]}": dies_of("cudnn-version-mismatch")}))
    done: Finished = dflwrap(
        *("extract", "--input-dir", tmp_path / "frames", "--output-dir", tmp_path / "aligned", "--json"),
        *("--dfl-root", DOUBLE, "--dfl-python", sys.executable, "--extractor", "dfl", "--cpu-only"),
        *("--image-size", "256", "--workers", "1", "--on-gpu-failure", "builtin", "--second-look", "off"),
        env={"DFLWRAP_DOUBLE_SCRIPT": str(script)},
    )
    assert done.code == 0, done.stderr
    assert_conserved(done.report)
    (said,) = sentences(done.report)
    assert re.search(r"deepfacelab -> the built-in extractor: .*cuDNN.* \(stderr.log:\d+: .+\)", said)
    by = done.report["extracted_by"]
    first, second = len(by["deepfacelab"]), len(by["builtin"])
    assert first >= 5 and second >= 1
    assert sorted(by["deepfacelab"] + by["builtin"]) == names
    assert f"Extracted: {first} frames by deepfacelab, {second} frames by builtin" in done.stderr
