"""What `test.py` does."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from _environment import DEVELOPMENT, ROOT, Environment

OTHER_SYSTEM = ("mypy", "-p", "dflwrap", "--platform")
LINTERS = (
    ("ruff check", ["ruff", "check", "."]),
    ("ruff format", ["ruff", "format", "--check", "."]),
    ("mypy", ["mypy"]),
    # Code for the other systems runs nowhere else in this suite.
    # A cache each: one that was made for another system is made anew.
    ("mypy for Windows", [*OTHER_SYSTEM, "win32", "--cache-dir", ".mypy_cache/win32"]),
    ("mypy for macOS", [*OTHER_SYSTEM, "darwin", "--cache-dir", ".mypy_cache/darwin"]),
)
# Rewriting the tests takes as long as compiling does, and each worker would do it for itself: done once, and kept.
REWRITE = ["pytest", "--collect-only", "--quiet"]
# Much of the suite waits for processes: more of it at once than there are cores.
PYTEST = ["pytest", "-n", "6", "--dist", "worksteal"]


def main() -> int:
    python = str(Environment(DEVELOPMENT).python_with("builtin", "builtin-tf", "samples", "video", "dev"))

    # The suite starts Python a few thousand times: what each would compile, one keeps.
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

    def run(command: list[str]) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [python, "-m", *command],
            cwd=ROOT,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )

    failed = []
    with ThreadPoolExecutor(1) as beside:  # while tests wait
        linting = [(name, beside.submit(run, command)) for name, command in LINTERS]
        print("== pytest, with the linters beside it", flush=True)
        run([*REWRITE, *sys.argv[1:]])
        tests = [python, "-m", *PYTEST, *sys.argv[1:]]
        if subprocess.run(tests, cwd=ROOT, env=environ, check=False).returncode != 0:
            failed.append("pytest")
        for name, done in linting:
            print(f"== {name}", flush=True)
            sys.stdout.buffer.write(done.result().stdout)
            sys.stdout.flush()
            if done.result().returncode != 0:
                failed.append(name)
    if failed:
        print(f"FAILED: {', '.join(failed)}", file=sys.stderr)
        return 1
    return 0
