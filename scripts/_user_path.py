"""The user's PATH, changed only when asked and changed back by name. Standard library only."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path

REGISTRY = "registry"
BEGIN, END = "# dflwrap: begin", "# dflwrap: end"


def is_on_path(folder: Path) -> bool:
    return str(folder) in os.environ.get("PATH", "").split(os.pathsep)


def add_to_path(folder: Path) -> list[str]:
    """Put `folder` on the user's PATH for new terminals; the places that were changed."""
    if sys.platform == "win32":
        return [REGISTRY] if _set_registry(lambda entries: _with(entries, str(folder))) else []
    files = [Path.home() / ".profile"]
    if os.environ.get("SHELL", "").endswith("zsh") or sys.platform == "darwin":
        files.append(Path.home() / ".zprofile")
    if (Path.home() / ".bash_profile").exists():  # bash then reads no .profile
        files.append(Path.home() / ".bash_profile")
    quoted = "'" + str(folder).replace("'", "'\\''") + "'"
    for file in files:
        before = _without_ours(_read(file) if file.exists() else "")
        before += "" if not before or before.endswith("\n") else "\n"
        _write(file, f"{before}{BEGIN}\nPATH={quoted}:$PATH\nexport PATH\n{END}\n")
    return [str(file) for file in files]


def take_from_path(folder: Path, places: list[str]) -> None:
    """Undo `add_to_path`. A start-up file that holds nothing else is one that it has made."""
    for place in places:
        if place == REGISTRY:
            if sys.platform == "win32":
                _set_registry(lambda entries: [entry for entry in entries if entry != str(folder)])
            continue
        file = Path(place)
        with suppress(OSError):
            text = _read(file)
            rest = _without_ours(text)
            if rest == text:
                continue
            if rest:
                _write(file, rest)
            else:
                file.unlink()


def _read(file: Path) -> str:
    """Whatever its encoding, and with its own line ends."""
    return os.fsdecode(file.read_bytes())


def _write(file: Path, text: str) -> None:
    """All of it or nothing, through a link, with the file's own rights."""
    target = file.resolve()
    part = target.with_name(f"{target.name}.dflwrap-part")
    part.write_bytes(os.fsencode(text))
    if target.exists():
        shutil.copymode(target, part)
    part.replace(target)


def _with(entries: list[str], new: str) -> list[str]:
    return entries if new in entries else [*entries, new]


def _without_ours(text: str) -> str:
    before, found, rest = text.partition(BEGIN + "\n")
    _, closed, after = rest.partition(END + "\n")
    return before + after if found and closed else text


if sys.platform == "win32":
    import ctypes
    import winreg
    from collections.abc import Callable

    def _set_registry(change: Callable[[list[str]], list[str]]) -> bool:
        """Change HKEY_CURRENT_USER's Path; True where it is another one afterwards."""
        with winreg.OpenKey(
            winreg.HKEY_CURRENT_USER, "Environment", 0, winreg.KEY_READ | winreg.KEY_WRITE
        ) as key:
            try:
                value, kind = winreg.QueryValueEx(key, "Path")
            except FileNotFoundError:
                value, kind = "", winreg.REG_EXPAND_SZ
            entries = [entry for entry in str(value).split(";") if entry]
            changed = change(entries)
            if changed == entries:
                return False
            winreg.SetValueEx(key, "Path", 0, kind, ";".join(changed))
        # Explorer hands the new PATH to the terminals that it starts from now on.
        ctypes.windll.user32.SendMessageTimeoutW(0xFFFF, 0x1A, 0, "Environment", 2, 5000, None)
        return True
