"""Makes the project's own environment, `.venv`, or reuses it. Standard library only."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "dflwrap-installed.json"
MAKING = VENV / "dflwrap-making"


def environment_python(extras: tuple[str, ...]) -> Path:
    """The interpreter of `.venv` with the project and `extras` installed. Exits with a message on failure."""
    if sys.version_info < (3, 11):  # noqa: UP036 - the one place where an older one may arrive
        fail(f"Python 3.11 or newer is needed; this is {sys.version.split()[0]}.")
    python = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if VENV.exists() and not STAMP.exists():
        if not MAKING.exists():
            fail(f"{VENV} is there but was not made by this script. Move it away and start again.")
        shutil.rmtree(VENV)  # an earlier call was cut off half-way
    new = not VENV.exists()
    stamp = {} if new else json.loads(STAMP.read_text(encoding="utf-8"))
    digest = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    have = set(stamp.get("extras", ()))
    if stamp.get("pyproject") == digest and have.issuperset(extras) and python.exists():
        return python
    wanted = sorted(have | set(extras))
    try:
        if new:
            _make_venv()
        _install(python, wanted)
    except BaseException:
        if new:
            shutil.rmtree(VENV, ignore_errors=True)
        raise
    text = json.dumps({"pyproject": digest, "extras": wanted})
    STAMP.write_text(text, encoding="utf-8")
    MAKING.unlink(missing_ok=True)
    return python


def _make_venv() -> None:
    print(f"Making the environment {VENV} ...", flush=True)
    VENV.mkdir()
    MAKING.touch()
    try:
        venv.create(VENV, with_pip=True)
    except (subprocess.CalledProcessError, OSError, ImportError) as error:
        shutil.rmtree(VENV, ignore_errors=True)
        fail(
            f"The environment could not be made ({error}). On Debian and Ubuntu install the package "
            "python3-venv first; else reinstall Python with pip."
        )


def _install(python: Path, extras: list[str]) -> None:
    print(f"Installing dflwrap with {', '.join(extras)} (several hundred MB the first time) ...", flush=True)
    command = [
        str(python),
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "--no-input",
        "--progress-bar",
        "off",
    ]
    lines: list[str] = []
    with subprocess.Popen(
        [*command, "-e", f"{ROOT}[{','.join(extras)}]"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as pip:
        assert pip.stdout is not None
        for line in filter(str.strip, pip.stdout):
            lines.append(line.rstrip())
            if line.startswith(("Collecting ", "Installing collected")):
                print("  " + line.split(" (from")[0].strip()[:70], flush=True)
    if pip.returncode != 0:
        shutil.rmtree(VENV, ignore_errors=True)
        fail(
            "The installation failed, and the half-made environment was removed. pip says:\n"
            + "\n".join(f"  {line}" for line in _what_failed(lines))
            + "\nCheck the internet connection and the room on the disk, then start the same command again."
        )


def _what_failed(lines: list[str]) -> list[str]:
    """pip's own reasons, each once; its last lines where none is recognised."""
    telling = ("ERROR: ", "WARNING: Retrying", "No space left", "OSError", "HTTPError", "ReadTimeout")
    found = [line.strip() for line in lines if any(word in line for word in telling)]
    return list(dict.fromkeys(line[:300] for line in found))[-6:] or lines[-10:]


def fail(message: str) -> None:
    """Say what is wrong and end."""
    print(message, file=sys.stderr)
    raise SystemExit(2)
