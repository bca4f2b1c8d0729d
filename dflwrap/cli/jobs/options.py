"""Options of `extract` that say which inputs it takes, and how."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dflwrap.common.choices import LayoutChoice

_PANEL = "Several folders"

Layout = Annotated[
    LayoutChoice,
    typer.Option(
        help="flat: the folder itself. per-person: each sub-folder into a faceset of its own in OUT. join: all "
        "into one faceset. auto: flat, or per-person where the folder itself holds no picture.",
        metavar="CHOICE",
        rich_help_panel=_PANEL,
    ),
]
Job = Annotated[
    list[str] | None,
    typer.Option(
        "--job",
        help="Extract INPUT into OUTPUT; may be given several times.",
        metavar="INPUT:OUTPUT",
        rich_help_panel=_PANEL,
    ),
]
JobList = Annotated[
    Path | None,
    typer.Option(
        "--job-list",
        help="The same from a file, one INPUT:OUTPUT (or with a tab between them) a line.",
        metavar="FILE",
        rich_help_panel=_PANEL,
    ),
]
