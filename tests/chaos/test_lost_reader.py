"""Whoever read dflwrap's output goes away during the run: the run continues, and the exit code tells the truth."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from support import DOUBLE

pytestmark = pytest.mark.skipif(os.name == "nt", reason="pipes end with EPIPE on POSIX")


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_a_closed_pipe_changes_neither_the_run_nor_its_exit_code(
    tmp_path: Path, more: tuple[str, ...]
) -> None:
    source = tmp_path / "frames"
    source.mkdir()
    for number in range(4):
        assert cv2.imwrite(str(source / f"{number}.png"), np.full((160, 200, 3), 60, np.uint8))
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "dflwrap", "extract", "--extractor", "dfl", "--cpu-only", *more),
            *("--dfl-root", str(DOUBLE), "--dfl-python", sys.executable, "--image-size", "256"),
            *("--input-dir", str(source), "--output-dir", str(tmp_path / "aligned")),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout and process.stderr
    process.stdout.close()
    process.stderr.close()
    assert process.wait(120) == 0
    assert len(list((tmp_path / "aligned").iterdir())) == 4
