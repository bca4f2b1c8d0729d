"""A night with every class of fault once: someone who did not run it can answer the morning's questions from the page.

docs/reading-the-report.md says where; each answer is looked for there.
"""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support import DOUBLE, assert_conserved, dflwrap, small_frames
from test_page import Elements

ROOT = Path(__file__).parents[2]
FRAMES = 40
PATIENT = {
    "*00008.png": "segfault",
    "*00011.png": "raise",
    "*00014.png": "unreadable",
    "*00020.png": "lie",
}
"""What is wrong with frames, each time they are tried."""
POISON = {name.removeprefix("*") for name in PATIENT}
ONCE = {
    "start": {"fault": "exit", "times": 1},
    "host:00026.png": {"fault": "cuda_oom", "then": "exit", "times": 1},
    "00029.png": {"fault": "raise", "times": 1},
    "00035.png": {"fault": "stop", "times": 1},
    "00032.png": {"fault": "half_jpeg", "times": 1},
}
"""What passes: a start that fails, no video memory, an error, a worker that is stopped, one that is killed."""


@dataclass(frozen=True)
class Morning:
    page: Elements
    report: dict[str, Any]

    def answer(self, question: str) -> str:
        """What stands under a question of the page."""
        text = self.page.text
        start = text.index(f"{question} ")
        return text[start + len(question) : text.index("more", start)].strip()

    def section(self, heading: str, following: str) -> str:
        text = self.page.text
        start = text.rindex(heading)
        return text[start : text.index(following, start + len(heading))]


@pytest.fixture(scope="module")
def morning(tmp_path_factory: pytest.TempPathFactory) -> Morning:
    """The first start stops and needs the user, the second one is the night."""
    if os.name == "nt":
        pytest.skip("the double's faults are POSIX")
    folder = tmp_path_factory.mktemp("night")
    frames = small_frames(folder / "data_src", FRAMES)
    script = folder / "script.json"
    command = ("extract", "--input-dir", frames, "--output-dir", folder / "aligned", "--json", "--cpu-only")
    command += ("--dfl-root", DOUBLE, "--dfl-python", sys.executable, "--extractor", "dfl")
    command += ("--image-size", "256", "--workers", "2")
    env = {"DFLWRAP_DOUBLE_SCRIPT": str(script), "DFLWRAP_STOPPED_TIMEOUT": "2"}
    script.write_text(json.dumps({"import": "tf_import"}))
    stopped = dflwrap(*command, env=env, page=True)
    assert stopped.code == 3, stopped.stderr
    early = Elements((folder / "aligned_dflwrap" / "report.html").read_text("utf-8"))
    assert f"The run stopped with {FRAMES} frames to go. It needs you." in early.text
    options = {"frame_seconds": 0.05, "faces": {"00005.png": 0}}
    script.write_text(json.dumps({"options": options, **PATIENT, **ONCE}))
    done = dflwrap(*command, env=env, timeout=300, page=True)
    assert done.code == 1, done.stderr
    assert_conserved(done.report)
    assert {row["frame"] for row in done.report["quarantined"]} == POISON, done.stderr
    page = (folder / "aligned_dflwrap" / "report.html").read_text("utf-8")
    assert len(page) < 3_000_000
    return Morning(Elements(page), done.report)


ANSWERS = {
    "Did it finish?": r"Yes at .*, but 4 frames came out without a result\.",
    "What is missing?": r"4 of 40 frames: 4 quarantined\. No face was found in 1 frame",
    "Why?": r"\(\d frames?\).* attempts? failed on the way",
    "What was slow?": r"went into|into waiting|into attempts that gained no frame|Nothing stood out",
    "Was the card used?": r"No: the CPU did the work",
    "What should I change?": r"\S: \S",
    "Is the faceset good?": r"It holds 35 faces; each was checked to be whole",
    "Which frames should I look at?": r"4 quarantined frames.*In 1 frame no face was found",
    "Can I go on?": r"Yes: the faceset can be sorted and trained with",
    "How long did it take?": r"in 2 starts of dflwrap; [\d.]+ (?:frames/s|s a frame) while an extractor was at work",
}


def in_the_docs() -> dict[str, str]:
    """Question -> the section that has more, as docs/reading-the-report.md says."""
    text = (ROOT / "docs/reading-the-report.md").read_text("utf-8")
    return dict(re.findall(r"^\| \d+ \| ([^|]+\?) \| ([^|]+?) \|", text, re.M))


def test_the_docs_the_page_and_this_test_ask_the_same_ten() -> None:
    assert list(in_the_docs()) == list(ANSWERS)


def test_a_night_with_every_class_of_fault_is_understood_from_its_page(morning: Morning) -> None:
    """One test, so that one process of the suite makes the night."""
    for question in ANSWERS:
        _is_answered(morning, question)
    _each_failure_has_its_evidence_and_what_was_done(morning)
    _each_quarantined_frame_has_its_reason(morning)
    _the_stop_and_the_resume_are_told(morning)


def _is_answered(morning: Morning, question: str) -> None:
    text = morning.page.text
    start = text.index(f" {question} ", text.index("The morning's ten questions"))
    assert re.search(ANSWERS[question], text[start : start + 900]), text[start : start + 900]
    place = in_the_docs()[question]
    assert place in text[start + 900 :] or place in text[:start], f"the section {place}"


def _each_failure_has_its_evidence_and_what_was_done(morning: Morning) -> None:
    section = morning.section("What failed, and what was done", "Frames to look at")
    failed = [attempt for attempt in morning.report["attempts"] if attempt["cause"]]
    assert len(failed) >= 4
    for attempt in failed:
        verdict = attempt["verdict"]["primary"] or {}
        assert f"Attempt {attempt['number']}," in section
        assert verdict.get("title", "") in section
        for line in verdict.get("evidence", [])[:1]:
            assert " ".join(line["text"][:40].split()) in section
    for decision in morning.report["decisions"]:
        if decision["attempt"] in {attempt["number"] for attempt in failed}:
            assert " ".join(decision["sentence"][:60].split()) in section, decision


def _each_quarantined_frame_has_its_reason(morning: Morning) -> None:
    section = morning.section("Frames to look at", "The faceset")
    for row in morning.report["quarantined"]:
        assert row["frame"] in section
        assert " ".join(row["evidence"][:60].split()) in section


def _the_stop_and_the_resume_are_told(morning: Morning) -> None:
    section = morning.section("Starts and stops", "Machine, versions")
    assert "stopped; it needs you" in section and "finished, with frames that have no result" in section
    states = [session["state"] for session in morning.report["run"]["sessions"]]
    assert states == ["stopped", "quarantined"]
    for session in morning.report["run"]["sessions"]:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d", session["ended_at"])
