"""What `test.py` does."""

from __future__ import annotations

import subprocess
import sys

from _environment import DEVELOPMENT, ROOT, Environment


def main() -> int:
    python = str(Environment(DEVELOPMENT).python_with("builtin", "builtin-tf", "samples", "video", "dev"))
    failed = []
    for name, command in (
        ("ruff check", ["ruff", "check", "."]),
        ("ruff format", ["ruff", "format", "--check", "."]),
        ("mypy", ["mypy"]),
        # Code for the other systems runs nowhere else in this suite.
        ("mypy for Windows", ["mypy", "--platform", "win32"]),
        ("mypy for macOS", ["mypy", "--platform", "darwin"]),
        # Much of the suite waits for processes: more of it at once than there are cores.
        ("pytest", ["pytest", "-n", "5", "--dist", "worksteal", *sys.argv[1:]]),
    ):
        print(f"== {name}", flush=True)
        if subprocess.run([python, "-m", *command], cwd=ROOT, check=False).returncode != 0:
            failed.append(name)
    if failed:
        print(f"FAILED: {', '.join(failed)}", file=sys.stderr)
        return 1
    return 0
