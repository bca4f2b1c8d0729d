"""Which options an install's extract knows: it is asked itself, and its answer remembered while its files stay."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dflwrap.common.errors import DflwrapError
from dflwrap.common.text import display
from dflwrap.extractors.base import Launch
from dflwrap.extractors.deepfacelab.command import install_environment
from dflwrap.extractors.deepfacelab.install import DflInstall
from dflwrap.extractors.deepfacelab.known_options import ANSWERS, InstallOption, names_in_source, parse_help
from dflwrap.planning.store import Remembered
from dflwrap.supervisor.process.bounded import run_bounded
from dflwrap.supervisor.process.tree import CannotStartError

TIMEOUT = 120.0
"""Seconds for `extract --help`: it imports the install's own modules, on a cold disk of an old machine."""
_MOST_SHOWN = 300


class _Store(Remembered):
    table = "install-options"

    def get(self, key: str, stamp: list[Any]) -> dict[str, InstallOption] | None:
        entry = self._read().get(key)
        if not isinstance(entry, dict) or entry.get("stamp") != stamp:
            return None
        return _options(entry.get("options"))

    def remember(self, key: str, stamp: list[Any], known: Mapping[str, InstallOption]) -> None:
        entries = self._read()
        entries.pop(key, None)
        options = {name: [option.takes_value, list(option.choices)] for name, option in known.items()}
        entries[key] = {"stamp": stamp, "options": options}
        self._keep(entries)


def _options(value: object) -> dict[str, InstallOption] | None:
    """None for anything that we have not written."""
    if not isinstance(value, dict):
        return None
    found = {}
    for name, pair in value.items():
        if not (isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], bool)):
            return None
        if not isinstance(pair[1], list) or not all(isinstance(choice, str) for choice in pair[1]):
            return None
        found[name] = InstallOption(pair[0], tuple(pair[1]))
    return found


def has_questions(install: DflInstall) -> bool:
    """Its source names an option that it would ask for: then it is worth asking what it knows."""
    return not names_in_source(install.main).isdisjoint(ANSWERS)


def ask_install(install: DflInstall, environ: Mapping[str, str]) -> dict[str, InstallOption]:
    """The options of its extract. Raises DflwrapError where it does not tell them."""
    store, key = _Store(), f"{install.main}|{install.python}"
    stamp = _stamp(install)
    known = store.get(key, stamp)
    if known is not None:
        return known
    known = _asked(install, environ)
    store.remember(key, stamp, known)
    return known


def _asked(install: DflInstall, environ: Mapping[str, str]) -> dict[str, InstallOption]:
    env = {
        **install_environment(install, environ),
        # Not in lines cut at 80 columns, nor in colours; and without looking for cards, which may hang.
        **{"COLUMNS": "1000", "NO_COLOR": "1", "TERM": "dumb"},
        **{"NN_DEVICES_INITIALIZED": "1", "NN_DEVICES_COUNT": "0", "CUDA_VISIBLE_DEVICES": "-1"},
    }
    argv = (str(install.python), "-B", str(install.main), "extract", "--help")
    try:
        ended = run_bounded(Launch(argv, env, str(install.main.parent)), TIMEOUT)
    except CannotStartError as error:
        raise _no_answer(install, str(error)) from None
    known = parse_help(ended.stdout.decode("utf-8", "replace"))
    if ended.status != 0 or "--input-dir" not in known:
        why = f"no answer within {TIMEOUT:.0f} s" if ended.status is None else f"exit status {ended.status}"
        said = ended.stderr.decode("utf-8", "replace").strip().splitlines()
        raise _no_answer(install, f"{why}; {said[-1][:_MOST_SHOWN]}" if said else why)
    return known


def _no_answer(install: DflInstall, why: str) -> DflwrapError:
    return DflwrapError(
        f"{display(str(install.main))} does not say which options it knows (extract --help: {display(why)})."
    )


def _stamp(install: DflInstall) -> list[Any]:
    """Of the files that make the answer: sizes and times."""
    folder = install.main.parent
    files = [install.main, install.python, *sorted((folder / "mainscripts").glob("*.py"))]
    return [_of(path) for path in files]


def _of(path: Path) -> list[Any]:
    try:
        info = path.stat()
    except OSError:
        return [path.name]
    return [path.name, info.st_size, info.st_mtime_ns]
