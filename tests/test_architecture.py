"""The rooms of the house: imports go downwards, in no circle; no folder and no file is too large to be read."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import dflwrap

PACKAGE = Path(dflwrap.__file__).parent
FLOORS = (
    {"cli"},
    {"supervisor", "doctor", "check", "launchers", "samples", "prepare", "unattended", "status", "settings"},
    {"planning", "extractors", "frames", "faceset", "telemetry", "ledger", "report"},
    {"diagnosis"},
    {"common"},
)
"""From above to below. Rooms of one floor may use each other, in no circle."""
STANDS_ALONE = {"diagnosis"}
"""Uses nothing of ours but `common`, and nothing but these in turn is used by a log that is diagnosed elsewhere."""
MOST_MODULES, MOST_LINES = 16, 400


@cache
def modules() -> dict[str, Path]:
    """Every module by its dotted name; a package is its `__init__`."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(tree: ast.AST, package: str, known: dict[str, Path]) -> Iterator[str]:
    """The modules of ours that a source in `package` imports, wherever in it.

    Of `from a import b` it is a.b where that is one.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            start = (
                ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
            )
            module = ".".join(filter(None, (start, node.module)))
            for alias in node.names:
                inner = f"{module}.{alias.name}"
                if inner in known:
                    yield inner
                elif module in known:
                    yield module


def package_of(name: str) -> str:
    return name if modules()[name].name == "__init__.py" else name.rpartition(".")[0]


@cache
def arrows() -> dict[str, frozenset[str]]:
    known = modules()
    return {
        name: frozenset(imported(ast.parse(path.read_text(encoding="utf-8")), package_of(name), known))
        - {name}
        for name, path in known.items()
    }


def part(name: str) -> str:
    """The part of the package that a module belongs to: "supervisor"."""
    return name.split(".")[1] if "." in name else ""


def room(name: str) -> str:
    """The folder that holds a module; in a folder of rooms (`supervisor/`) each module is a room of its own."""
    folder = package_of(name)
    inner = any(other.startswith(f"{folder}.") and package_of(other) != folder for other in modules())
    return name if inner else folder


def circle(edges: dict[str, set[str]]) -> list[str]:
    """Nodes along one circle, or nothing."""
    done: set[str] = set()

    def walk(node: str, way: list[str]) -> list[str]:
        if node in way:
            return [*way[way.index(node) :], node]
        if node in done:
            return []
        for other in sorted(edges.get(node, ())):
            found = walk(other, [*way, node])
            if found:
                return found
        done.add(node)
        return []

    for node in sorted(edges):
        found = walk(node, [])
        if found:
            return found
    return []


def test_the_reader_finds_imports() -> None:
    assert "dflwrap.common.plan" in arrows()["dflwrap.planning.policy"]
    assert "dflwrap.supervisor.run" in arrows()["dflwrap.cli.running"]
    assert sum(map(len, arrows().values())) > 500
    inside = ast.parse("def f():\n    from dflwrap.common import plan")
    assert list(imported(inside, "dflwrap.cli", modules())) == ["dflwrap.common.plan"]
    beside = ast.parse("from . import policy\nfrom ..common import plan\nfrom .policy import decide")
    assert sorted(set(imported(beside, "dflwrap.planning", modules()))) == [
        "dflwrap.common.plan",
        "dflwrap.planning.policy",
    ]


def test_every_part_has_its_floor() -> None:
    parts = {part(name) for name in modules()} - {"", "__main__"}
    assert parts == set().union(*FLOORS)


def test_no_import_goes_upwards() -> None:
    floor = {name: number for number, names in enumerate(FLOORS) for name in names}
    upwards = sorted(
        f"{name} -> {other}"
        for name, others in arrows().items()
        for other in others
        if part(name) in floor and part(other) in floor and floor[part(other)] < floor[part(name)]
    )
    assert upwards == []


@pytest.mark.parametrize("name", sorted(STANDS_ALONE | {"common"}))
def test_what_stands_alone_uses_only_itself_and_common(name: str) -> None:
    used = {part(other) for module, others in arrows().items() if part(module) == name for other in others}
    assert used <= {name, "common", ""}


def test_no_circle_of_modules() -> None:
    assert circle({name: set(others) for name, others in arrows().items()}) == []


def test_no_circle_of_parts_and_of_rooms() -> None:
    for name_of in (part, room):
        edges: dict[str, set[str]] = {}
        for name, others in arrows().items():
            edges.setdefault(name_of(name), set()).update(map(name_of, others))
        for name, others in edges.items():
            others.discard(name)
        assert circle(edges) == [], name_of.__name__


@pytest.mark.parametrize("edges", [{"a": {"b"}, "b": {"c"}, "c": {"b"}}, {"a": {"a"}}])
def test_a_circle_is_found(edges: dict[str, set[str]]) -> None:
    assert circle(edges)


def test_no_folder_holds_too_many_modules() -> None:
    counts: dict[str, int] = {}
    for path in modules().values():
        if path.name != "__init__.py":
            folder = path.parent.relative_to(PACKAGE).as_posix()
            counts[folder] = counts.get(folder, 0) + 1
    grown = {f: n for f, n in counts.items() if n > MOST_MODULES}
    assert grown == {}, "lay it out in rooms"


def test_no_file_is_too_long() -> None:
    lines = {
        path.relative_to(PACKAGE).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in modules().values()
    }
    grown = {name: count for name, count in lines.items() if count > MOST_LINES}
    assert grown == {}, "make a module of a part of it"
