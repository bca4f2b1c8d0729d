"""Finds every wait in the source: calls that may block, and loops that end by nothing but their own body."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "dflwrap"
BLOCKING = frozenset({"join", "wait", "get", "result", "acquire", "recv", "communicate", "shutdown"})
"""Methods that block until something happens, where no timeout is given."""
LIMITED = frozenset({"wait_until", "take", "join", "wait", "sleep", "select", "wait_procs", "run_until"})
"""Functions and methods that wait for as long as they are told."""
OF_POOLS = frozenset({"ThreadPoolExecutor", "ProcessPoolExecutor"})
"""Their `with` block, their `map` and the end of the interpreter wait for all that was begun."""
OF_PROGRAMS = frozenset({"run", "call", "check_call", "check_output"})
"""Of the module subprocess."""


@dataclass(frozen=True)
class Wait:
    place: str
    """`folder/file.py: Class.function`, below the package."""
    what: str
    limited: bool
    line: int

    @property
    def key(self) -> str:
        return f"{self.place}: {self.what}"


@functools.cache
def waits(package: Path = PACKAGE) -> tuple[Wait, ...]:
    found: list[Wait] = []
    for path in sorted(package.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found += list(waits_in(tree, path.relative_to(package).as_posix()))
    return tuple(found)


def waits_in(tree: ast.AST, file: str, scope: tuple[str, ...] = ()) -> Iterator[Wait]:
    for node in ast.iter_child_nodes(tree):
        named = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        inner = (*scope, node.name) if named else scope
        place = f"{file}: {'.'.join(inner)}"
        if isinstance(node, ast.While) and isinstance(node.test, ast.Constant) and node.test.value:
            yield Wait(place, "while True", False, node.lineno)
        if isinstance(node, ast.Call):
            wait = _call(node)
            if wait is not None:
                yield Wait(place, wait[0], wait[1], node.lineno)
        yield from waits_in(node, file, inner)


def _call(call: ast.Call) -> tuple[str, bool] | None:
    """(what it is, whether it has a limit) of a call that waits."""
    function = call.func
    method = isinstance(function, ast.Attribute)
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if name not in BLOCKING | LIMITED | OF_POOLS | OF_PROGRAMS | {"iter"}:
        return None
    owner = ast.unparse(function.value) if isinstance(function, ast.Attribute) else ""
    given = {word.arg: word.value for word in call.keywords}
    limit = given.get("timeout")
    endless = isinstance(limit, ast.Constant) and limit.value is None
    if name in OF_POOLS:
        return name, False
    if name in OF_PROGRAMS and owner == "subprocess":
        return f"subprocess.{name}", limit is not None and not endless
    if name == "iter" and len(call.args) == 2 and isinstance(call.args[0], ast.Attribute):
        return (f"iter({call.args[0].attr})", False) if call.args[0].attr in BLOCKING else None
    if method and name in BLOCKING and not call.args and (limit is None or endless):
        return f".{name}()", False
    if (
        owner.endswith(("path", "sep", "os"))
        or (name == "take" and method)
        or (isinstance(function, ast.Attribute) and isinstance(function.value, ast.Constant))
    ):
        return None  # os.path.join, ", ".join
    if name == "get" and limit is not None:
        return ".get(timeout)", True
    if name == "wait" and not method:  # multiprocessing.connection
        return "wait()", len(call.args) > 1 or limit is not None
    if name == "select":
        return "select()", len(call.args) > 3
    if name in LIMITED and (call.args or limit is not None):
        none = any(isinstance(one, ast.Constant) and one.value is None for one in call.args)
        return f"{name}(...)", not (none or endless)
    return None
