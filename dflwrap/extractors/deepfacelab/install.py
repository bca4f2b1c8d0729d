"""Where is DeepFaceLab, and which Python runs it? Nothing is executed to find out.

`DFL_ROOT` means the DeepFaceLab folder in Windows builds and the folder above it in the Linux scripts;
the macOS port has `DFL_MAIN`. So every meaning is tried, and a folder counts only when it holds main.py
and mainscripts/Extractor.py.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from dflwrap.common.errors import DflwrapError
from dflwrap.common.trees import closed, expanded, is_file, is_folder, is_there, resolved
from dflwrap.extractors.deepfacelab.facts import install_facts
from dflwrap.extractors.deepfacelab.scripts_reading import read_env_sh

Layout = Literal["windows-build", "linux-scripts", "plain"]
VARIABLES = ("DFL_SRC", "DFL_ROOT", "DFL_MAIN")
_ENGINES = {
    "tensorflow-directml": "TensorFlow-DirectML",
    "tensorflow-gpu": "TensorFlow",
    "tensorflow": "TensorFlow",
    "torch": "PyTorch",
}
LEVELS_UP = 3
"""From `DFL/workspace/data_src` the install is three folders up, at most."""


@dataclass(frozen=True, slots=True)
class DflInstall:
    """A DeepFaceLab on this machine, and the Python that runs it."""

    main: Path
    """DeepFaceLab's main.py."""
    python: Path
    """The interpreter that runs it."""
    layout: Layout
    why: str
    """How it was found, for the user."""
    facts: dict[str, str] = field(default_factory=dict)
    """What its files say: fork, commit, python, and versions of tensorflow, numpy, opencv, ..."""
    script: Path | None = None
    """The env.sh that led to it."""

    @property
    def version(self) -> str:
        commit = self.facts.get("commit")
        return self.facts.get("fork", "DeepFaceLab") + (f" {commit}" if commit else "")

    @property
    def title(self) -> str:
        """For the user: what, where, why this one, on which TensorFlow (its version as far as the second number)."""
        words = f"{self.facts.get('fork', 'DeepFaceLab')} at {self.main.parent} ({self.why})"
        for package, name in _ENGINES.items():
            if package in self.facts:
                release = ".".join(self.facts[package].split(".")[:2])
                return f"{words}, {name} {release}"
        return words


@dataclass(frozen=True, slots=True)
class _Found:
    main: Path
    layout: Layout
    script: Path | None
    """The env.sh that led there."""


class NoPythonError(DflwrapError):
    """A DeepFaceLab whose Python was not found. `folder` holds its main.py."""

    def __init__(self, found: _Found, environ: Mapping[str, str]) -> None:
        self.folder = found.main.parent
        broken = _broken_environment(found, environ)
        hint = f" (that in {broken} is gone: what it was made from was removed or moved)" if broken else ""
        super().__init__(
            f"DeepFaceLab is in {self.folder}, but the Python that runs it was not found{hint}; "
            "name it with --dfl-python."
        )


def _broken_environment(found: _Found, environ: Mapping[str, str]) -> Path | None:
    """A virtual environment beside the install that holds no Python any more, as after an upgrade of the system."""
    for base in _environments(found.main.parent, found.script, "deepfacelab", environ):
        if is_folder(base) and (is_there(base / "pyvenv.cfg") or os.path.lexists(base / "bin/python")):
            return base
    return None


def find_install(
    dfl_root: Path | None, dfl_python: Path | None, environ: Mapping[str, str], cwd: Path | None
) -> DflInstall | None:
    """The install to use, or None when none was named and none is near.

    cwd: None where the current folder has been deleted. A named folder (`dfl_root`, else the variables
    DFL_SRC, DFL_ROOT, DFL_MAIN) comes before what lies near `cwd`. Raises DflwrapError for a `dfl_root` or
    `dfl_python` that is not one, and for a named install whose Python is not found; a variable that leads
    nowhere is passed over.
    """
    if dfl_root is not None:
        root = expanded(dfl_root)
        found = next(_under(root, environ), None)
        if found is None:
            raise DflwrapError(_not_dfl("--dfl-root", root))
        return _complete(found, dfl_python, environ, "from --dfl-root")
    for name in VARIABLES:
        value = environ.get(name, "").strip().strip('"')
        if value:
            root = (cwd or Path()) / expanded(Path(value))
            found = next(_under(root, environ), None)
            if found is not None:
                return _complete(found, dfl_python, environ, f"from the variable {name}")
    return _near(cwd, dfl_python, environ)


def _not_dfl(option: str, root: Path) -> str:
    why = closed(root)
    if why:
        return f"{option}: {root} {why}"
    if not is_there(root):
        return f"{option}: {root} does not exist."
    return (
        f"{option}: no DeepFaceLab in {root}: neither it nor its folders DeepFaceLab and "
        "_internal/DeepFaceLab hold main.py with mainscripts/Extractor.py, and no env.sh leads to one."
    )


def without_python(environ: Mapping[str, str], cwd: Path | None) -> Path | None:
    """The folder of a DeepFaceLab near `cwd` that no Python was found for, where `find_install` found none."""
    for folder in _folders_near(cwd):
        if not _anyone_may_write(folder):
            for found in _under(folder, environ):
                return found.main.parent
    return None


def _near(cwd: Path | None, dfl_python: Path | None, environ: Mapping[str, str]) -> DflInstall | None:
    lacking = False
    for folder in _folders_near(cwd):
        if _anyone_may_write(folder):
            continue
        for found in _under(folder, environ):
            if dfl_python is None and _own_python(found, environ) is None:
                lacking = True
                continue
            return _complete(found, dfl_python, environ, f"found in {folder}")
    if dfl_python is not None and not lacking:
        _interpreter(dfl_python)  # a wrong path is said even though there is nothing to run with it
    return None


def _folders_near(cwd: Path | None) -> tuple[Path, ...]:
    return () if cwd is None else (cwd, *cwd.parents[:LEVELS_UP])


def _anyone_may_write(folder: Path) -> bool:
    """A folder like /tmp: what lies there is not started without being named."""
    try:
        return os.name == "posix" and bool(folder.stat().st_mode & stat.S_IWOTH)
    except OSError:
        return False


def _under(root: Path, environ: Mapping[str, str]) -> Iterator[_Found]:
    """The installs that a folder (or a path of main.py) can stand for, the likeliest first."""
    if root.name == "main.py" and _is_dfl(root.parent):
        yield _Found(root, _layout_of(root.parent, None), None)
    for script in (root / "env.sh", root / "scripts" / "env.sh", root.parent / "scripts" / "env.sh"):
        yield from _from_script(script, environ)
    for folder in (root / "_internal" / "DeepFaceLab", root, root / "DeepFaceLab"):
        if _is_dfl(folder):
            yield _Found(folder / "main.py", _layout_of(folder, None), None)


def _from_script(script: Path, environ: Mapping[str, str]) -> Iterator[_Found]:
    if not is_file(script):
        return
    values = read_env_sh(script, environ)
    for name in VARIABLES:
        if values.get(name):
            for base in (script.parent, script.parent.parent):
                for folder in (base / values[name], base / values[name] / "DeepFaceLab"):
                    if _is_dfl(folder):
                        yield _Found(folder / "main.py", "linux-scripts", script)


def _is_dfl(folder: Path) -> bool:
    return is_file(folder / "main.py") and is_file(folder / "mainscripts" / "Extractor.py")


def _layout_of(folder: Path, script: Path | None) -> Layout:
    if folder.parent.name == "_internal" or any(folder.parent.glob("python-3*/python.exe")):
        return "windows-build"
    return "linux-scripts" if script else "plain"


def _complete(found: _Found, dfl_python: Path | None, environ: Mapping[str, str], why: str) -> DflInstall:
    python = _interpreter(dfl_python) if dfl_python is not None else _own_python(found, environ)
    if python is None:
        raise NoPythonError(found, environ)
    main = found.main.absolute()
    return DflInstall(main, python, found.layout, why, install_facts(main, python), found.script)


def _interpreter(named: Path) -> Path:
    """The interpreter a user named: a file, a virtual environment's folder, or a command's name."""
    path = expanded(named)
    if is_folder(path):
        inside = _in_environment(path)
        if inside is None:
            raise DflwrapError(f"--dfl-python: {path} is a folder without a Python in it.")
        return inside
    if not is_there(path) and len(path.parts) == 1:
        on_path = shutil.which(str(path))
        if on_path is not None:
            return Path(on_path)
    why = closed(path)
    if why:
        raise DflwrapError(f"--dfl-python: {path} {why}")
    if not is_file(path):
        raise DflwrapError(f"--dfl-python: {path} does not exist.")
    if not os.access(path, os.X_OK):
        raise DflwrapError(f"--dfl-python: {path} is not a program that can be started.")
    return path.absolute()


def _in_environment(folder: Path) -> Path | None:
    for name in ("bin/python", "Scripts/python.exe", "python.exe", "bin/python3"):
        if is_file(folder / name):
            return (folder / name).absolute()
    return None


def _own_python(found: _Found, environ: Mapping[str, str]) -> Path | None:
    """The interpreter that belongs to an install, without asking the user."""
    for candidate in _candidates(found, environ):
        if is_file(candidate) and os.access(candidate, os.X_OK):
            return candidate.absolute()
    return None


def _candidates(found: _Found, environ: Mapping[str, str]) -> Iterator[Path]:
    folder = found.main.parent
    if found.layout == "windows-build":
        yield from sorted(folder.parent.glob("python-3*/python.exe"), reverse=True)
    values = read_env_sh(found.script, environ) if found.script else {}
    commands = []
    for name in (values.get("DFL_PYTHON"), environ.get("DFL_PYTHON"), environ.get("PYTHON_EXECUTABLE")):
        if name and ("/" in name or "\\" in name):
            base = found.script.parent if found.script else folder
            yield base / expanded(Path(name))
        elif name:
            commands.append(name)
    conda = values.get("CONDA_ENV") or environ.get("DFL_CONDA_ENV") or "deepfacelab"
    for base in _environments(folder, found.script, conda, environ):
        python = _in_environment(base)
        if python is not None:
            yield python
    # After the environments: the Linux scripts activate theirs before they call "python3.7".
    for command in commands:
        on_path = shutil.which(command, path=_path_without_ours(environ))
        if on_path is not None:
            yield Path(on_path)


def _path_without_ours(environ: Mapping[str, str]) -> str:
    """PATH without the environment of dflwrap itself, which may be the active one."""
    ours = {resolved(Path(sys.prefix)) / name for name in ("bin", "Scripts", ".")}
    folders = environ.get("PATH", "").split(os.pathsep)
    return os.pathsep.join(folder for folder in folders if folder and resolved(Path(folder)) not in ours)


def _environments(
    folder: Path, script: Path | None, conda: str, environ: Mapping[str, str]
) -> Iterator[Path]:
    """Virtual and conda environments beside the install; the active one unless it is dflwrap's own."""
    for base in dict.fromkeys(p for p in (folder, folder.parent, script and script.parent) if p):
        for name in (".venv", "venv", "env"):
            yield base / name
    for name in ("CONDA_PREFIX", "VIRTUAL_ENV"):
        active = environ.get(name)
        if active and resolved(Path(active)) != resolved(Path(sys.prefix)):
            if name == "VIRTUAL_ENV" or Path(active).name == conda:
                yield Path(active)
            yield Path(active).parent / conda
            yield Path(active) / "envs" / conda
    home = environ.get("HOME") or environ.get("USERPROFILE")
    if home:
        for name in ("miniconda3", "anaconda3", "miniforge3", "mambaforge", ".conda"):
            yield Path(home) / name / "envs" / conda
