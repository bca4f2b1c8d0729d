"""docs/waits.md lists every wait of the source, with what ends it; a new one without a limit has to say why."""

from __future__ import annotations

import ast
import re

import pytest
from waiting import PACKAGE, waits, waits_in

PAGE = PACKAGE.parent / "docs" / "waits.md"
WITH_LIMIT, WITHOUT = "## With a limit", "## Without a limit of their own"


def rows(heading: str) -> dict[str, list[str]]:
    """Place to the other cells."""
    text = PAGE.read_text(encoding="utf-8").split(f"\n{heading}\n")[1].split("\n## ")[0]
    found = {}
    for line in text.splitlines():
        match = re.match(r"\| `([^`]+)` \| (.+) \|$", line)
        if match:
            assert match[1] not in found, f"twice: {match[1]}"
            found[match[1]] = match[2].split(" | ")
    return found


def test_every_wait_has_its_row() -> None:
    limited = {wait.place for wait in waits() if wait.limited}
    endless = {wait.place for wait in waits() if not wait.limited}
    assert len(limited) > 30 and len(endless) > 15, "the reader finds them"
    listed, reasons = rows(WITH_LIMIT), rows(WITHOUT)
    assert sorted(endless - set(reasons)) == [], (
        "without a limit: give it one, or say in docs/waits.md what ends it"
    )
    assert sorted(limited - set(listed)) == [], "not in docs/waits.md"
    assert sorted(set(reasons) - endless) == [], "in docs/waits.md, and gone"
    assert sorted(set(listed) - limited) == [], "in docs/waits.md, and gone"


def test_no_cell_is_empty() -> None:
    assert all(len(cells) == 3 and all(cells) for cells in rows(WITH_LIMIT).values())
    assert all(len(cells) == 1 and len(cells[0]) > 10 for cells in rows(WITHOUT).values())


@pytest.mark.parametrize(
    ("code", "limited"),
    [
        ("thread.join()", False),
        ("thread.join(3.0)", True),
        ("thread.join(timeout=None)", False),
        ("child.wait()", False),
        ("child.wait(None)", False),
        ("child.wait(5)", True),
        ("items.get()", False),
        ("items.get(timeout=1)", True),
        ("future.result()", False),
        ("lock.acquire()", False),
        ("connection.recv()", False),
        ("wait([handle])", False),
        ("wait([handle], 0.2)", True),
        ("iter(items.get, None)", False),
        ("select.select([a], [], [])", False),
        ("select.select([a], [], [], 1)", True),
        ("subprocess.run(['x'])", False),
        ("subprocess.run(['x'], timeout=3)", True),
        ("ThreadPoolExecutor(1)", False),
        ("while True:\n  pass", False),
        ("while 1:\n  pass", False),
        ("time.sleep(1)", True),
    ],
)
def test_the_reader_knows_waits(code: str, limited: bool) -> None:
    assert [wait.limited for wait in waits_in(ast.parse(code), "f.py")] == [limited]


@pytest.mark.parametrize(
    "code", ["', '.join(names)", "os.path.join(a, b)", "table.get(key)", "budget.take(1)"]
)
def test_the_reader_takes_nothing_else_for_one(code: str) -> None:
    assert list(waits_in(ast.parse(code), "f.py")) == []
