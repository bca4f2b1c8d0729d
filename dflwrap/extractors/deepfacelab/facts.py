"""What an install's files say about itself, read without running anything."""

from __future__ import annotations

import re
from pathlib import Path

from dflwrap.common.trees import is_file, is_folder

PACKAGES = (
    "tensorflow",
    "tensorflow-gpu",
    "tensorflow-directml",
    "numpy",
    "opencv-python",
    "protobuf",
    "torch",
)
_DIST = re.compile(r"^(?P<name>.+?)-(?P<version>\d[^-]*)\.(?:dist|egg)-info$")


def install_facts(main: Path, python: Path) -> dict[str, str]:
    """Keys where known: fork, commit, python, and the packages' names with their versions."""
    facts = {"fork": fork_of(main.parent)}
    commit = commit_of(main.parent)
    if commit:
        facts["commit"] = commit[:12]
    site = site_packages(python)
    if site is not None:
        facts.update(package_versions(site))
    version = python_version(python, site)
    if version:
        facts["python"] = version
    return facts


def fork_of(folder: Path) -> str:
    """Which DeepFaceLab: the forks are told by files that only they have."""
    if is_file(folder / "facelib" / "motori.py"):
        return "DeepFaceLab Revamped"
    if is_file(folder / "mainscripts" / "AmpConverter.py") or is_folder(folder / "flaskr"):
        return "DeepFaceLab MVE"
    return "DeepFaceLab"


def commit_of(folder: Path) -> str | None:
    """The commit of a git checkout, from .git/HEAD and the reference it names."""
    git = folder / ".git"
    head = _text(git / "HEAD").strip()
    if head.startswith("ref: "):
        name = head.removeprefix("ref: ")
        head = _text(git / name).strip()
        if not head:
            packed = re.search(
                rf"^([0-9a-f]{{40}}) {re.escape(name)}$", _text(git / "packed-refs"), re.MULTILINE
            )
            head = packed[1] if packed else ""
    return head if re.fullmatch(r"[0-9a-f]{40}", head) else None


def site_packages(python: Path) -> Path | None:
    """The folder of installed packages of an interpreter, by the usual layouts."""
    for base in (python.parent, python.parent.parent):
        for pattern in ("Lib/site-packages", "lib/python3*/site-packages"):
            found = next(iter(sorted(base.glob(pattern))), None)
            if found is not None:
                return found
    return None


def package_versions(site: Path) -> dict[str, str]:
    """Name -> version of the packages of interest in a folder site-packages."""
    versions = {}
    for entry in site.glob("*-info"):
        found = _DIST.match(entry.name)
        name = found["name"].replace("_", "-").lower() if found else ""
        name = name.removesuffix("-headless")
        if found and name in PACKAGES:
            versions[name] = found["version"]
    return versions


def python_version(python: Path, site: Path | None) -> str | None:
    """From pyvenv.cfg, from a folder named python-3.6.8, or from lib/python3.6."""
    config = re.search(
        r"^version(?:_info)?\s*=\s*([\d.]+)", _text(python.parent.parent / "pyvenv.cfg"), re.MULTILINE
    )
    if config:
        return config[1].rstrip(".")
    for name in (python.parent.name, site.parent.name if site else "", python.name):
        found = re.search(r"python-?(3\.\d+(?:\.\d+)?)", name)
        if found:
            return found[1]
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
