"""The table of docs/exit-codes.md is that of the program: each command, each code, and how it comes about."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer.main
from support import dflwrap

from dflwrap.cli.main import app

ROOT = Path(__file__).parents[2]
LOGS = ROOT / "sample_logs"
RULE = """
[[rule]]
id = "own-rule"
title = "The fan is made of cheese"
category = "own"
role = "root"
strength = 7
signatures = ['cheese fan stalled at \\d+ rpm']
remedies = ["user"]
explanation = "A fan made of cheese does not cool."
steps = ["Replace the fan."]
matches = ['cheese fan stalled at 10 rpm', 'cheese fan stalled at 999 rpm']
not_matches = ['cheese fan runs at 999 rpm']
"""


@dataclass(frozen=True)
class Case:
    """One way to a code: `words` after the command's name, with {tmp} for a folder of its own."""

    command: str
    code: int
    words: Sequence[str]


SHOWN_HERE = (
    Case("check", 2, ["{tmp}/none"]),
    Case("diagnose", 0, [f"{LOGS}/healthy-dfl1.log"]),
    Case("diagnose", 1, [f"{LOGS}/cublas-alloc-failed.log"]),
    Case("diagnose", 2, ["{tmp}/none.log"]),
    Case("diagnose", 3, [f"{LOGS}/training-log.log"]),
    Case("doctor", 0, ["--only", "path-spaces"]),
    Case("doctor", 1, ["--only", "dfl-install", "--dfl-root", "{tmp}/none"]),
    Case("doctor", 2, ["--only", "no-such-check"]),
    Case("extract", 2, ["--input-dir", "{tmp}/none", "--output-dir", "{tmp}/out"]),
    Case("handover", 2, ["{tmp}/none"]),
    Case("prepare", 2, ["{tmp}/none", "{tmp}/out"]),
    Case("report", 2, ["{tmp}/none"]),
    Case("rules adopt", 0, ["{tmp}/own.toml", "{tmp}/cheese.log"]),
    Case("rules adopt", 2, ["{tmp}/own.toml", f"{LOGS}/healthy-dfl1.log"]),
    Case("rules lint", 0, []),
    Case("rules lint", 1, ["{tmp}/without-a-rung.toml"]),
    Case("rules lint", 2, ["{tmp}/not-toml.toml"]),
    Case("rules list", 0, []),
    Case("rules list", 2, ["--rules", "{tmp}/none"]),
    Case("rules show", 0, ["disk-full"]),
    Case("rules show", 2, ["no-such-rule"]),
    Case("rules test", 0, ["{tmp}/own.toml"]),
    Case("rules test", 1, ["{tmp}/of-another.toml"]),
    Case("rules test", 2, ["{tmp}/not-toml.toml"]),
    Case("scripts last-run", 2, []),
    Case("setup builtin", 2, ["--engine", "steam"]),
    Case("setup remove", 0, []),
    Case("setup remove", 2, ["--all-of-it"]),
    Case("setup samples", 2, ["--too-many"]),
    Case("status", 2, ["{tmp}/none"]),
    Case("stop", 2, ["{tmp}/none"]),
    Case("verify", 2, ["{tmp}/none"]),
)
SHOWN_ELSEWHERE = {
    "extract 0": "tests/cli/test_extract_builtin.py::test_a_clean_folder_ends_complete_with_every_frame_accounted_for",
    "extract 1": "tests/cli/test_extract_builtin.py::test_the_ugly_folder_ends_with_code_1_and_each_bad_file_named",
    "extract 3": "tests/cli/test_manual.py::test_the_last_page_of_a_stopped_run_leads_to_its_logs",
    "check 0": "tests/check/test_check_command.py::test_good_frames_end_with_0_and_a_forecast",
    "check 1": "tests/check/test_check_command.py::test_the_contact_sheet_shows_the_doubtful_frames",
    "prepare 0": "tests/prepare/test_prepare.py::test_a_frame_that_is_fine_is_a_link",
    "verify 0": "tests/cli/test_verify_command.py::test_the_faceset_of_a_run_is_clean_and_left_as_it_is",
    "verify 1": "tests/cli/test_verify_command.py::test_several_faces_a_frame_fail_where_one_is_asked_for",
    "report 0": "tests/report/test_page.py::test_the_command_makes_it_anew_and_touches_nothing_else",
    "report 1": "tests/report/test_page.py::test_a_job_has_a_page_for_each_run_and_an_index",
    "handover 0": "tests/cli/test_second_day.py::test_a_handover_prepares_the_frames_without_a_face",
    "status 0": "tests/cli/test_looking_in.py::test_a_run_is_seen_while_it_works_stopped_and_seen_after_it",
    "status 1": "tests/cli/test_looking_in.py::test_a_killed_run_is_called_so_and_resumes",
    "status 3": "tests/cli/test_looking_in.py::test_a_stop_that_needs_the_user_is_told_with_its_steps",
    "stop 0": "tests/cli/test_looking_in.py::test_of_a_folder_all_runs_below_it_are_shown_and_stopped",
    "stop 1": "tests/cli/test_looking_in.py::test_a_run_is_seen_while_it_works_stopped_and_seen_after_it",
    "scripts install 0": "tests/launchers/test_folder.py::test_they_stand_beside_the_stock_ones_and_go_without_a_trace",
    "scripts install 2": "tests/launchers/test_folder.py::test_without_deepfacelab_one_sentence",
    "scripts remove 0": "tests/launchers/test_folder.py::test_all_are_removed_also_where_deepfacelab_is_gone",
    "4": "tests/cli/test_verify_command.py::test_ctrl_c_ends_it_with_code_4_and_leaves_no_process",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("codes")
    (folder / "own.toml").write_text(RULE)
    (folder / "without-a-rung.toml").write_text(RULE.replace('["user"]', '["pray"]'))
    (folder / "of-another.toml").write_text(RULE.replace("'cheese fan stalled at 999 rpm'", "'Killed'"))
    (folder / "not-toml.toml").write_text("[[rule\n")
    (folder / "cheese.log").write_text("cheese fan stalled at 7 rpm\n")
    return folder


def table() -> dict[str, dict[int, str]]:
    """Command -> code -> what the page says of it."""
    rows = re.findall(r"^\| `([a-z -]+)` \|(.*)\|$", (ROOT / "docs/exit-codes.md").read_text("utf-8"), re.M)
    assert len(dict(rows)) == len(rows), "a command stands there twice"
    return {
        command: {code: cell.strip() for code, cell in enumerate(cells.split("|")) if cell.strip()}
        for command, cells in rows
    }


def commands(command: Any, names: tuple[str, ...] = ()) -> Iterator[str]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield " ".join(names)
        return
    for name, one in inner.items():
        yield from commands(one, (*names, name))


def test_the_table_has_each_command_of_the_program_and_no_other() -> None:
    assert sorted(table()) == sorted(commands(typer.main.get_command(app)))


@pytest.mark.parametrize("case", SHOWN_HERE, ids=lambda case: f"{case.command} {case.code}")
def test_the_code_is_that_of_the_table(case: Case, place: Path) -> None:
    assert case.code in table()[case.command]
    (place / "home").mkdir(exist_ok=True)
    home = {name: str(place / "home") for name in ("HOME", "USERPROFILE", "XDG_CACHE_HOME", "XDG_DATA_HOME")}
    words = [word.replace("{tmp}", str(place)) for word in case.words]
    done = dflwrap(*case.command.split(), *words, env=home)
    assert done.code == case.code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("test", SHOWN_ELSEWHERE.values())
def test_what_is_said_to_be_shown_elsewhere_is(test: str) -> None:
    file, _, name = test.partition("::")
    assert f"def {name}(" in (ROOT / file).read_text("utf-8")
