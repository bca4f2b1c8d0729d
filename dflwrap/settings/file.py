"""The settings file: where it is, what is in it, and how a value gets into it."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from dflwrap.common.durable import sync
from dflwrap.common.errors import DflwrapError
from dflwrap.common.retrying import retry_held_open
from dflwrap.common.text import display
from dflwrap.common.trees import expanded, resolved

VARIABLE = "DFLWRAP_CONFIG"
"""Names another file, for example on a stick; the file itself may be missing."""
NAME = "settings.toml"
MOST_BYTES = 1_000_000
"""A larger file is no settings file."""
Value = bool | int | float | str | list[str]


def settings_path(environ: Mapping[str, str] = os.environ) -> Path:
    """Full path; nothing need be there."""
    named = environ.get(VARIABLE, "")
    if named:
        return expanded(Path(named)).absolute()
    import platformdirs

    return platformdirs.user_config_path("dflwrap", appauthor=False) / NAME


def read_settings(path: Path) -> dict[str, Any]:
    """What is in the file, unchecked; {} where there is none. Raises DflwrapError where it cannot be read."""
    try:
        return tomllib.loads(_text(path).lstrip("\ufeff"))
    except FileNotFoundError:
        return {}
    except tomllib.TOMLDecodeError as error:
        raise DflwrapError(
            f"The settings file {display(str(path))} is not TOML: {display(str(error))}. Correct that line, or move "
            "the file away."
        ) from None


def change_setting(path: Path, key: str, value: Value | None) -> None:
    """Put one value into the file, or take it out (None); all else in it stays, comments too.

    Readable by its owner alone: it may hold passwords. Raises DflwrapError.
    """
    import tomlkit

    read_settings(path)  # a file that is not TOML is not written over
    try:
        text = _text(path)
    except FileNotFoundError:
        text = (
            "# Settings of dflwrap: defaults for the options of dflwrap extract. See dflwrap config --help.\n"
        )
    document = tomlkit.parse(text.lstrip("\ufeff"))
    if value is None:
        document.pop(key, None)
    else:
        document[key] = value
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path = resolved(path)  # a link to a file elsewhere stays a link
        part = path.with_name(f"{path.name}.part")
        with suppress(FileNotFoundError):
            part.unlink()
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:  # noqa: PTH123
            file.write(tomlkit.dumps(document))
            file.flush()
            sync(file.fileno())
        retry_held_open(lambda: part.replace(path))
    except OSError as error:
        raise _not_usable(path, error, "written") from error


def _text(path: Path) -> str:
    """Raises FileNotFoundError, and DflwrapError for anything else."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise DflwrapError(
                f"The settings file {display(str(path))} is too large to be one. Move it away."
            )
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, DflwrapError):
        raise
    except UnicodeDecodeError:
        raise DflwrapError(
            f"The settings file {display(str(path))} is not UTF-8. Save it as UTF-8 in your editor."
        ) from None
    except OSError as error:
        raise _not_usable(path, error, "read") from error


def _not_usable(path: Path, error: OSError, what: str) -> DflwrapError:
    why = display(error.strerror or str(error))
    return DflwrapError(
        f"The settings file {display(str(path))} cannot be {what} ({why}). Check its permissions."
    )
