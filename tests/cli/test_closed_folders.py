"""A folder that may not be entered is said in one sentence by every command, and is never a fault of dflwrap."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from frame_folders import clean
from unprivileged import can_be_closed, dflwrap_as_user

import dflwrap

PACKAGE = Path(dflwrap.__file__).parent
closed_here = pytest.mark.skipif(not can_be_closed(), reason="no folder can be closed here")

COMMANDS = (
    ("check", "CLOSED/x"),
    ("check", "frames", "--sheet", "CLOSED/x.jpg"),
    ("prepare", "CLOSED/x", "out"),
    ("prepare", "frames", "CLOSED/x"),
    ("extract", "frames", "CLOSED/x", "--extractor", "builtin"),
    ("extract", "CLOSED/x", "out", "--extractor", "builtin"),
    ("extract", "frames", "out", "--dfl-root", "CLOSED/x"),
    ("extract", "--job-list", "CLOSED/x"),
    ("verify", "CLOSED/x"),
    ("status", "CLOSED/x"),
    ("report", "CLOSED/x"),
    ("handover", "CLOSED/x"),
    ("stop", "CLOSED/x"),
    ("diagnose", "CLOSED/x"),
)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    clean(tmp_path / "frames", 5)
    closed = tmp_path / "closed"
    (closed / "x").mkdir(parents=True)
    closed.chmod(0)
    yield tmp_path
    closed.chmod(0o755)


@closed_here
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command[:3]))
def test_every_command_says_why_it_cannot_look(command: tuple[str, ...], place: Path) -> None:
    done = dflwrap_as_user(*(word.replace("CLOSED", "closed") for word in command), cwd=place)
    assert done.code == 2, (done.stdout, done.stderr)
    assert "Permission denied" in done.stderr and "itself failed" not in done.stderr, done.stderr
    assert sorted(path.name for path in place.iterdir()) == ["closed", "frames"]


@closed_here
@pytest.mark.parametrize("option", ["--dfl-root", "--dfl-python", "--output-dir", "--input-dir"])
def test_doctor_names_it_and_no_check_crashes(option: str, place: Path) -> None:
    done = dflwrap_as_user("doctor", "--quick", option, "closed/x", "--json", cwd=place)
    checks = json.loads(done.stdout)["checks"]
    assert "crashed" not in {check["result"] for check in checks}
    if option in ("--dfl-root", "--output-dir", "--input-dir"):
        assert any(c["result"] == "failure" and "Permission denied" in c["explanation"] for c in checks)
        assert done.code == 1


@closed_here
def test_a_closed_person_is_told_and_is_not_left_out_silently(place: Path) -> None:
    for person in ("anna", "ben"):
        clean(place / "people" / person, 5)
    (place / "closed").chmod(0o755)
    (place / "closed").rename(place / "people/closed")
    (place / "people/closed").chmod(0)
    try:
        checked = dflwrap_as_user("check", "people", "--json", cwd=place)
        prepared = dflwrap_as_user("prepare", "people", "out", cwd=place)
    finally:
        (place / "people/closed").rename(place / "closed")
    found = {finding["id"]: finding for finding in json.loads(checked.stdout)["findings"]}
    assert checked.code == 1 and "closed: a folder" in found["unreadable"]["examples"][0]
    assert found["per-person-folders"]["count"] == 2
    assert prepared.code == 2 and "Permission denied" in prepared.stderr
    assert not (place / "out").exists()


@pytest.mark.parametrize("room", ["check", "cli", "doctor", "frames", "prepare"])
def test_no_path_of_the_users_is_asked_by_what_raises(room: str) -> None:
    """`Path.exists` and its kind raise where a folder above may not be entered; `common.trees` has what does not."""
    asked = []
    for path in (PACKAGE / room).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and not node.args:
                owner = node.func.value
                listed = isinstance(owner, ast.Name) and owner.id in ("entry", "item")
                if node.func.attr in ("exists", "is_dir", "is_file") and not listed:
                    asked.append(f"{path.relative_to(PACKAGE)}:{node.lineno}")
    assert not asked


def test_no_path_is_resolved_or_expanded_by_what_raises() -> None:
    """RuntimeError: `Path.resolve` where a link leads to itself, until Python 3.13; `expanduser` for `~nobody`."""
    found = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("resolve", "expanduser")
        and ast.unparse(node.func.value) != "os.path"
    ]
    assert not found


@pytest.mark.posix
def test_links_that_lead_in_a_circle_are_no_fault_of_dflwrap(tmp_path: Path) -> None:
    frames = clean(tmp_path / "frames", 5)
    (frames / "00006.jpg").symlink_to("00006.jpg")
    (tmp_path / "round").symlink_to("round")
    done = dflwrap_as_user(
        *("extract", frames, tmp_path / "out", "--extractor", "builtin", "--second-look", "off", "--json"),
        cwd=tmp_path,
    )
    assert done.code == 1, done.stderr
    assert done.report["frames"]["quarantined"] == 1
    for command in (
        ("check", "frames"),
        ("check", "round"),
        ("check", "round/x"),
        ("prepare", "frames", "copy"),
        ("prepare", "frames", "round"),
        ("prepare", "frames", "round/x"),
        ("prepare", "round", "copy2"),
        ("extract", "frames", "round/x", "--extractor", "builtin"),
        ("extract", "round", "out2", "--extractor", "builtin"),
        ("extract", "--job", "frames:round", "--extractor", "builtin"),
        ("verify", "round"),
        ("status", "round"),
        ("doctor", "--quick", "--dfl-root", "round", "--output-dir", "round/x"),
    ):
        done = dflwrap_as_user(*command, cwd=tmp_path)
        assert done.code in (1, 2, 3), (command, done.stdout, done.stderr)
        assert "itself failed" not in done.stdout + done.stderr, command


@pytest.mark.parametrize(
    "words",
    [
        ("--dfl-root", "~no-such-user/dfl"),
        ("--dfl-root", "frames", "--dfl-python", "~no-such-user"),
        ("--job", "~no-such-user/data:out"),
    ],
    ids=" ".join,
)
def test_the_home_of_nobody_is_one_sentence(words: tuple[str, ...], tmp_path: Path) -> None:
    clean(tmp_path / "frames", 1)
    folders = () if "--job" in words else ("frames", "out")
    done = dflwrap_as_user("extract", *folders, *words, cwd=tmp_path)
    assert done.code == 2, done.stderr
    assert "itself failed" not in done.stderr
