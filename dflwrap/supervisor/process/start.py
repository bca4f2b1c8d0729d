"""Starting a process tree, on whatever system this is."""

from __future__ import annotations

import sys

from dflwrap.extractors.base import Launch
from dflwrap.supervisor.process.tree import ProcessTree


def start_tree(launch: Launch) -> ProcessTree:
    """Start the process. Raises CannotStartError when its program cannot be executed."""
    if sys.platform == "win32":
        from dflwrap.supervisor.process.windows import WindowsTree

        return WindowsTree(launch)
    else:
        from dflwrap.supervisor.process.posix import PosixTree

        return PosixTree(launch)
