"""What a Windows build's `setenv.bat` sets, read as text: it is never executed.

The scripts of dflwrap do not `call` it, since it moves home, temp and APPDATA into the build: what dflwrap remembers
would then differ between a double-click and a terminal. DeepFaceLab's own process gets all of it, as from its own
scripts, so that it finds the kernels that it compiled before.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

MAX_BYTES = 256 * 1024
"""A script of settings is a page of text; more is not read."""
_SET = re.compile(r'^\s*@?set\s+(?:"(\w+)=(.*?)"|(\w+)=(.*?))\s*$', re.IGNORECASE)
_VARIABLE = re.compile(r"%~dp0|%(\w+)(?::~(-?\d+)(?:,(-?\d+))?)?%", re.IGNORECASE)
_INHERITED = "\0"
"""Stands for the PATH that was there before, until the new one is whole."""


def read_setenv_bat(path: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Each `SET NAME=value` outside of brackets, variables expanded; names in upper case, values with the
    separators of this system. "" = the variable is to be removed. An unreadable file gives no variables."""
    known = {name.upper(): value for name, value in environ.items()}
    known["PATH"] = _INHERITED
    found: dict[str, str] = {}
    depth = 0
    for line in _text(path).splitlines():
        depth = max(0, depth - line.lstrip().startswith(")"))
        match = _SET.match(line) if depth == 0 else None
        depth += line.rstrip().endswith("(")
        if match is None:
            continue
        name, raw = (match[1], match[2]) if match[1] else (match[3], match[4])
        value = _expanded(raw, known, f"{path.parent}\\")
        if "%" not in value:
            known[name.upper()] = found[name.upper()] = value
    return {name: _here(name, value, environ) for name, value in found.items()}


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES).decode("utf-8-sig", "replace")
    except OSError:
        return ""


def _expanded(raw: str, known: Mapping[str, str], folder: str) -> str:
    def value(match: re.Match[str]) -> str:
        if match[1] is None:
            return folder
        text = known.get(match[1].upper(), "")
        if match[2] is None:
            return text
        text = text[int(match[2]) :]
        if match[3] is None:
            return text
        return text[: int(match[3])]

    return _VARIABLE.sub(value, raw)


def _here(name: str, value: str, environ: Mapping[str, str]) -> str:
    separated = value if os.name == "nt" else value.replace("\\", "/")
    if name == "PATH":
        entries = [entry for entry in separated.split(";") if entry]
        inherited = next((environ[key] for key in environ if key.upper() == "PATH"), "")
        return os.pathsep.join(inherited if entry == _INHERITED else entry for entry in entries)
    return separated.replace(_INHERITED, "")
