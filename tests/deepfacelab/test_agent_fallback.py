"""A DeepFaceLab that cannot be hooked runs as it is, and one event says why."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from .conftest import AGENT, DOUBLE, Double

EXTRACTOR, POOL = "mainscripts/Extractor.py", "core/joblib/SubprocessorBase.py"
CHANGES = {
    "another class name": (EXTRACTOR, r"\bExtractSubprocessor\b", "FaceSubprocessor"),
    "another signature": (
        EXTRACTOR,
        r"def process_data\(self, data\)",
        "def process_data(self, data, x=None)",
    ),
    "another host loop": (POOL, r"def run\(self\)", "def run(self, patience=1)"),
    "another protocol": (POOL, r"client_dict, s2c, c2s\)", "client_dict, s2c, c2s, lock=None)"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_fork_that_differs_runs_unhooked_and_says_why(tmp_path: Path, double: Double, change: str) -> None:
    name, pattern, text = CHANGES[change]
    root = tmp_path / "fork"
    shutil.copytree(DOUBLE, root)
    source = root / name
    changed, count = re.subn(pattern, text, source.read_text(encoding="utf-8"))
    assert count
    source.write_text(changed, encoding="utf-8")
    double.root = root
    ran = double.run({})
    assert ran.code == 0
    assert [event["event"] for event in ran.events] == ["agent_failed"]
    assert len(ran.events[0]["error"]) > 20
    assert len(ran.faces) == 6, "main.py did its work all the same"


def test_another_kind_of_pass_is_left_to_deepfacelab(tmp_path: Path, double: Double) -> None:
    root = tmp_path / "fork"
    shutil.copytree(DOUBLE, root)
    main = root / "mainscripts" / "Extractor.py"
    hidden = main.read_text(encoding="utf-8").replace('"all"', '"everything"')
    main.write_text(hidden, encoding="utf-8")
    double.root = root
    ran = double.run({})
    assert "everything" in ran.of("agent_failed")[0]["error"]
    assert len(ran.faces) == 6


def test_a_missing_main_says_how_to_use_it(double: Double) -> None:
    double.root = AGENT.parent
    ran = double.run({})
    assert ran.code == 2
    assert ran.text.startswith("usage: agent.py") and "Traceback" not in ran.text
