"""Do the tests find a mistake on the critical paths? Each mutation is made in a copy, and its tests are run.

    python -m benchmarks.mutations [--set first,second,third] [--only PATTERN ...] [--timeout 600]

A line per mutation: killed (a test fails, or hangs beyond the timeout), SURVIVED (all pass), or invalid (the text to
replace is not there exactly once, or the tests fail without the mutation too). Exit code 1 where any survives or is
invalid. The working tree is not touched.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks._mutants import FIRST, SECOND, THIRD, Mutation

ROOT = Path(__file__).resolve().parent.parent
COPIED = ("dflwrap", "tests", "benchmarks", "docs", "sample_logs", "scripts")
TESTS_FAILED = 1
"""Exit code of pytest; others mean that it could not run them."""


class Tree:
    """A copy of the project in which one mutation at a time is made."""

    def __init__(self, folder: Path, timeout: float) -> None:
        self._folder, self._timeout = folder, timeout
        self._sound: dict[tuple[str, ...], bool] = {}
        for name in COPIED:
            shutil.copytree(
                ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"), symlinks=True
            )
        for path in ROOT.iterdir():
            if path.is_file():
                shutil.copy(path, folder)

    def verdict(self, mutation: Mutation) -> str:
        path = self._folder / mutation.file
        whole = path.read_text(encoding="utf-8")
        if whole.count(mutation.old) != 1:
            return f"invalid: its text is there {whole.count(mutation.old)} times"
        if mutation.tests not in self._sound:
            self._sound[mutation.tests] = self._run(mutation.tests) == 0
        if not self._sound[mutation.tests]:
            return "invalid: its tests fail without it"
        path.write_text(whole.replace(mutation.old, mutation.new), encoding="utf-8")
        try:
            code = self._run(mutation.tests)
        finally:
            path.write_text(whole, encoding="utf-8")
        if code is None:
            return "killed (timeout)"
        return {0: "SURVIVED", TESTS_FAILED: "killed"}.get(code, f"invalid: pytest ends with {code}")

    def _run(self, tests: Sequence[str]) -> int | None:
        """The exit code of pytest; None where it did not end in time."""
        # Named in PYTHONPATH too: children that are started with -P would import the working tree.
        process = subprocess.Popen(
            [sys.executable, "-B", "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests],
            cwd=self._folder,
            env={**os.environ, "PYTHONPATH": str(self._folder), "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            return process.wait(self._timeout)
        except subprocess.TimeoutExpired:
            process.terminate()  # pytest's own end closes what the tests have started
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            return None


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--set", default="first,second,third", dest="sets")
    parser.add_argument("--only", nargs="+", default=[""], help="mutations whose names match such a pattern")
    parser.add_argument("--timeout", type=float, default=600.0, help="seconds for the tests of one mutation")
    options = parser.parse_args()
    sets = {"first": FIRST, "second": SECOND, "third": THIRD}
    bad = 0
    for name in options.sets.split(","):
        wanted = [one for one in sets[name] if any(re.search(text, one.name) for text in options.only)]
        killed = 0
        with tempfile.TemporaryDirectory(prefix="dflwrap-mutations-") as folder:
            tree = Tree(Path(folder), options.timeout)
            for number, mutation in enumerate(wanted, 1):
                began = time.monotonic()
                verdict = tree.verdict(mutation)
                killed += verdict.startswith("killed")
                seconds = time.monotonic() - began
                print(f"{name:6} {number:2} {mutation.name:62} {seconds:6.1f} s  {verdict}", flush=True)
        print(f"{name}: {killed} of {len(wanted)} killed\n", flush=True)
        bad += len(wanted) - killed
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
