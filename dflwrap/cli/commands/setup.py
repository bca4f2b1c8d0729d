"""`dflwrap setup`: install optional parts, into dflwrap's own environment."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dflwrap.common.choices import Engine
from dflwrap.common.errors import DflwrapError
from dflwrap.common.text import display
from dflwrap.common.trees import is_folder

if TYPE_CHECKING:
    from dflwrap.common.parts import Part

INSTALL_BOUND = 3600.0
"""Seconds for one call of pip: 600 MB over a slow line."""
_CACHED = ("peaks.json", ".peaks-*.json", "rules-*.json", "*.tmp", "cuda")
"""What `planning.store`, `diagnosis.catalogue` and `extractors.deepfacelab.command` keep in the user's cache folder."""
_MOST_SHOWN = 12
"""Lines of pip's that are shown where it fails."""


def register(app: typer.Typer) -> None:
    """Add the group of commands to `app`."""
    group = typer.Typer(no_args_is_help=True, help="Install optional parts of dflwrap.")
    group.callback()(_parts)
    group.command("builtin")(builtin)
    group.command("samples")(samples)
    group.command("remove")(remove)
    app.add_typer(group, name="setup")


def _parts() -> None: ...


def builtin(
    engine: Annotated[
        Engine, typer.Option(help="What runs the models: tensorflow where LiteRT has no package.")
    ] = Engine.LITERT,
) -> None:
    """Install the built-in extractor: it needs no DeepFaceLab and no video card.

    Goes into dflwrap's own Python environment; your DeepFaceLab is not touched. Exit codes: 0 installed, 2 it
    could not be installed (pip's reasons are shown).
    """
    from dflwrap.extractors.builtin.parts import engine_named, parts

    wanted = parts(engine_named(engine.value))
    _install_all(wanted, engine.value)
    print("The built-in extractor is ready: dflwrap extract --extractor builtin ...")


def samples() -> None:
    """Install what `python -m dflwrap.samples FOLDER` makes its sample frames of.

    Exit codes: 0 installed, 2 it could not be installed (pip's reasons are shown).
    """
    from dflwrap.samples.parts import SAMPLE_PARTS

    _install_all(SAMPLE_PARTS)


def remove() -> None:
    """Remove what dflwrap keeps outside of its environment: its scripts, what it measured, its caches.

    scripts/install.py --uninstall does this first. Your own rules, your facesets and their run folders stay.
    """
    import platformdirs

    from dflwrap.common.trees import is_link, remove_file, remove_tree
    from dflwrap.launchers.folder import remembered_folders, remove_scripts

    for place in remembered_folders():
        try:
            for path in remove_scripts(place):
                print(f"Removed: {display(str(path))}")
        except DflwrapError as error:
            print(f"dflwrap: {display(str(error))}", file=sys.stderr)
    folder = Path(platformdirs.user_cache_dir("dflwrap"))
    if is_link(folder) or not is_folder(folder):
        return
    for pattern in _CACHED:
        for path in folder.glob(pattern):
            with suppress(OSError):
                remove_tree(path) if is_folder(path) else remove_file(path)
    with suppress(OSError):
        folder.rmdir()  # only where nothing else lies in it


def _install_all(parts: Sequence[Part], engine: str = "") -> None:
    print(f"Into {display(sys.prefix)}:")
    for part in parts:
        print(f"  {part.what}", flush=True)
    for part in parts:
        _install(part, engine)


def _install(part: Part, engine: str = "") -> None:
    """Raises DflwrapError with pip's reasons."""
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--quiet"]
    if not part.dependencies:
        command.append("--no-deps")
    try:
        done = subprocess.run(
            [*command, *part.requirements],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=INSTALL_BOUND,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise DflwrapError(
            f"Loading {part.what} took more than an hour. Check the internet connection, then run the command again."
        ) from None
    if done.returncode == 0:
        return
    lines = [line for line in done.stdout.decode("utf-8", "replace").splitlines() if line.strip()]
    said = "\n".join(f"  {display(line)[:300]}" for line in lines[-_MOST_SHOWN:])
    if "No module named pip" in said:
        raise DflwrapError(
            f"This Python has no pip ({display(sys.executable)}). Install these with the tool that made its "
            f"environment: {' '.join(part.requirements)}{'' if part.dependencies else ' (without its dependencies)'}."
        )
    if engine == "litert" and "No matching distribution" in said:
        raise DflwrapError(
            "There is no LiteRT for this system and Python. Use TensorFlow in its place (2 GB on the disk): "
            "dflwrap setup builtin --engine tensorflow"
        )
    raise DflwrapError(
        f"{part.what} could not be installed. pip says:\n{said}\n"
        "Check the internet connection and the room on the disk, then run the command again."
    )
