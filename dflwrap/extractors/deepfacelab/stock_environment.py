"""The variables that DeepFaceLab's own scripts set before they start it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dflwrap.common.trees import is_folder
from dflwrap.extractors.deepfacelab.install import DflInstall
from dflwrap.extractors.deepfacelab.scripts_reading import read_env_sh
from dflwrap.extractors.deepfacelab.setenv_bat import read_setenv_bat

_FOLDERS = ("TMP", "TEMP", "TMPDIR")
"""Of no use where the folder is not there: Python then takes one of its own choice."""


def stock_environment(install: DflInstall, environ: Mapping[str, str]) -> dict[str, str]:
    """Of `setenv.bat` (a Windows build) or of `env.sh` (the Linux scripts); "" = to be removed."""
    values: dict[str, str] = {}
    if install.layout == "windows-build":
        values = read_setenv_bat(install.main.parent.parent / "setenv.bat", environ)
    elif install.script is not None:
        values = read_env_sh(install.script, environ)
    return {name: value for name, value in values.items() if name not in _FOLDERS or is_folder(Path(value))}
