"""A fork that cannot be hooked: the run continues as a black box, and poison is found by bisection."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from support import assert_conserved, dflwrap

from .conftest import DOUBLE, png


@pytest.mark.skipif(os.name != "posix", reason="a segmentation fault as POSIX has it")
def test_a_poison_frame_is_isolated_without_the_agent(tmp_path: Path) -> None:
    fork, frames, output = tmp_path / "fork", tmp_path / "frames", tmp_path / "aligned"
    shutil.copytree(DOUBLE, fork)
    extractor = fork / "mainscripts" / "Extractor.py"
    source = extractor.read_text(encoding="utf-8")
    extractor.write_text(source.replace("def process_data(self, data)", "def process_data(self, data, x=1)"))
    frames.mkdir()
    for number in range(1, 13):
        (frames / f"{number:05d}.png").write_bytes(png())
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"*00004.*": "segfault", "options": {"no_response": 3}}))
    done = dflwrap(
        *("extract", "--extractor", "dfl", "--json", "--cpu-only", "--detector", "s3fd"),
        *("--input-dir", frames, "--output-dir", output, "--dfl-root", fork, "--dfl-python", sys.executable),
        env={"DFLWRAP_DOUBLE_SCRIPT": str(script)},
    )
    assert done.code == 1, done.stderr
    assert_conserved(done.report)
    assert done.report["frames"]["extracted"] == 11, "every innocent is delivered"
    assert [row["frame"] for row in done.report["quarantined"]] == ["00004.png"]
    assert "black-box mode" in done.stderr and "process_data" in done.stderr, "and it says why"
