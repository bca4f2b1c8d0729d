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


def test_results_that_take_no_report_are_read_bare_and_failures_are_not_taken_for_no_face(
    tmp_path: Path, double: Double
) -> None:
    root = tmp_path / "fork"
    shutil.copytree(DOUBLE, root)
    main = root / "mainscripts" / "Extractor.py"
    slots = ("filepath", "rects", "rects_rotation", "landmarks_accurate", "manual", "landmarks")
    slots += ("final_output_files", "faces_detected")
    source = main.read_text(encoding="utf-8")
    main.write_text(source.replace("    class Data:\n", f"    class Data:\n        __slots__ = {slots}\n\n"))
    double.root = root
    ran = double.run({"00003.png": "raise", "00005.png": "landmarks"})
    assert ran.code == 0 and not ran.of("agent_failed")
    assert ran.frames("frame_failed") == ["00003.png", "00005.png"]
    assert "commanded to raise" in ran.of("frame_failed")[0]["traceback"]
    done = {event["frame"]: event["faces"] for event in ran.of("frame_done")}
    assert done == {name: [name.replace(".png", "_0.jpg")] for name in done} and len(done) == 4


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
    assert ran.text.startswith("usage: start.py") and "Traceback" not in ran.text


def test_deepfacelab_sees_no_module_of_the_agents_own(double: Double, each_python: str) -> None:
    """`import settings` in a fork means its own file."""
    root = double.folder / "fork"
    root.mkdir()
    (root / "main.py").write_text("import sys\nprint(*sys.path, sep='\\n')\n")
    double.root, double.python = root, each_python
    shown = double.run({}).text.splitlines()
    assert shown[0] == str(root)
    assert str(AGENT.parent) not in shown
