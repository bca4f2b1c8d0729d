"""What a person reads first, at 80 and 40 columns, as in snapshots/ (DFLWRAP_WRITE_SNAPSHOTS=1 writes them)."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
import typer
from snapshots import held_against
from support import dflwrap

from dflwrap.cli.main import app

PAGES = {"dflwrap": [], "extract": ["extract"], "diagnose": ["diagnose"], "rules": ["rules"]}


@pytest.mark.parametrize("columns", [80, 40])
@pytest.mark.parametrize("name", PAGES)
def test_help_as_it_was_looked_at(name: str, columns: int) -> None:
    done = dflwrap(*PAGES[name], "--help", env={"COLUMNS": str(columns)})
    assert done.code == 0 and done.stderr == ""
    held_against(f"help-{name}-{columns}", done.stdout)
    assert max(map(len, done.stdout.splitlines())) < columns


def every_command() -> dict[str, list[str]]:
    """The words of each command, and all its long options."""
    found: dict[str, list[str]] = {}

    def walk(command: object, words: tuple[str, ...]) -> None:
        subs = getattr(command, "commands", None)
        if subs is not None:
            for name, sub in subs.items():
                if not sub.hidden:
                    walk(sub, (*words, name))
        else:
            options = [o for p in command.params for o in (*p.opts, *p.secondary_opts) if o.startswith("--")]  # type: ignore[attr-defined]
            found[" ".join(words)] = options

    walk(typer.main.get_command(app), ())
    return found


@pytest.mark.parametrize("columns", [80, 40])
@pytest.mark.parametrize("words", every_command())
def test_every_option_of_every_command_is_named_whole(
    words: str, columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from dflwrap.cli import help_page

    monkeypatch.setenv("COLUMNS", str(columns))
    text = help_page.answer(app, [*words.split(), "--help"])
    assert text is not None
    named = set(re.findall(r"^  .*?(--[\w-]+)(?: / (--[\w-]+))?", text, re.M))
    assert {option for pair in named for option in pair if option} >= set(every_command()[words])
    assert "<bool>" not in text and "…" not in text
    assert max(map(len, text.splitlines())) < columns


def test_help_is_found_wherever_it_stands() -> None:
    plain = dflwrap("extract", "--help").stdout
    assert dflwrap("extract", "--input-dir", "x", "-h").stdout == plain
    assert dflwrap("--help", "extract").stdout == plain
    assert dflwrap("extract", "--", "--help").code == 2, "a folder of that name"


@pytest.mark.parametrize("words", [[], ["rules"]])
def test_a_group_of_commands_alone_shows_its_page_and_is_bad_usage(words: list[str]) -> None:
    done = dflwrap(*words)
    assert done.code == 2 and "Commands:" in done.stdout


def test_help_loads_neither_the_validator_nor_the_terminals_library() -> None:
    """They cost more than all else: `--help` has to answer within ten times the start of Python."""
    code = (
        "import sys; sys.argv = ['dflwrap', 'extract', '--help']; from dflwrap.cli.start import run\n"
        "try: run()\n"
        "except SystemExit: pass\n"
        "print(sorted({'pydantic', 'rich', 'markdown_it'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
