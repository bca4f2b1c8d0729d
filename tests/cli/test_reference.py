"""The generated pages are those of the program, and a shell completes what the program knows."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dflwrap.cli.reference import pages

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("name", ["options.md", "rungs.md", "settings.md"])
def test_the_generated_pages_are_current(name: str) -> None:
    current = pages()[name]
    assert (DOCS / name).read_text(encoding="utf-8") == current, "python -m dflwrap.cli.reference docs"


def test_the_pages_hold_what_only_the_program_knows() -> None:
    assert "| `--on-gpu-failure CHOICE` |" in pages()["options.md"]
    assert "`dflwrap rules test`" in pages()["options.md"]
    assert "| `thermal` | one_worker → exclude_device → cpu → user |" in pages()["rungs.md"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("words", "completed"),
    [
        (["ve"], ["verify"]),
        (["extract", "--on-gp"], ["--on-gpu-failure"]),
        (["extract", "--on-gpu-failure", ""], ["cpu", "builtin", "stop"]),
        (["diagnose", "--js"], ["--json"]),
    ],
)
def test_bash_completes(words: list[str], completed: list[str], tmp_path: Path) -> None:
    """Through the function that `--show-completion` prints, as bash itself calls it."""
    program = tmp_path / "dflwrap"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m dflwrap "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    script = (
        'eval "$(dflwrap --show-completion bash)"; COMP_WORDS=(dflwrap "$@"); COMP_CWORD=$#; '
        'complete -p dflwrap >/dev/null; _dflwrap_completion dflwrap; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    environ = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", script, "bash", *words], env=environ, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == completed
