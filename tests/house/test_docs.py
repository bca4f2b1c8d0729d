"""What the documents say of the repository is so: paths, versions, dates."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAPS = ("CONTRIBUTING.md", "docs/architecture.md", "docs/decisions.md", "docs/platforms.md", "docs/waits.md")
"""Pages that lead a reader to files of the code."""
SUFFIXES = (".py", ".toml", ".md", ".yml", ".log")
MADE_BY_A_RUN = re.compile(r"^(X_dflwrap|attempts|quarantine|set_aside|in|out)\b")
MADE_UP = re.compile(r"NAME|FAMILY|[*X]_")


def paths(text: str) -> set[str]:
    """What looks like a path of the repository: in backticks or as a link, with a slash or a known suffix."""
    found = re.findall(r"`([^`\s]+)`", text) + re.findall(r"\]\(([^)#:]+)\)", text)
    return {
        word.rstrip("/")
        for word in found
        if ("/" in word and word.endswith(("/", *SUFFIXES))) or word.endswith(".md")
        if not MADE_UP.search(word)
        and not MADE_BY_A_RUN.search(word)
        and not word.startswith(("/", "-", "~"))
    }


@pytest.mark.parametrize("page", MAPS)
def test_every_path_that_a_page_names_exists(page: str) -> None:
    folder = (ROOT / page).parent
    named = paths((ROOT / page).read_text(encoding="utf-8"))
    places = (
        ROOT,
        ROOT / "dflwrap",
        folder,
        ROOT / "dflwrap/extractors/deepfacelab",
        ROOT / "dflwrap/supervisor",
        ROOT / "dflwrap/extractors",
    )
    missing = sorted(name for name in named if not any((place / name).exists() for place in places))
    assert missing == []


def test_the_map_leads_through_all_rooms() -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    rooms = {path.parent.name for path in (ROOT / "dflwrap").glob("*/__init__.py")}
    named = set(re.findall(r"^\| `([a-z]+)/` \|", text, re.MULTILINE))
    assert named == rooms
    inner = {path.parent.name for path in (ROOT / "dflwrap/supervisor").glob("*/__init__.py")}
    assert all(f"`{name}/`" in text for name in inner)


def test_every_decision_has_its_date_its_status_and_what_was_not_taken() -> None:
    text = (ROOT / "docs/decisions.md").read_text(encoding="utf-8")
    entries = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    headings = {entry.partition("\n")[0] for entry in entries}
    for entry in entries:
        heading, _, body = entry.partition("\n")
        status = re.match(
            r"\*\d{4}-\d\d-\d\d\. (In force[^*]*?|(?:Changed|Replaced) by \"(.+)\")\.\*\n", body
        )
        assert status, heading
        assert status[2] is None or status[2] in headings, heading
        assert re.search(r"Not\s+taken|Rejected", body), heading


def test_the_workflow_runs_the_suite_on_every_system_and_every_python_that_is_supported() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    versions = re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))
    text = (ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8")
    systems, pythons = (
        re.findall(rf"^ +{key}: \[(.+)\]$", text, re.MULTILINE)[0] for key in ("os", "python")
    )
    assert [word.strip(' "') for word in pythons.split(",")] == versions
    assert [word.split("-")[0] for word in systems.split(", ")] == ["ubuntu", "windows", "macos"]
    assert "python scripts/test.py" in text and "LongPathsEnabled" in text
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        import _start
    finally:
        sys.path.remove(str(ROOT / "scripts"))
    ends = [f"3.{bound[1]}" for bound in (_start.FIRST, _start.LAST)]
    assert [versions[0], versions[-1]] == ends


def test_no_two_test_modules_have_one_name() -> None:
    """pytest imports those that lie in no package by their bare name: the second one stops the whole suite."""
    bare = [
        path.name
        for path in (ROOT / "tests").rglob("test_*.py")
        if not (path.parent / "__init__.py").exists()
    ]
    assert sorted(name for name in set(bare) if bare.count(name) > 1) == []


def test_the_index_lists_every_page() -> None:
    index = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    pages = sorted(path.name for path in (ROOT / "docs").glob("*.md") if path.name != "README.md")
    assert [name for name in pages if f"({name})" not in index] == []
