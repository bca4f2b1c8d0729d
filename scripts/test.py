"""The whole suite, ruff and mypy: `python3 scripts/test.py [arguments for pytest]`."""

from __future__ import annotations

import subprocess
import sys

from _environment import ROOT, environment_python


def main() -> int:
    python = str(environment_python(("builtin", "builtin-tf", "samples", "dev")))
    failed = []
    for name, command in (
        ("ruff check", ["ruff", "check", "."]),
        ("ruff format", ["ruff", "format", "--check", "."]),
        ("mypy", ["mypy"]),
        # Code for the other systems runs nowhere else in this suite.
        ("mypy for Windows", ["mypy", "--platform", "win32"]),
        ("mypy for macOS", ["mypy", "--platform", "darwin"]),
        # Much of the suite waits for processes: more of it at once than there are cores.
        ("pytest", ["pytest", "-n", "3", "--dist", "worksteal", *sys.argv[1:]]),
    ):
        print(f"== {name}", flush=True)
        if subprocess.run([python, "-m", *command], cwd=ROOT, check=False).returncode != 0:
            failed.append(name)
    if failed:
        print(f"FAILED: {', '.join(failed)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(4)
