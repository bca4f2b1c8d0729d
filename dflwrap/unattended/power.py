"""The programs by which a system is put to sleep or shut down; the first one of a list that is there is used."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

SLEEP, SHUTDOWN = "sleep", "shutdown"

_LINUX = {
    SLEEP: (("systemctl", "suspend"), ("loginctl", "suspend"), ("pm-suspend",)),
    SHUTDOWN: (("systemctl", "poweroff"), ("loginctl", "poweroff"), ("shutdown", "-h", "now")),
}
_MACOS = {
    SLEEP: (("pmset", "sleepnow"),),
    SHUTDOWN: (("osascript", "-e", 'tell application "System Events" to shut down'),),
}
_WINDOWS = {
    # Hibernates where hibernation is switched on: the page of SetSuspendState.
    SLEEP: (("rundll32.exe", "powrprof.dll,SetSuspendState", "0,1,0"),),
    SHUTDOWN: (("shutdown.exe", "/s", "/t", "0"),),
}


def power_command(
    action: str, platform: str = sys.platform, environ: Mapping[str, str] = os.environ
) -> list[str] | None:
    """The full command line for SLEEP or SHUTDOWN, or None where this system has none."""
    table = _WINDOWS if platform == "win32" else _MACOS if platform == "darwin" else _LINUX
    for program, *arguments in table[action]:
        found = on_path(program, environ)
        if found is not None:
            return [found, *arguments]
    return None


def on_path(name: str, environ: Mapping[str, str] = os.environ) -> str | None:
    """The program `name`, a plain file name, of a folder on PATH.

    Never of the current folder, which Windows would look into first: what lies among frames is not to be started.
    """
    endings = [""]
    if sys.platform == "win32" and not Path(name).suffix:
        endings = [ending.lower() for ending in environ.get("PATHEXT", ".exe;.bat;.cmd").split(";") if ending]
    for folder in environ.get("PATH", "").split(os.pathsep):
        if not folder or not Path(folder).is_absolute():
            continue
        for ending in endings:
            path = Path(folder) / f"{name}{ending}"
            if path.is_file() and os.access(path, os.X_OK):
                return str(path)
    return None
