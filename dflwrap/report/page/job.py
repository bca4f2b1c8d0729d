"""The index of several runs: how each went, and where its page is."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from dflwrap import __version__
from dflwrap.common.text import display
from dflwrap.ledger.records import Counts
from dflwrap.report.night.facts import Facts
from dflwrap.report.page.answers import headline
from dflwrap.report.page.rendering import asset

NAME = "dflwrap-report.html"


@dataclass(frozen=True, slots=True)
class IndexRow:
    """One run."""

    name: str
    link: str
    """Relative to the index."""
    headline: str
    tone: str
    counts: Counts
    lost: int


def index_row(facts: Facts, faceset: Path, page: Path, folder: Path) -> IndexRow:
    """folder: where the index lies."""
    words, tone = headline(facts)
    name, link = _place(faceset, page, folder)
    return IndexRow(name, link, words, tone, facts.counts, facts.without_result)


def unread_row(faceset: Path, run_folder: Path, folder: Path) -> IndexRow:
    """A run whose ledger cannot be read."""
    name, link = _place(faceset, run_folder, folder)
    return IndexRow(name, link, "Its ledger cannot be read.", "bad", Counts(0, 0, 0, 0, 0, 0, 0), 0)


def _place(faceset: Path, page: Path, folder: Path) -> tuple[str, str]:
    """Name and link of a run, relative to `folder`."""
    try:
        link = quote(os.fsencode(Path(os.path.relpath(page, folder)).as_posix()))
        return os.path.relpath(faceset, folder), link
    except ValueError:  # on another drive of Windows
        return str(faceset), page.as_uri()


def render_index(folder: Path, rows: Sequence[IndexRow]) -> str:
    """The page."""
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: display(value) if type(value) is str else value,
    )
    return environment.from_string(asset("index.html")).render(
        rows=rows,
        name=folder.name,
        version=__version__,
        css=Markup(asset("page.css")),  # noqa: S704 - a file of ours
    )
