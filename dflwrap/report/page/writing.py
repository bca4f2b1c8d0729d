"""`report.html` onto the disk: whole or not at all, and never over a file that is not ours."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import IO

from dflwrap.common.errors import DflwrapError
from dflwrap.common.retrying import retry_held_open
from dflwrap.common.text import display
from dflwrap.common.trees import is_link
from dflwrap.report.night.gathering import gather
from dflwrap.report.page.rendering import render

NAME = "report.html"
OURS = b'<meta name="generator" content="dflwrap '
"""Stands in the first 2,000 bytes of each page of ours."""


def make_page(
    database: Path, target: Path, *, alive: bool | None = None, seconds: float, pictures: bool = True
) -> None:
    """The page of the run whose ledger is `database`. Raises DflwrapError and OSError."""
    write_page(target, render(gather(database, alive=alive, seconds=seconds, pictures=pictures)))


def write_page(target: Path, page: str) -> None:
    """Replace a page of ours, or make a new one. Raises DflwrapError where another file has its name, and OSError."""
    check_ours(target)
    write_whole(target, lambda file: file.write(page.encode("utf-8", "backslashreplace")))


def check_ours(target: Path) -> None:
    """Raises DflwrapError where `target` is something that dflwrap did not make."""
    if not os.path.lexists(target):
        return
    if not is_link(target) and target.is_file():
        with target.open("rb") as file:
            if OURS in file.read(2000):
                return
    raise DflwrapError(
        f"A file that is not dflwrap's has the report's name: {display(str(target))}. "
        "Move it away, or name another with --output."
    )


def write_whole(target: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Let `write` fill a new file beside `target`, which then takes its place. Raises OSError."""
    part = target.with_name(f"{target.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
    file = part.open("xb")  # never through a link, never into a file that is there
    try:
        with file:
            write(file)
        retry_held_open(lambda: part.replace(target))
    finally:
        part.unlink(missing_ok=True)
