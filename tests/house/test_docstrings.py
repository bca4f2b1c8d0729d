"""What a public function raises stands in its docstring, and so do the units of seconds and bytes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "dflwrap"
HELP = PACKAGE / "cli" / "commands"
"""Docstrings there are the text of --help: exit codes take the place of exceptions."""
AGENT = PACKAGE / "extractors" / "deepfacelab" / "agent"
"""Its functions are hooks of DeepFaceLab's, not an interface."""


NAMES = ("_BOUND", "_TIMEOUT", "_LIMIT", "_EVERY", "_PAUSE")
UNITS = (
    "second",
    "byte",
    "pixel",
    "frame",
    "line",
    "character",
    "letter",
    "face",
    "look",
    "result",
    "sample",
)


def public(tree: ast.AST, inside: str = "") -> Iterator[tuple[str, ast.FunctionDef]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from public(node, f"{node.name}.")
        elif isinstance(node, ast.FunctionDef) and (node.name[0] != "_" or node.name == "__init__"):
            yield inside + node.name, node


def raises(function: ast.FunctionDef) -> bool:
    """By a `raise` of its own; what it hands on is not counted."""
    inner: list[ast.AST] = list(function.body)
    while inner:
        node = inner.pop()
        if isinstance(node, ast.Raise) and node.exc is not None:
            return True
        if not isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Lambda):
            inner.extend(ast.iter_child_nodes(node))
    return False


def functions() -> Iterator[tuple[str, ast.FunctionDef]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        if HELP not in path.parents and AGENT not in path.parents:
            tree = ast.parse(path.read_text(encoding="utf-8"))
            for name, function in public(tree):
                yield f"{path.relative_to(PACKAGE).as_posix()}: {name}", function


def test_what_is_raised_is_said() -> None:
    raising = [
        (name, ast.get_docstring(function) or "") for name, function in functions() if raises(function)
    ]
    assert len(raising) > 30, "it looks at something"
    silent = [
        name for name, text in raising if not re.search(r"(?i)\braises?\s+`?\w+|\b[A-Z]\w*Error\b", text)
    ]
    assert silent == [], 'say "Raises ...Error" in the docstring, with when'


def test_a_limit_says_its_unit() -> None:
    """A public constant that bounds something has a docstring below it with the unit."""
    bare = []
    for path in sorted(PACKAGE.rglob("*.py")):
        bound: list[str] = []
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                name = node.targets[0].id
                if not name.startswith("_") and name.endswith(NAMES) and isinstance(node.value, ast.Constant):
                    bound.append(f"{path.relative_to(PACKAGE).as_posix()}: {name}")
                continue  # one docstring may stand below several
            said = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            text = str(node.value.value).lower() if said else ""  # type: ignore[attr-defined]
            if not any(unit in text for unit in UNITS):
                bare += bound
            bound = []
    assert bare == [], bare
