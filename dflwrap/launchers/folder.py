"""Writing the scripts beside DeepFaceLab's own, and removing them: only what carries our mark."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from dflwrap.common.errors import DflwrapError
from dflwrap.extractors.deepfacelab.install import DflInstall
from dflwrap.launchers.texts import JOBS, MARK, Shell, text_of

_HEAD = 400
"""Bytes of a script in which its mark stands."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the scripts of an install belong, and for which shell."""

    folder: Path
    shell: Shell


def place_of(install: DflInstall) -> Place:
    """Beside the stock scripts: above `_internal`, beside `env.sh`, or (a plain copy) beside main.py."""
    shell = Shell.CMD if install.python.suffix.lower() == ".exe" else Shell.SH
    if install.layout == "windows-build":
        return Place(install.main.parent.parent.parent, shell)
    if install.script is not None:
        return Place(install.script.parent.absolute(), shell)
    return Place(install.main.parent, shell)


def write_scripts(place: Place, dfl_python: str = "", python: str = sys.executable) -> list[Path]:
    """Write them. python: the interpreter of the dflwrap that they start.

    Raises DflwrapError where a file of that name is not ours, before anything is written, or where the folder cannot
    be written to.
    """
    texts = {
        place.folder / job.names[place.shell]: text_of(
            job, place.shell, python, dfl_python, os.environ.get("USERPROFILE", "")
        )
        for job in JOBS
    }
    for path in texts:
        if os.path.lexists(path) and not _is_ours(path):
            raise DflwrapError(
                f"{path} is there already and is not dflwrap's. Move it away, then run this again."
            )
    try:
        for path, text in texts.items():
            _write(path, text, executable=place.shell is Shell.SH)
    except OSError as error:
        raise DflwrapError(f"Cannot write into {place.folder}: {error.strerror or error}.") from None
    _remember(place.folder)
    return list(texts)


def remove_scripts(folder: Path) -> list[Path]:
    """Remove those that are ours from `folder`; what was removed. Raises DflwrapError where one cannot be."""
    removed = []
    for job in JOBS:
        for name in job.names.values():
            path = folder / name
            if not _is_ours(path):
                continue
            try:
                path.unlink()
            except OSError as error:
                raise DflwrapError(f"Cannot remove {path}: {error.strerror or error}.") from None
            removed.append(path)
    _forget(folder)
    return removed


def remembered_folders() -> list[Path]:
    """Folders that scripts were written into, by every dflwrap of this user."""
    try:
        found = json.loads(_record().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [Path(name) for name in found if isinstance(name, str)] if isinstance(found, list) else []


def _is_ours(path: Path) -> bool:
    """A plain file with our mark near its top; a link is nobody's."""
    if path.is_symlink() or not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return MARK.encode() in file.read(_HEAD)
    except OSError:
        return False


def _write(path: Path, text: bytes, *, executable: bool) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".dflwrap-", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text)
        Path(temporary).chmod(0o755 if executable else 0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _record() -> Path:
    return Path(platformdirs.user_data_dir("dflwrap-scripts", False)) / "folders.json"


def _remember(folder: Path) -> None:
    """Losing the record costs only that an uninstallation leaves the scripts."""
    _save(list(dict.fromkeys([*remembered_folders(), folder.absolute()])))


def _forget(folder: Path) -> None:
    _save([other for other in remembered_folders() if other != folder.absolute()])


def _save(folders: list[Path]) -> None:
    record = _record()
    with contextlib.suppress(OSError):
        if folders:
            record.parent.mkdir(parents=True, exist_ok=True)
            _write(record, json.dumps([str(folder) for folder in folders]).encode(), executable=False)
        elif record.exists():
            record.unlink()
            record.parent.rmdir()
