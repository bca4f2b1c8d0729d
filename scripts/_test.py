"""What `test.py` does."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from _environment import DEVELOPMENT, ROOT, Environment

LINTERS = (
    ("ruff check", ["ruff", "check", "."]),
    ("ruff format", ["ruff", "format", "--check", "."]),
    ("mypy", ["mypy"]),
    # Code for the other systems runs nowhere else in this suite.
    # A cache each: one that was made for another system is made anew.
    ("mypy for Windows", ["mypy", "--platform", "win32", "--cache-dir", ".mypy_cache/win32"]),
    ("mypy for macOS", ["mypy", "--platform", "darwin", "--cache-dir", ".mypy_cache/darwin"]),
)
# Much of the suite waits for processes: more of it at once than there are cores.
PYTEST = ["pytest", "-n", "5", "--dist", "worksteal"]


def main() -> int:
    python = str(Environment(DEVELOPMENT).python_with("builtin", "builtin-tf", "samples", "video", "dev"))

    def lint(command: list[str]) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [python, "-m", *command],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )

    failed = []
    with ThreadPoolExecutor(1) as beside:  # while tests wait
        linting = [(name, beside.submit(lint, command)) for name, command in LINTERS]
        print("== pytest, with the linters beside it", flush=True)
        if subprocess.run([python, "-m", *PYTEST, *sys.argv[1:]], cwd=ROOT, check=False).returncode != 0:
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
