"""Shared by the suite: the command line as a user starts it, and what every run must keep."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psutil
from warm import WarmPopen, can_run_warm, run_warm

DOUBLE = Path(__file__).parent / "double"
"""The test double of DeepFaceLab."""


SHORT_PAUSES = """
import dflwrap.planning.policy as policy
assert policy.DRIVER_PAUSE == 30 and policy.TRANSIENT_PAUSE == 5
policy.DRIVER_PAUSE, policy.TRANSIENT_PAUSE = 1.0, 0.5
from dflwrap.cli.start import run
run()
"""
"""dflwrap as it is, but that it waits less before another attempt: a double's driver needs no time to come back."""
NO_PAGE = """
from dflwrap.report.page.background import PageMaker
assert PageMaker.last
PageMaker.last = lambda *_, **__: None
"""
"""Half a second of CPU for each run, in a test that looks at the faces, not at report.html."""


@dataclass(frozen=True)
class Finished:
    code: int
    stdout: str
    stderr: str

    @property
    def report(self) -> dict[str, Any]:
        """The JSON object of `--json`; the only thing on stdout."""
        return json.loads(self.stdout)


def environment(more: dict[str, str] | None = None) -> dict[str, str]:
    """Of a dflwrap that a test starts."""
    # Where platformdirs looks on Linux, and on Windows (there the folder comes from the system, not from a variable).
    cache = {"XDG_CACHE_HOME": _cache(), "WIN_PD_OVERRIDE_LOCAL_APPDATA": _cache()}
    settings = {"DFLWRAP_CONFIG": f"{_cache()}/none.toml"}  # not the user's own
    return {**os.environ, "DFLWRAP_DEBUG": "", **cache, **settings, **(more or {})}


def dflwrap(
    *arguments: str | Path,
    env: dict[str, str] | None = None,
    timeout: float = 900,
    fresh: bool = False,
    limits: str = "",
    page: bool = False,
) -> Finished:
    """Run `dflwrap ARGUMENTS` as a process of its own.

    fresh: it starts Python itself (see `warm`). limits: of `extract`, lines that stand in for more of its limits. page:
    an extraction makes its report.html at the end.
    """
    code, words, whole = (
        limits + ("" if page else NO_PAGE) + SHORT_PAUSES if arguments[:1] == ("extract",) else "",
        [*map(str, arguments)],
        environment(env),
    )
    if not fresh and can_run_warm(whole):
        status, out, err = run_warm(words, code, whole, timeout)
        return Finished(status, out.decode(), err.decode())
    done = subprocess.run(
        [sys.executable, *(("-c", code) if code else ("-m", "dflwrap")), *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=whole,
        timeout=timeout,
        check=False,
    )
    return Finished(done.returncode, done.stdout.decode(), done.stderr.decode())


Started = subprocess.Popen[bytes] | WarmPopen


def start_dflwrap(
    *arguments: str | Path,
    env: dict[str, str] | None = None,
    stdout: int | IO[bytes],
    stderr: int | IO[bytes],
    start_new_session: bool = False,
    program: str | None = None,
    page: bool = False,
) -> Started:
    """Start `dflwrap ARGUMENTS`, in bytes, for a test that does something while it works.

    program: what Python runs in place of `-m dflwrap`. page: an extraction makes its report.html at the end.
    """
    code = program or "from dflwrap.cli.start import run\nrun()\n"
    code = code if page or "extract" not in arguments else NO_PAGE + code
    words, whole = [*map(str, arguments)], environment(env)
    if can_run_warm(whole):
        return WarmPopen(
            words, code, whole, stdout=stdout, stderr=stderr, start_new_session=start_new_session
        )
    return subprocess.Popen(
        [sys.executable, "-c", code, *words],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        env=whole,
        start_new_session=start_new_session,
    )


LOOK_EVERY = 0.05


def until(happened: Callable[[], object], seconds: float) -> bool:
    """True as soon as it has happened. The time is counted in looks: a machine that stands still loses none."""
    for _ in range(int(seconds / LOOK_EVERY)):
        if happened():
            return True
        time.sleep(LOOK_EVERY)
    return bool(happened())


def all_gone(family: Sequence[psutil.Process], seconds: float) -> bool:
    return until(lambda: not psutil.wait_procs(family, timeout=0)[1], seconds)


class Stalls(threading.Thread):
    """Measures the seconds in which this machine stands still, which a bound on wall time must not count."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._ended = threading.Event()
        self.seconds = 0.0

    def run(self) -> None:
        last = time.monotonic()
        while not self._ended.wait(LOOK_EVERY):
            now = time.monotonic()
            if now - last > 5 * LOOK_EVERY:
                self.seconds += now - last
            last = now

    def end(self) -> float:
        self._ended.set()
        self.join()
        return self.seconds


def small_frames(folder: Path, count: int, size: tuple[int, int] = (200, 160)) -> Path:
    """`folder` (new) with frames 00001.png onwards, each of another grey, `size` = width x height in pixels."""
    import cv2
    import numpy as np

    folder.mkdir()
    for number in range(1, count + 1):
        assert cv2.imwrite(
            str(folder / f"{number:05d}.png"), np.full((*size[::-1], 3), number * 20 % 256, np.uint8)
        )
    return folder


@functools.cache
def _cache() -> str:
    """What is remembered between runs must not pass from the user's machine into the tests, or back."""
    return tempfile.mkdtemp(prefix="dflwrap-test-cache-")


def contents(folder: Path) -> dict[str, bytes | str]:
    """Everything below a folder, links unfollowed: what "unchanged to the byte" compares."""
    return {
        path.relative_to(folder).as_posix(): (
            str(path.readlink()) if path.is_symlink() else "folder" if path.is_dir() else path.read_bytes()
        )
        for path in sorted(folder.rglob("*"))
    }


def assert_conserved(report: dict[str, Any]) -> None:
    """Promise 1: frames in = the sum of the outcomes."""
    frames = report["frames"]
    outcomes = ("extracted", "no_face", "quarantined", "not_attempted")
    assert frames["total"] == sum(frames[name] for name in outcomes), frames
    assert len(report["quarantined"]) == frames["quarantined"]
    assert len(report["not_attempted"]) == frames["not_attempted"]
    assert len(report["no_face"]) == frames["no_face"]
    for row in report["quarantined"]:
        assert row["cause"] and row["evidence"], row


def readme_block(title: str, number: int) -> list[str]:
    """The lines of a code block of README.md, as a newcomer types them: block `number` of the section `title`."""
    text = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    section = text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    return section.split("```")[2 * number + 1].strip().splitlines()


@functools.cache
def find_python(version: str) -> str | None:
    """A Python that starts: DFLWRAP_TEST_PYTHON36 (that one), one of pyenv's, or python3.X on PATH."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    installed = (str(path) for path in sorted(pyenv.glob(f"{version}.*/bin/python")))
    named = os.environ.get(f"DFLWRAP_TEST_PYTHON{version.replace('.', '')}")
    for name in (
        named,
        *installed,
        f"python{version}",
    ):  # what pyenv has on PATH is a script that looks for it
        path = shutil.which(name) if name else None
        if path is None:
            continue
        asked = subprocess.run(
            [path, "-c", "import sys; print(sys.executable)"], capture_output=True, text=True
        )
        if asked.returncode == 0:
            return asked.stdout.strip()
    return None


PYTHON36 = find_python("3.6")
"""DeepFaceLab's."""
