"""Options of commands that run while nobody watches. Each may also stand in the settings file."""

from __future__ import annotations

from typing import Annotated

import typer

PANEL = "Unattended"

KeepAwake = Annotated[
    bool,
    typer.Option(
        "--keep-awake/--no-keep-awake",
        help="Keep this computer from going to sleep by itself during the run.",
        rich_help_panel=PANEL,
        show_default=False,
    ),
]
StopAt = Annotated[
    str,
    typer.Option(
        help="Stop at this time of day; the same command resumes.", metavar="HH:MM", rich_help_panel=PANEL
    ),
]
MaxHours = Annotated[
    float,
    typer.Option(
        help="Stop after N hours; 0 = no limit.", metavar="N", rich_help_panel=PANEL, show_default=False
    ),
]
WhenDone = Annotated[
    str,
    typer.Option(
        help="What follows the end: sleep, shutdown, or a command. A key within a minute calls it off. "
        "Never after Ctrl-C.",
        metavar="WHAT",
        rich_help_panel=PANEL,
    ),
]
LowPriority = Annotated[
    bool,
    typer.Option(
        "--low-priority/--no-low-priority",
        help="Let other programs go first on the CPU.",
        rich_help_panel=PANEL,
        show_default=False,
    ),
]
Notify = Annotated[
    list[str] | None,
    typer.Option(
        help="Send word at the end, when it needs you, and of a stall: mail, Telegram, Discord, ntfy. May be given "
        "several times; it belongs into the settings (dflwrap config), for it holds a password.",
        metavar="URL",
        rich_help_panel=PANEL,
    ),
]
StallMinutes = Annotated[
    float,
    typer.Option(
        min=0,
        help="Minutes without a frame after which --notify sends word; 0 = never.",
        metavar="N",
        rich_help_panel=PANEL,
    ),
]
