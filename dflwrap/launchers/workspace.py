"""Where an install keeps its clips: the workspace that its own scripts work in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from dflwrap.common.errors import DflwrapError
from dflwrap.common.trees import expanded, is_folder
from dflwrap.extractors.deepfacelab.install import DflInstall
from dflwrap.extractors.deepfacelab.scripts_reading import read_env_sh
from dflwrap.extractors.deepfacelab.stock_environment import stock_environment

CLIPS = ("data_src", "data_dst")
_PROJECT = ".progetto-attivo"
"""DeepFaceLab-Revamped: the name of the project that is open, a folder of the workspace."""


def workspace_of(install: DflInstall, environ: Mapping[str, str]) -> Path:
    """Raises DflwrapError where there is none."""
    candidates = list(dict.fromkeys(path.absolute() for path in _candidates(install, environ)))
    for path in candidates:
        if is_folder(path):
            return _project_in(path, environ)
    tried = ", ".join(str(path) for path in candidates)
    raise DflwrapError(f"The workspace of this DeepFaceLab was not found (looked for {tried}).")


def _candidates(install: DflInstall, environ: Mapping[str, str]) -> Iterator[Path]:
    above = install.main.parent.parent
    if install.layout == "windows-build":
        said = stock_environment(install, environ).get("WORKSPACE")
        if said:
            yield Path(said)
        yield above.parent / "workspace"
        return
    if install.script is not None:
        values = read_env_sh(install.script, environ)
        said = values.get("DFL_WORKSPACE") or values.get("WORKSPACE")
        if said:
            # The scripts of the Linux layout change into the folder above theirs before they use it.
            for base in (install.script.parent.parent, install.script.parent):
                yield base / expanded(Path(said))
    if environ.get("DFL_WORKSPACE"):
        yield expanded(Path(environ["DFL_WORKSPACE"]))
    yield install.main.parent / "workspace"
    yield above / "workspace"


def _project_in(workspace: Path, environ: Mapping[str, str]) -> Path:
    name = environ.get("DFL_PROJECT", "")
    if not name:
        try:
            name = (
                (workspace / _PROJECT)
                .read_text(encoding="utf-8", errors="replace")[:300]
                .partition("\n")[0]
                .strip()
            )
        except OSError:
            return workspace
    if not name or name.startswith(".") or any(sign in name for sign in "/\\\0"):
        return workspace
    return workspace / name if is_folder(workspace / name) else workspace
