"""The page of `--help`: plain text in named groups, with whole option names at every width.

Typer's own page cuts option names at 80 columns, shows a column of types, and takes twice the time to load.
"""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Iterator, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperArgument, TyperGroup, TyperOption

if TYPE_CHECKING:
    from typer._click import Command

WIDEST, NARROWEST = 100, 24
"""Columns."""
SIDE_BY_SIDE = 60
"""Columns from which on the help stands beside the option's name, not below it."""
NAMES = 26
"""Columns for the names; a longer name has its help on the next line."""
HELP = ("-h", "--help")
_EXIT_CODE = re.compile(r"(?:^|[;,]\s+)(\d) (?=\S)")
Row = tuple[str, str]


def answer(app: typer.Typer, arguments: Sequence[str]) -> str | None:
    """The page that a command line asks for, if it does: with --help, or as a group of commands without a command."""
    if len(arguments) > 1 and not set(arguments) & set(HELP):
        return None  # the usual call: the commands need not be built for it
    command: Any = typer.main.get_command(app)
    names = ["dflwrap"]
    wanted = False
    for word in arguments:
        if word == "--":
            break
        if word in HELP:
            wanted = True
        elif isinstance(command, TyperGroup):
            found = command.commands.get(word)
            if found is None:
                return None  # an unknown command, or an option of the whole program
            command = found
            names.append(word)
    if not wanted and not isinstance(command, TyperGroup):
        return None
    return page(command, " ".join(names), shutil.get_terminal_size().columns)


def page(command: Command, name: str, columns: int) -> str:
    """All of it, no line wider than `columns` (but for a single word that is)."""
    width = max(NARROWEST, min(columns, WIDEST) - 1)
    parameters = [p for p in command.params if not getattr(p, "hidden", False)]
    taken = [p for p in parameters if isinstance(p, TyperArgument)]
    usage = " ".join([name, "[OPTIONS]", *(_argument(p) for p in taken)])
    if isinstance(command, TyperGroup):
        usage += " COMMAND ..."
    lines = [*textwrap.wrap(f"Usage: {usage}", width, subsequent_indent=" " * 7), ""]
    said, exits, codes = (command.help or "").strip().partition("Exit codes:")
    for paragraph in re.split(r"\n\s*\n", said.strip()):
        lines += [*textwrap.wrap(" ".join(paragraph.split()), width), ""]
    groups: dict[str, list[Row]] = {}
    if isinstance(command, TyperGroup):
        groups["Commands"] = [(key, summary(sub)) for key, sub in command.commands.items() if not sub.hidden]
    for parameter in parameters:
        title, row = described(parameter)
        groups.setdefault(title, []).append(row)
    if not any("--help" in row[0] for rows in groups.values() for row in rows):
        last = next((t for t in ("Output", "Options") if t in groups), "Options")
        groups.setdefault(last, []).append(("-h, --help", "Show this page."))
    for title, rows in groups.items():
        lines += [f"{title}:", *_rows(rows, width), ""]
    lines += _epilog(command.epilog or (exits and f"{exits}\n\n{codes}"), width)
    return "\n".join(lines).rstrip() + "\n"


def described(parameter: Any) -> tuple[str, Row]:
    """The group of an option or argument, and its row."""
    panel = getattr(parameter, "rich_help_panel", None)
    if isinstance(parameter, TyperArgument):
        name, usual = _argument(parameter), "Arguments"
    else:
        name, usual = _option(parameter), "Options"
    return panel or usual, (name, _help(parameter))


def _argument(parameter: TyperArgument) -> str:
    name = parameter.metavar or (parameter.name or "").upper()
    if parameter.nargs == -1 and "..." not in name:
        name += "..."
    return name if parameter.required or name.startswith("[") else f"[{name}]"


def _option(option: TyperOption) -> str:
    names = ", ".join(sorted(option.opts, key=len))
    if option.secondary_opts:
        names += " / " + ", ".join(option.secondary_opts)
    return names if option.is_flag else f"{names} {option.metavar or _placeholder(option)}"


def _placeholder(option: TyperOption) -> str:
    descriptor = option.type_descriptor
    if descriptor.choices:
        return max(option.opts, key=len).rpartition("-")[2].upper()
    if descriptor.is_path:
        return "PATH"
    return {"int": "N", "float": "X"}.get(
        re.sub(r".*\b(int|float)\b.*", r"\1", str(descriptor.annotation)), "TEXT"
    )


def _help(parameter: Any) -> str:
    parts = [parameter.help or ""]
    descriptor = parameter.type_descriptor
    if descriptor.choices and parameter.show_choices:
        parts.append(f"({', '.join(map(_shown, descriptor.choices))})")
    default = parameter.default
    if isinstance(parameter.show_default, str):
        parts.append(f"[{parameter.show_default}]")
    elif parameter.show_default and default not in (None, False, "", ()) and not callable(default):
        parts.append(f"[{_shown(default)}]")
    return " ".join(filter(None, parts))


def _shown(value: object) -> str:
    if isinstance(value, Enum):
        return str(value.value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def summary(command: Command) -> str:
    """The first paragraph of what it does."""
    text = command.short_help or command.help or ""
    return " ".join(re.split(r"\n\s*\n", text.strip())[0].split())


def _rows(rows: Sequence[Row], width: int) -> Iterator[str]:
    beside = width >= SIDE_BY_SIDE - 1
    longest = max(len(name) for name, _ in rows)
    beside = beside or longest <= 2  # exit codes
    column = min(longest, NAMES) + 4 if beside else 6
    for name, text in rows:
        wrapped = textwrap.wrap(text, width - column, break_on_hyphens=False) or [""]
        if beside and len(name) <= column - 4:
            yield f"  {name:<{column - 2}}{wrapped[0]}".rstrip()
            wrapped = wrapped[1:]
        else:
            yield f"  {name}"
        yield from (f"{'':{column}}{line}" for line in wrapped if line)


def _epilog(text: str, width: int) -> Iterator[str]:
    """Headings stand alone and end with a colon; what is indented stays as it is; exit codes get a line each."""
    for paragraph in re.split(r"\n\s*\n", text.strip("\n")):
        lines = paragraph.splitlines()
        joined = " ".join(paragraph.split())
        codes = _EXIT_CODE.split(joined.rstrip("."))[1:]
        if len(lines) == 1 and joined.endswith(":") and not paragraph.startswith(" "):
            yield joined
            continue
        if codes:
            yield from _rows(list(zip(codes[::2], codes[1::2], strict=True)), width)
        elif paragraph.startswith(" "):
            for line in lines:
                lead = " " * (len(line) - len(line.lstrip()))
                yield from textwrap.wrap(
                    line.strip(),
                    width,
                    initial_indent=lead,
                    subsequent_indent=lead + "    ",
                    break_on_hyphens=False,
                    break_long_words=False,
                )
        else:
            yield from textwrap.wrap(joined, width)
        yield ""
