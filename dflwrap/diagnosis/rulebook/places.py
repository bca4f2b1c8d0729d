"""Where the rules' cache and a user's own rules live: platformdirs' answer, on Linux without its import."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache_folder() -> Path:
    """The folder of the compiled rules; DFLWRAP_CACHE_DIR overrides it."""
    chosen = os.environ.get("DFLWRAP_CACHE_DIR")
    if chosen:
        return Path(chosen)
    if sys.platform == "linux":
        return _xdg("XDG_CACHE_HOME", ".cache")
    import platformdirs

    return Path(platformdirs.user_cache_dir("dflwrap", False))


def rules_folder() -> Path:
    """The folder of the user's own rules, which need not exist; DFLWRAP_RULES_DIR overrides it."""
    chosen = os.environ.get("DFLWRAP_RULES_DIR")
    if chosen:
        return Path(chosen)
    if sys.platform == "linux":
        return _xdg("XDG_CONFIG_HOME", ".config") / "rules"
    import platformdirs

    return Path(platformdirs.user_config_dir("dflwrap", False)) / "rules"


def _xdg(variable: str, folder: str) -> Path:
    base = os.environ.get(variable, "").strip()
    return (Path(base) if base else Path(os.path.expanduser("~"), folder)) / "dflwrap"  # noqa: PTH111
