"""A Python environment with dflwrap in it, made or reused: for install.py, demo.py and test.py. Standard library."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import venv
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parent.parent
DEVELOPMENT = ROOT / ".venv"
SETUPS = ("builtin", "samples")
"""Parts that `dflwrap setup PART` installs: their packages must come without their dependencies, which no extra of
pip's can say."""
SIZES = {"builtin": 70, "samples": 85, "video": 80, "dev": 120, "builtin-tf": 1900}
"""MB on the disk, measured on Linux; dflwrap and what it always needs take another 290."""
BASE_SIZE = 290
PIP_BOUND = 3600.0
"""Seconds for one `dflwrap setup`."""
_LOCKED = "a program still uses it (a terminal, an editor, a virus scanner). Close that, and start again."
_FOREIGN = ("PYTHONHOME", "PYTHONPATH", "PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_REQUIRE_VIRTUALENV")
"""Settings that lead pip, or the environment's Python, out of the environment."""


@dataclass(frozen=True)
class Environment:
    """The environment in `folder`."""

    folder: Path
    editable: bool = True
    """It runs the code of this folder; otherwise a copy, reinstalled by each call."""

    @property
    def stamp(self) -> Path:
        """Written last: the environment is finished, and ours."""
        return self.folder / "dflwrap-installed.json"

    @property
    def making(self) -> Path:
        """There while it is being made or removed: it is of no use, and ours."""
        return self.folder / "dflwrap-making"

    def program(self, name: str) -> Path:
        """A program in it: "python" or "dflwrap"."""
        return self.folder / (f"Scripts/{name}.exe" if os.name == "nt" else f"bin/{name}")

    @property
    def is_ours(self) -> bool:
        return self.making.exists() or self.stamp.exists()

    @property
    def parts(self) -> set[str]:
        """What was installed into it."""
        return set(self._read_stamp().get("parts", ()))

    def python_with(self, *parts: str) -> Path:
        """Its interpreter, with the project and `parts` installed. Exits with a message on failure."""
        python = self.program("python")
        if self.folder.exists() and not self._is_usable():
            if not self.is_ours and any(self.folder.iterdir()):
                fail(f"{self.folder} is there but was not made by this script. Move it away and start again.")
            if (
                not self.remove()
            ):  # an earlier call was cut off half-way, or the Python it was made of is gone
                fail(f"{self.folder} cannot be removed: {_LOCKED}")
        new = not self.folder.exists()
        stamp = {} if new else self._read_stamp()
        digest = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
        have = set(stamp.get("parts", ()))
        if self.editable and stamp.get("pyproject") == digest and have.issuperset(parts):
            return python
        wanted = sorted(have | set(parts))
        try:
            if new:
                self._make()
            self._install(wanted, new=new)
        except BaseException:
            if new:
                self.remove()
            raise
        self.stamp.write_text(json.dumps({"pyproject": digest, "parts": wanted}), encoding="utf-8")
        self.making.unlink(missing_ok=True)
        name_what_tensorflow_needs(wanted)
        return python

    def remove(self) -> bool:
        """Remove it; False where something in it is locked, or it is a link.

        The mark goes last: what stays is still known as ours, and the next call removes the rest.
        """
        if self.folder.is_symlink():
            return False
        if not self.folder.exists():
            return True
        self.making.touch()
        for path in self.folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            elif path != self.making:
                with suppress(OSError):
                    path.unlink()
        if any(path != self.making for path in self.folder.iterdir()):
            return False
        self.making.unlink()
        self.folder.rmdir()
        return True

    def _is_usable(self) -> bool:
        """It was finished, and the Python that it was made of is still there."""
        return self.stamp.exists() and not self.making.exists() and self.program("python").exists()

    def _read_stamp(self) -> dict[str, Any]:
        try:
            stamp = json.loads(self.stamp.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return stamp if isinstance(stamp, dict) else {}

    def _make(self) -> None:
        print(f"Making the environment {self.folder} ...", flush=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.making.touch()
        try:
            venv.create(self.folder, with_pip=True)
        except (subprocess.CalledProcessError, OSError, ImportError) as error:
            fail(
                f"The environment could not be made ({error}). On Debian and Ubuntu install the package "
                "python3-venv first; else reinstall Python with pip."
            )

    def _install(self, parts: list[str], *, new: bool) -> None:
        size = BASE_SIZE + sum(SIZES.get(part, 0) for part in parts)
        said = f"{size / 1000:.1f} GB" if size >= 1000 else f"{size} MB"
        what = " with ".join(filter(None, ("dflwrap", ", ".join(parts))))
        print(f"Installing {what} ({said} on the disk in all) ...", flush=True)
        extras = [part for part in parts if part not in SETUPS or part == "samples"]
        project = f".[{','.join(extras)}]" if extras else "."
        # Uncompiled: of TensorFlow's 12,000 files a run imports a tenth, and Python keeps what it compiles.
        how = "--editable" if self.editable else "--upgrade"
        failure = self._run_pip("--no-compile", how, project)
        for part in SETUPS:
            if part in parts and not failure:
                failure = self._run_setup(part)
        if not failure:
            return
        if not new:
            became = "the environment was kept"
        elif self.remove():
            became = "the half-made environment was removed"
        else:
            became = "the half-made environment is removed next time (a program still uses it)"
        fail(
            f"The installation failed, and {became}. pip says:\n"
            + "\n".join(f"  {line}" for line in failure)
            + "\nCheck the internet connection and the room on the disk, then run the same command again."
        )

    def _run_pip(self, *words: str) -> list[str]:
        """Install `words`; on failure pip's reasons."""
        command = [
            str(self.program("python")),
            "-m",
            "pip",
            "install",
            "--disable-pip-version-check",
            "--no-input",
        ]
        lines: list[str] = []
        with subprocess.Popen(
            [*command, "--progress-bar", "off", *words],
            cwd=ROOT,  # so that the folder's name (spaces, "&", brackets) is no part of a requirement
            env=_environ(),
            stdin=subprocess.DEVNULL,
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
        return [] if pip.returncode == 0 else _what_failed(lines)

    def _run_setup(self, part: str) -> list[str]:
        """`dflwrap setup PART`; on failure what it says."""
        print(f"  dflwrap setup {part}", flush=True)
        done = subprocess.run(
            [str(self.program("python")), "-I", "-m", "dflwrap", "setup", part],
            env=_environ(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=PIP_BOUND,
            check=False,
        )
        return [] if done.returncode == 0 else [line for line in done.stdout.splitlines() if line][-12:]


def _environ() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.upper() not in _FOREIGN}


def name_what_tensorflow_needs(parts: list[str]) -> None:
    """On Windows: its runtime library, where that is missing."""
    if os.name != "nt" or "builtin-tf" not in parts:
        return
    if not Path(os.environ.get("SYSTEMROOT", r"C:\Windows"), "System32", "msvcp140_1.dll").exists():
        print(
            "TensorFlow needs the Microsoft Visual C++ Redistributable (x64), which is not installed here: "
            "https://aka.ms/vs/17/release/vc_redist.x64.exe",
            flush=True,
        )


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


def fail(message: str) -> NoReturn:
    """Say what is wrong and end."""
    print(message, file=sys.stderr)
    raise SystemExit(2)
