"""A question that the null device cannot answer (one asked at the terminal itself) is named, and not waited for."""

from __future__ import annotations

from pathlib import Path

import pytest
from played_cards import extract
from support import assert_conserved

SHORTER = """
import dflwrap.supervisor.attempt.monitor as monitor
assert monitor.PROMPT_BOUND == 10
monitor.PROMPT_BOUND = 2.0
"""


@pytest.mark.posix
def test_an_extractor_that_stands_at_a_question_is_ended(tmp_path: Path) -> None:
    """It says nothing wrong, works for the operating system, and would stand there until its start takes too long."""
    asks = {
        "fault": "text",
        "text": "Overwrite the model? (y/n)",
        "stream": "stdout",
        "then": "hang",
        "times": 1,
    }
    done = extract(tmp_path, None, 4, {"start": asks}, "--cpu-only", "--workers", "1", limits=SHORTER)
    assert_conserved(done.report)
    first = done.report["attempts"][0]
    assert first["ended_by"] == "prompt" and first["cause"] == "prompt-waiting", done.stderr
    assert first["gained"] == 0
    said = " ".join(decision["sentence"] for decision in done.report["decisions"])
    assert "asked a question" in said, said
