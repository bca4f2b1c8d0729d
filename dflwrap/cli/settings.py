"""Options of `extract` that may stand in the settings file, held against the options themselves."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dflwrap.common.errors import DflwrapError
from dflwrap.common.text import display
from dflwrap.settings.file import Value, read_settings, settings_path

if TYPE_CHECKING:
    from typer._click import Context, Parameter

SETTINGS = (
    *("face-type", "max-faces-from-image", "image-size", "jpeg-quality", "output-debug"),
    *(
        "dfl-root",
        "dfl-python",
        "extractor",
        "warp",
        "force-gpu-idxs",
        "workers",
        "batch-size",
        "on-gpu-failure",
    ),
    *("max-side", "min-side", "second-look", "on-conflict"),
    *("folder-timeout", "frame-timeout", "startup-timeout"),
    *("keep-awake", "stop-at", "max-hours", "when-done", "low-priority", "notify", "stall-minutes"),
)
"""Names of options without the dashes. What is of one clip alone is not among them, nor a switch that the command
line could not take back."""
SECRET = frozenset({"notify"})
"""Never shown."""


def defaults(command: Callable[[], Any]) -> dict[str, Any]:
    """For the command line's library: what the file says of `command`, made where there is one. Raises DflwrapError."""
    path = settings_path()
    found = read_settings(path)
    if not found:
        return {}
    options = Options(command())
    return {key.replace("-", "_"): checked(options, path, key, value) for key, value in found.items()}


class Options(dict[str, "Parameter"]):
    """Setting -> option of the command."""

    def __init__(self, command: Any) -> None:
        by_name = {parameter.name: parameter for parameter in command.params}
        super().__init__({name: by_name[name.replace("-", "_")] for name in SETTINGS})
        self.context: Context = command.make_context("extract", [], resilient_parsing=True)


def checked(options: Options, path: Path, key: str, value: Any) -> Any:
    """`value` as the option takes it. Raises DflwrapError."""
    where = f"The settings file {display(str(path))}"
    if key not in options:
        raise DflwrapError(
            f"{where} has {display(key[:60])!r}, which is no setting. dflwrap config show lists them; "
            f"dflwrap config unset {display(key[:60])} takes it out."
        )
    try:
        return converted(options, key, value)
    except DflwrapError as error:
        raise DflwrapError(f"{where}: {error} Correct it with dflwrap config set {key} ...") from None


def converted(options: Options, key: str, value: Any) -> Any:
    """Raises DflwrapError for a value that the option does not take; its text never has a secret."""
    option = options[key]
    if key == "when-done" and isinstance(value, list):
        value = json.dumps(value)
    many = bool(getattr(option, "multiple", False))
    switch = bool(getattr(option, "is_flag", False))
    if many and isinstance(value, str):
        value = [value]
    fits = (
        isinstance(value, list) and all(isinstance(one, str) for one in value)
        if many
        else isinstance(value, bool)
        if switch
        else isinstance(value, str | int | float) and not isinstance(value, bool)
    )
    if not fits:
        wanted = "a list of texts" if many else "true or false" if switch else "a text or a number"
        raise DflwrapError(f"{key} has to be {wanted}.")
    try:
        taken: Any = option.process_value(options.context, value if many or switch else str(value))
    except Exception as error:  # the library's own kinds, which have no public name
        said = display(str(getattr(error, "message", error))).replace("Value error, ", "")
        why = "" if key in SECRET else f": {said[:300]}"
        raise DflwrapError(f"{key} will not do{why.rstrip('.')}.") from None
    _meaning(key, taken)
    return value if many or switch else str(value)


def _meaning(key: str, value: Any) -> None:
    """What the command itself refuses only when it runs. Raises DflwrapError."""
    from datetime import datetime

    from dflwrap.cli import arguments
    from dflwrap.unattended.deadline import Deadline, next_time
    from dflwrap.unattended.when_done import split_command

    if key in ("workers", "batch-size"):
        arguments.number(key, value)
    elif key == "force-gpu-idxs":
        arguments.gpus(value)
    elif key == "max-side":
        arguments.longest_side(value)
    elif key == "stop-at" and value:
        next_time(value, datetime.now())
    elif key == "max-hours":
        Deadline.of("", value)
    elif key == "when-done" and value:
        split_command(value)
    elif isinstance(value, float):
        arguments.finite(key, value)


def from_words(option: Parameter, words: Sequence[str]) -> Value:
    """What `config set KEY WORDS` means. Raises DflwrapError."""
    if getattr(option, "multiple", False):
        return list(words)
    if len(words) != 1:
        raise DflwrapError("Give one value. What holds blanks goes into quotes.")
    if getattr(option, "is_flag", False):
        known = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
        if words[0].lower() not in known:
            raise DflwrapError(f"{display(words[0][:40])!r} is neither true nor false.")
        return known[words[0].lower()]
    for kind in (int, float):
        try:
            number = kind(words[0])
        except ValueError:
            continue
        return number if str(number) == words[0] else words[0]
    return words[0]


def shown(key: str, value: Any) -> str:
    """For the screen: secrets masked, all else safe."""
    if key in SECRET and value:
        many = value if isinstance(value, list) else [value]
        return ", ".join(masked(one) for one in many)
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}"
    return display(str(value))


def masked(address: object) -> str:
    """Its service alone: "tgram://***"."""
    text = str(address)
    scheme, found, _ = text.partition("://")
    known = found and scheme.isascii() and scheme.replace("+", "").isalnum() and len(scheme) <= 20
    return f"{scheme}://***" if known else "***"
