"""Options of `extract` that only a fork knows: the install is asked, and what it knows is handed on."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand

from dflwrap.common.errors import DflwrapError
from dflwrap.common.text import display

_KEY = "dflwrap.fork_options"
_FOLDERS = ("-dir", "-path", "-folder", "-file")
"""How options end whose value is a path: the install starts in its own folder."""
_USUAL_DETECTORS = ("s3fd", "manual")


@dataclass(frozen=True, slots=True)
class _Option:
    takes_value: bool
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Known:
    """What an install says of itself."""

    who: str
    """"" = there is none."""
    options: Mapping[str, Any]


class ExtractCommand(TyperCommand):
    """Takes the options out of the command line that dflwrap does not have itself."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        own = {
            name: not getattr(param, "is_flag", False)
            for param in self.params
            for name in (*param.opts, *param.secondary_opts)
            if name.startswith("-")
        }
        own |= dict.fromkeys(self.get_help_option_names(ctx), False)
        kept, foreign = split(args, own, lambda: _ask(args))
        ctx.meta[_KEY] = foreign
        return super().parse_args(ctx, kept)


def split(
    args: Sequence[str], own: Mapping[str, bool], ask: Callable[[], _Known]
) -> tuple[list[str], list[str]]:
    """The command line without the options of the install, and these as `--name=value`.

    own: dflwrap's options, and whether they take a value. ask: called where there is an option of somebody else's.
    Raises DflwrapError for one that nobody knows, or a value that it does not take.
    """
    kept: list[str] = []
    foreign: dict[str, str] = {}
    rest = list(args)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        if word == "--":
            kept += [word, *rest]
            break
        if name in own or not name.startswith("--"):
            kept.append(word)
            if own.get(name) and not equals and rest:
                kept.append(rest.pop(0))
            continue
        known = ask()
        option = known.options.get(name)
        if option is None:
            raise DflwrapError(_nobody_knows(name, own, known))
        if not option.takes_value:
            if equals:
                raise DflwrapError(f"{name} takes no value.")
            foreign[name] = name
            continue
        if not equals:
            if not rest:
                raise DflwrapError(f"{name} needs a value.")
            value = rest.pop(0)
        foreign[name] = f"{name}={_checked(name, value, option.choices, known.who)}"
    return kept, [foreign[name] for name in sorted(foreign)]


def _checked(name: str, value: str, choices: Sequence[str], who: str) -> str:
    if choices and value not in choices:
        raise DflwrapError(f"{name} {display(value)[:60]!r}: {who} knows {', '.join(map(display, choices))}.")
    return str(Path(value).absolute()) if name.endswith(_FOLDERS) and value else value


def _nobody_knows(name: str, own: Mapping[str, bool], known: _Known) -> str:
    shown = display(name)[:60]
    near = difflib.get_close_matches(name, [*own, *known.options], n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    if known.who:
        return f"No such option: {shown}. Neither dflwrap nor {known.who} knows it.{hint}"
    return f"No such option: {shown}.{hint} An option of a fork needs that fork: name it with --dfl-root."


def _ask(args: Sequence[str]) -> _Known:
    """The install of this command line. Raises DflwrapError where it does not answer."""
    from dflwrap.extractors.deepfacelab.known_options import OF_FORKS

    root, python = _value(args, "--dfl-root"), _value(args, "--dfl-python")
    return ask(
        Path(root) if root else None, Path(python) if python else None, dict.fromkeys(OF_FORKS, _Option(True))
    )


def ask(dfl_root: Path | None, dfl_python: Path | None, without: Mapping[str, Any]) -> _Known:
    """What the install near here, or the named one, knows; `without` where there is none. Raises DflwrapError."""
    from dflwrap.extractors.deepfacelab import find_install
    from dflwrap.extractors.deepfacelab.known_options import OURS
    from dflwrap.supervisor.process.install_options import ask_install

    try:
        here: Path | None = Path.cwd()
    except OSError:
        here = None
    install = find_install(dfl_root, dfl_python, os.environ, here)
    if install is None:
        return _Known("", without)
    options = ask_install(install, os.environ)
    who = f"{install.facts.get('fork', 'DeepFaceLab')} at {display(str(install.main.parent))}"
    return _Known(who, {name: option for name, option in options.items() if name not in OURS})


def _value(args: Sequence[str], name: str) -> str | None:
    """Of an option, before the command line is read as a whole; the last one counts."""
    found = None
    for index, word in enumerate(args):
        if word == name and index + 1 < len(args):
            found = args[index + 1]
        elif word.startswith(f"{name}="):
            found = word.partition("=")[2]
    return found


def install_options(
    context: typer.Context, detector: str, kind: str, dfl_root: Path | None, dfl_python: Path | None
) -> tuple[str, tuple[str, ...]]:
    """The detector, and the options to hand on. Those that the built-in extractor has not are ignored, which is said.

    Raises DflwrapError for a detector that the install does not know.
    """
    more: tuple[str, ...] = tuple(context.meta.get(_KEY, ()))
    if detector in _USUAL_DETECTORS and not more:
        return detector, ()
    known = ask(dfl_root, dfl_python, {})
    if detector not in _USUAL_DETECTORS:
        option = known.options.get("--detector")
        if not known.who or option is None:
            raise DflwrapError(
                f"--detector {display(detector)[:60]!r} is not known here: dflwrap runs s3fd, and those that a fork "
                "has besides where it is named with --dfl-root."
            )
        _checked("--detector", detector, option.choices, known.who)
    if kind != "builtin" and known.who:
        return detector, more
    ignored = [argument.partition("=")[0] for argument in more]
    ignored += [f"--detector {detector}"] if detector not in _USUAL_DETECTORS else []
    print(
        f"dflwrap: the built-in extractor does the work, without {', '.join(map(display, ignored))}: "
        "it has no such choice.",
        file=sys.stderr,
    )
    return "s3fd" if detector not in _USUAL_DETECTORS else detector, ()
