"""Whatever id the supervisor names as a cause, `dflwrap rules show` has a page for it, with steps."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from support import dflwrap

from dflwrap import cli
from dflwrap.diagnosis import load_catalogue
from dflwrap.supervisor.attempt.judge import hang_id
from dflwrap.supervisor.intake import FILTERED
from dflwrap.supervisor.liveness.watchdog import Symptom

PACKAGE = Path(cli.__file__).parents[1]
ROOMS = ("common", "supervisor", "planning", "frames", "faceset", "ledger")
ARGUMENT = {
    "Cause": 0,
    "known_cause": 0,
    "NeedsUserError": 0,
    "CannotStartError": 0,
    "Stop": 0,
    "Judgement": 2,
}
"""Where a call names a cause, by position."""
FAULT = "fault"
"""An end by a fault of dflwrap itself (exit code 5): no page of the catalogue could say what to do."""


def constants(tree: ast.Module) -> dict[str, str]:
    """The module's own names for texts."""
    return {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name) and isinstance(node.value.value, str)
    }


def named(argument: ast.expr, known: dict[str, str]) -> Iterator[str]:
    """The texts that an argument can be, of those written in the code."""
    if isinstance(argument, ast.IfExp):
        yield from named(argument.body, known)
        yield from named(argument.orelse, known)
    elif isinstance(argument, ast.BoolOp):
        for value in argument.values:
            yield from named(value, known)
    elif isinstance(argument, ast.Constant) and isinstance(argument.value, str):
        yield argument.value
    elif isinstance(argument, ast.Name) and argument.id in known:
        yield known[argument.id]


def beside_outcome(row: ast.Tuple, known: dict[str, str]) -> Iterator[str]:
    """A row for `settle_many` has its cause two places after the outcome."""
    for place, element in enumerate(row.elts[:-2]):
        if isinstance(element, ast.Attribute) and getattr(element.value, "id", "") == "Outcome":
            yield from named(row.elts[place + 2], known)


def ids_in(file: Path) -> Iterator[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    known = constants(tree)
    for call in ast.walk(tree):
        if isinstance(call, ast.Tuple):
            yield from beside_outcome(call, known)
        if not isinstance(call, ast.Call):
            continue
        name = getattr(call.func, "id", getattr(call.func, "attr", ""))
        if name in ARGUMENT and len(call.args) > ARGUMENT[name]:
            yield from named(call.args[ARGUMENT[name]], known)
        for keyword in call.keywords:
            if keyword.arg == "cause":
                yield from named(keyword.value, known)


@cache
def emitted() -> frozenset[str]:
    """Read when a test asks: every worker of the suite imports this module."""
    files = [file for room in ROOMS for file in (PACKAGE / room).rglob("*.py")]
    written = {name for file in files for name in ids_in(file) if name}
    return frozenset((written | {hang_id(symptom) for symptom in Symptom} | {"unknown"}) - {FILTERED, FAULT})


def test_the_search_finds_ids_of_every_kind() -> None:
    assert {
        *("poison-frame", "prompt-waiting", "disk-full", "zero-byte-image", "wrong-build-new-gpu"),
        *("program-not-started", "image-too-small", "extractor-stopped", "file-in-use", "imread-failed"),
        "input-dir-missing",
    } <= emitted()


def test_every_cause_that_the_supervisor_names_is_in_the_catalogue_with_steps() -> None:
    rules = load_catalogue().by_id
    assert emitted() - rules.keys() == set(), "in no rule file"
    assert [name for name in sorted(emitted()) if not rules[name].steps] == [], "without steps"


@pytest.mark.parametrize("symptom", Symptom)
def test_a_hang_has_a_page(symptom: Symptom) -> None:
    page = dflwrap("rules", "show", hang_id(symptom))
    assert page.code == 0, page.stderr
    assert "What you can do" in page.stdout
