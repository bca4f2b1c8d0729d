"""The pages of options, rungs and settings, made from the program: `python -m dflwrap.cli.reference docs`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from dflwrap.cli.help_page import described, summary
from dflwrap.cli.words.wording import RUNG_WORDS
from dflwrap.common.rungs import Rung
from dflwrap.planning.ladder import BY_CATEGORY, BY_CAUSE, ladder_for

_OPTIONS = """# Every option

Made from the program by `python -m dflwrap.cli.reference docs`; do not edit. `dflwrap COMMAND --help` says the same.
[exit-codes.md](exit-codes.md) has the exit codes.
"""
_SETTINGS = """# Every setting

Made from the program by `python -m dflwrap.cli.reference docs`; do not edit. `dflwrap config set KEY VALUE` writes one
into the settings file ([unattended.md](unattended.md#settings)); the option of the same name counts more. Without
either, the value in brackets holds.

| key | meaning |
|---|---|
"""
_RUNGS = """# Every rung

Made from the program by `python -m dflwrap.cli.reference docs`; do not edit. A rung is one answer to a failure. For
each kind of cause `dflwrap extract` takes the rungs of its row in this order, each once, and stops when none is left.
[planning.md](planning.md) says when it comes back to a wider plan, [rules.md](rules.md) what the causes are.

## What each does

| rung | dflwrap ... |
|---|---|
"""


def pages() -> dict[str, str]:
    """The generated pages by file name."""
    return {"options.md": options(), "rungs.md": rungs(), "settings.md": settings()}


def options() -> str:
    """Every command with its arguments and options."""
    from dflwrap.cli.main import app

    return "\n".join([_OPTIONS, *_command(typer.main.get_command(app), "dflwrap")]).rstrip() + "\n"


def _command(command: Any, name: str) -> Iterator[str]:
    yield f"## `{name}`\n"
    yield f"{summary(command)}\n"
    groups: dict[str, list[tuple[str, str]]] = {}
    for parameter in command.params:
        if not getattr(parameter, "hidden", False):
            title, row = described(parameter)
            groups.setdefault(title, []).append(row)
    for title, rows in groups.items():
        yield from (f"| {title} | |", "|---|---|")
        yield from (f"| `{_cell(option)}` | {_cell(text)} |" for option, text in rows)
        yield ""
    if isinstance(command, TyperGroup):
        for inner, sub in command.commands.items():
            if not sub.hidden:
                yield from _command(sub, f"{name} {inner}")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def settings() -> str:
    """Every key of the settings file."""
    from dflwrap.cli.commands.config import extract_command
    from dflwrap.cli.settings import Options

    known = Options(extract_command())
    return _SETTINGS + "".join(f"| `{key}` | {_cell(described(known[key])[1][1])} |\n" for key in known)


def rungs() -> str:
    """What each rung does, and the row of rungs of each category and each cause that has its own."""
    lines = [f"| `{rung.value}` | {RUNG_WORDS.get(rung.value, rung.value)} |" for rung in Rung]
    lines += ["", "## By category of cause", "", "| category | rungs |", "|---|---|"]
    lines += [f"| {category} | {_row(ladder)} |" for category, ladder in sorted(BY_CATEGORY.items())]
    lines += ["", "## Causes with a row of their own", "", "| cause | rungs |", "|---|---|"]
    lines += [f"| `{cause}` | {_row(ladder_for(cause, '', ()))} |" for cause in sorted(BY_CAUSE)]
    return _RUNGS + "\n".join(lines) + "\n"


def _row(ladder: tuple[Rung, ...]) -> str:
    return " → ".join(rung.value for rung in ladder)


def main() -> None:
    """Write the pages into a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
