"""Variables out of a launcher's `env.sh`, read as text: it is never executed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

MAX_BYTES = 256 * 1024
"""A launcher script is a page of text; more is not read."""

_SHELL = re.compile(r"^\s*(?:export\s+)?([A-Za-z_]\w*)=(.*)$")
_SHELL_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))")
_CONDA = re.compile(r"^\s*(?:conda|source)\s+activate\s+(\S+)", re.MULTILINE)


def read_env_sh(path: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """`NAME=value` and `export NAME=value` lines, variables expanded, quotes taken off.

    A value with a command substitution, a default (`${X:-y}`) or a glob is left out: it would need a
    shell. CONDA_ENV holds the name after `conda activate`. An unreadable file gives no variables.
    """
    text = _text(path)
    values: dict[str, str] = {}
    for line in text.splitlines():
        found = _SHELL.match(line)
        if not found:
            continue
        value = _shell_value(found[2].strip(), {**environ, **values})
        if value is not None:
            values[found[1]] = value
    conda = _CONDA.search(text)
    if conda:
        values.setdefault("CONDA_ENV", conda[1].strip("\"'"))
    return values


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES).decode("utf-8-sig", "replace")
    except OSError:
        return ""


def _shell_value(raw: str, known: Mapping[str, str]) -> str | None:
    if raw[:1] == "'":
        end = raw.find("'", 1)
        return raw[1:end] if end > 0 else None
    if raw[:1] == '"':
        end = raw.find('"', 1)
        if end < 0:
            return None
        raw = raw[1:end]
    else:
        raw = raw.split(" #", 1)[0].split(";", 1)[0].strip()
        if raw.startswith("~/") and "HOME" in known:
            raw = known["HOME"] + raw[1:]
    expanded = _SHELL_VARIABLE.sub(lambda m: known.get(m[1] or m[2], ""), raw)
    return None if any(mark in expanded for mark in ("$", "`", "*")) else expanded
