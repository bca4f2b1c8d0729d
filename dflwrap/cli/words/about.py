"""What `dflwrap --version` says: the version, and what it stands on. Imports nothing heavy."""

from __future__ import annotations

import platform
import sqlite3
from importlib.metadata import PackageNotFoundError, version

from dflwrap import __version__
from dflwrap.extractors.builtin.engine import engine_version
from dflwrap.extractors.builtin.parts import is_complete

_PACKAGES = (
    ("OpenCV", "opencv-python-headless"),
    ("NumPy", "numpy"),
    ("psutil", "psutil"),
    ("nvidia-ml-py", "nvidia-ml-py"),
)


def about() -> str:
    """A line each: dflwrap, Python and system, the packages, the built-in extractor. For a report of a fault."""
    packages = [f"{title} {_version(name)}" for title, name in _PACKAGES]
    builtin = engine_version() if is_complete() else "not installed (dflwrap setup builtin)"
    return "\n".join(
        (
            f"dflwrap {__version__}",
            f"{platform.python_implementation()} {platform.python_version()}, {platform.system()} "
            f"{platform.release()}, {platform.machine()}",
            ", ".join([*packages, f"SQLite {sqlite3.sqlite_version}"]),
            f"built-in extractor: {builtin}",
        )
    )


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"
