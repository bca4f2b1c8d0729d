"""Tests of what the agent loads from its file, under the Pythons that load it: DeepFaceLab's 3.6, and a newer one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from support import PYTHON36, find_python

from dflwrap.extractors import control_file, frame_queue

NEWER = find_python("3.12") or sys.executable


@pytest.mark.parametrize("python", [PYTHON36, NEWER], ids=["3.6", "newer"])
@pytest.mark.parametrize("module", [control_file, frame_queue], ids=["control_file", "frame_queue"])
def test_they_hold_under_each_python_from_the_file_alone(
    module: ModuleType, python: str | None, tmp_path: Path
) -> None:
    cases = Path(__file__).with_name(f"test_{Path(str(module.__file__)).name}")
    if python is None:
        pytest.skip("NOT TESTED UNDER PYTHON 3.6: set DFLWRAP_TEST_PYTHON36 or put python3.6 on PATH")
    ran = subprocess.run(
        [python, "-I", str(cases), str(module.__file__)],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=tmp_path,
    )
    assert ran.returncode == 0, ran.stderr
    assert "passed under 3." in ran.stdout
