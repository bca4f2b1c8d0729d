"""The text of report.json: the same JSON whatever is in it, and a line for each frame."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dflwrap.report.summary import LINES, write_report


def written(path: Path, report: dict[str, Any]) -> str:
    write_report(path, report)
    text = path.read_text(encoding="utf-8")
    assert json.loads(text) == report
    return text


def test_what_is_written_is_the_report(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    written(path, {})
    text = written(
        path,
        {
            "schema_version": 1,
            "run": {"options": {"more": ["a\nb", "\x1b[31m"]}, "stop": None},
            "no_face": [],
            "quarantined": [{"frame": "ü\u202e.png", "cause": "c", "evidence": '"\\\n'}],
            "removed": ["1.png", "2.png"],
            "attempts": [{"plan": {"env": {}}, "verdict": {"evidence": ["x"]}}],
        },
    )
    assert "\x1b" not in text and "\u202e" not in text, "nothing that acts in a terminal"
    assert '\n  "1.png",\n  "2.png"\n' in text


def test_a_frame_has_a_line_however_many_there_are(tmp_path: Path) -> None:
    rows = [{"frame": f"{n}.png", "cause": "not-reached", "evidence": ""} for n in range(2 * LINES + 3)]
    text = written(tmp_path / "report.json", {"not_attempted": rows, "decisions": rows[:2]})
    assert sum('"not-reached"' in line for line in text.splitlines()) == len(rows) + 2
    assert sum(line.count('"frame"') for line in text.splitlines()) == len(rows) + 2
    assert max(map(len, text.splitlines())) < 100
