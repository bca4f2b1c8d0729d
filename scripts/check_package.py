"""Before a release: builds the wheel and the sdist and tries each in an environment of its own.

    python3 scripts/check_package.py [FOLDER]

Needs `build` (extra `dev`) and the package index. In each environment dflwrap says its version, diagnoses a log, checks
a folder and shows a rule, from an empty folder, so that nothing of this one can help. FOLDER keeps the two files.
Exit codes: 0 both work, 1 one does not.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BOUND = 1800.0
"""Seconds for one step: an environment is filled from the network."""


def built(folder: Path) -> list[Path]:
    """The wheel and the sdist, made in `folder`."""
    subprocess.run(
        [sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT)], check=True, timeout=BOUND
    )
    return sorted([*folder.glob("dflwrap-*.whl"), *folder.glob("dflwrap-*.tar.gz")])


def tried(package: Path, folder: Path) -> list[str]:
    """What does not work once `package` is installed into a new environment in `folder`."""
    venv.create(folder / "env", with_pip=True)
    programs = folder / "env" / ("Scripts" if sys.platform == "win32" else "bin")
    subprocess.run(
        [str(programs / "python"), "-m", "pip", "install", "--quiet", str(package)], check=True, timeout=BOUND
    )
    empty = folder / "empty"
    empty.mkdir()
    log = folder / "extract.log"
    log.write_text("Extracting faces...\nOSError: [Errno 28] No space left on device\n", encoding="utf-8")
    calls = (
        (("--version",), 0, "dflwrap "),
        (("diagnose", "--json", str(log)), 1, '"disk-full"'),
        (("rules", "show", "disk-full"), 0, "disk-full"),
        (("check", "--json", str(empty)), 1, '"empty"'),
        (
            ("extract", "--input-dir", str(empty), "--output-dir", str(folder / "out")),
            2,
            "dflwrap setup builtin",
        ),
    )
    return [
        problem
        for arguments, code, words in calls
        if (problem := _call(programs, empty, arguments, code, words))
    ]


def _call(programs: Path, here: Path, arguments: tuple[str, ...], code: int, words: str) -> str:
    done = subprocess.run(
        [str(programs / "dflwrap"), *arguments],
        cwd=here,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode == code and words in done.stdout + done.stderr:
        return ""
    return f"dflwrap {' '.join(arguments)}: exit code {done.returncode}: {json.dumps(done.stdout + done.stderr)[-600:]}"


def main() -> int:
    """Build both, try both; the exit status."""
    broken = 0
    with tempfile.TemporaryDirectory() as scratch:
        kept = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(scratch, "dist")
        for package in built(kept):
            folder = Path(scratch, package.suffix.lstrip("."))
            folder.mkdir()
            problems = tried(package, folder)
            print(
                f"{package.name}: {'works' if not problems else 'BROKEN'}", *problems, sep="\n  ", flush=True
            )
            broken += bool(problems)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
