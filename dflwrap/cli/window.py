"""Was this script started with a double-click? `python -m dflwrap.cli.window`: exit code 0 yes, 1 no.

Then its window closes with it, and the last words would go unread; everywhere else a pause would hold up whoever waits.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

FILE_MANAGERS = frozenset(
    {
        "explorer.exe",
        "totalcmd.exe",
        "totalcmd64.exe",
        "dopus.exe",
        "doublecmd.exe",
        "xyplorer.exe",
        "files.exe",
    }
)
"""What starts a .bat for a person who clicks (Windows). Others count as programs, which do not press a key."""
_TERMINALS = ("terminal", "konsole", "xterm", "kitty", "alacritty", "tilix", "foot", "ptyxis")
_SHELLS = ("sh", "bash", "dash")


@dataclass(frozen=True, slots=True)
class Ancestor:
    """A process above this one."""

    name: str
    command: tuple[str, ...] = ()


def double_clicked(ancestors: Sequence[Ancestor]) -> bool:
    """ancestors: nearest first. The shell that runs the script was started for it alone, by what a person clicks."""
    for one, above in pairwise(ancestors):
        name = one.name.lower()
        if name == "cmd.exe":
            return any(word.lower() == "/c" for word in one.command) and above.name.lower() in FILE_MANAGERS
        if name in _SHELLS:
            return any(word in above.name.lower() for word in _TERMINALS) and len(one.command) > 1
    return False


def _ancestors() -> list[Ancestor]:
    import psutil

    found = []
    for process in psutil.Process().parents():
        try:
            found.append(Ancestor(process.name(), tuple(process.cmdline())))
        except (psutil.Error, OSError):
            found.append(Ancestor("unknown"))
    return found


def main() -> int:
    """0: the window closes when this script ends, so let it wait for a key; 1: it stays by itself."""
    try:
        at_keyboard = sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()
    except ValueError:  # closed
        at_keyboard = False
    return 0 if at_keyboard and double_clicked(_ancestors()) else 1


if __name__ == "__main__":
    sys.exit(main())
