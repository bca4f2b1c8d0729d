"""`--when-done`: sleep, shut down, or a command of the user's, after a run that ended by itself."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from dflwrap.common.errors import DflwrapError
from dflwrap.common.text import display
from dflwrap.common.trees import expanded
from dflwrap.common.waits import wait_until
from dflwrap.unattended.power import SHUTDOWN, SLEEP, on_path, power_command

COUNTDOWN = 60
"""Seconds in which a key keeps what follows from happening."""
WAIT_BOUND = 60.0
"""Seconds that the end of the command is waited for; one that takes longer goes on by itself."""


@dataclass(frozen=True, slots=True)
class WhenDone:
    """What follows, ready to be started."""

    command: tuple[str, ...]
    """Program and arguments, never a line for a shell."""
    words: str
    """What happens: "this computer is shut down"."""


def parse_when_done(text: str, environ: Mapping[str, str] = os.environ) -> WhenDone | None:
    """None for "". Raises DflwrapError for what cannot be started: in the evening, not in the morning."""
    if not text.strip():
        return None
    if text in (SLEEP, SHUTDOWN):
        command = power_command(text, environ=environ)
        if command is None:
            raise DflwrapError(
                f"--when-done {text}: no program that does it was found on this system. "
                "Give a command of your own in its place."
            )
        return WhenDone(
            tuple(command), "this computer goes to sleep" if text == SLEEP else "this computer is shut down"
        )
    words = split_command(text)
    program = _program(words[0], environ)
    if program is None:
        raise DflwrapError(
            f"--when-done: there is no program {display(words[0])!r}. Give sleep, shutdown, or a program with its "
            "arguments; its full path where it is not on PATH."
        )
    return WhenDone((program, *words[1:]), f"{display(Path(words[0]).name)} is started")


def split_command(text: str) -> list[str]:
    """Program and arguments: a JSON list of them, else split as a POSIX shell would, on Windows as Windows does.

    No shell is involved: no variables, no pipes, no wildcards. Raises DflwrapError.
    """
    try:
        if text.lstrip().startswith("["):
            words: list[str] = json.loads(text)
            if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
                raise ValueError("not a list of texts")
        else:
            words = _split_windows(text) if sys.platform == "win32" else shlex.split(text)
    except (ValueError, RecursionError) as error:
        raise DflwrapError(
            f"--when-done {display(text[:60])!r} cannot be split into a program and its arguments ({error}). "
            'Put what holds blanks into quotes, or give a JSON list: ["program", "argument"].'
        ) from None
    if not words or not words[0] or any("\0" in word for word in words):
        raise DflwrapError('--when-done names no program. Give sleep, shutdown, or "program arguments".')
    return words


def _split_windows(text: str) -> list[str]:
    if sys.platform != "win32":
        return shlex.split(text)
    import ctypes
    from ctypes import wintypes

    shell32, kernel32 = ctypes.WinDLL("shell32"), ctypes.WinDLL("kernel32")
    shell32.CommandLineToArgvW.restype = ctypes.POINTER(wintypes.LPWSTR)
    shell32.CommandLineToArgvW.argtypes = (wintypes.LPCWSTR, ctypes.POINTER(ctypes.c_int))
    kernel32.LocalFree.argtypes = (ctypes.c_void_p,)
    count = ctypes.c_int()
    words = shell32.CommandLineToArgvW(text, ctypes.byref(count))
    if not words:
        raise ValueError("Windows cannot read it")
    try:
        return [str(words[number]) for number in range(count.value)]
    finally:
        kernel32.LocalFree(words)


def _program(name: str, environ: Mapping[str, str]) -> str | None:
    """Full path of a program that can be started."""
    if Path(name).name == name:
        return on_path(name, environ)
    path = expanded(Path(name)).absolute()
    return str(path) if path.is_file() and os.access(path, os.X_OK) else None


def start(
    what: WhenDone,
    facts: Mapping[str, str],
    output: IO[str],
    stopping: Callable[[], bool],
    bound: float = WAIT_BOUND,
) -> str:
    """Do it; one sentence for the user. Never raises.

    facts: put into its environment (DFLWRAP_EXIT_CODE ...). output: where what it prints goes.
    """
    try:
        child = subprocess.Popen(
            what.command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env={**os.environ, **facts}
        )
    except (OSError, ValueError) as error:
        return f"--when-done: {display(what.command[0])} cannot be started ({error})."
    if not wait_until(lambda: child.poll() is not None, bound, stopping):
        return f"--when-done: {display(Path(what.command[0]).name)} was started, and goes on by itself."
    if child.returncode:
        return f"--when-done: {display(Path(what.command[0]).name)} ended with exit code {child.returncode}."
    return f"--when-done: {display(Path(what.command[0]).name)} is done."
