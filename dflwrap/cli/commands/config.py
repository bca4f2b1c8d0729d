"""`dflwrap config`: the settings, which are defaults for the options of `dflwrap extract`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Annotated, Any

import typer

from dflwrap.common.trees import is_there

config = typer.Typer(
    help="Show and change the settings: defaults for the options of dflwrap extract. An option on the command line "
    "counts more than the settings file, and that more than what is built in.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
Key = Annotated[
    str, typer.Argument(help="Name of an option without its dashes, such as stop-at.", metavar="KEY")
]


def register(app: typer.Typer) -> None:
    """Add the group to `app`."""
    app.add_typer(config, name="config")


@config.command("show")
def show(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List all settings, with their values and where these come from. Addresses of --notify are masked.

    Exit codes: 0 listed; 2 the file cannot be used.
    """
    from dflwrap.cli.settings import Options, checked, shown
    from dflwrap.common.text import display
    from dflwrap.settings.file import read_settings, settings_path

    path, options = settings_path(), Options(extract_command())
    found = read_settings(path)
    for key, value in found.items():
        checked(options, path, key, value)
    rows: list[tuple[str, str, bool]] = []
    for key, option in options.items():
        given: Any = found.get(key, option.default)
        if given is None or callable(given):
            given = ""
        rows.append((key, shown(key, given), key in found))
    if as_json:
        settings = {key: {"value": value, "from": "file" if own else "default"} for key, value, own in rows}
        print(json.dumps({"schema_version": 1, "path": str(path), "settings": settings}, ensure_ascii=True))
        return
    print(f"{display(str(path))}{'' if is_there(path) else ' (not there yet)'}")
    width = max(len(key) for key, _, _ in rows)
    for key, value, own in rows:
        print(f"{'*' if own else ' '} {key:<{width}}  {value}".rstrip())
    print("* from the settings file; all others are built in")


@config.command("set")
def set_(
    key: Key,
    words: Annotated[
        list[str], typer.Argument(help="The value; of notify one or several addresses.", metavar="VALUE...")
    ],
) -> None:
    """Put a value into the settings file. What else stands in it stays, comments too.

    Exit codes: 0 set; 2 no such setting, a value that will not do, or the file cannot be written.
    """
    from dflwrap.cli.settings import Options, converted, from_words, shown
    from dflwrap.common.errors import DflwrapError
    from dflwrap.settings.file import change_setting, settings_path

    options = Options(extract_command())
    _check_key(options, key)
    value = from_words(options[key], words)
    try:
        converted(options, key, value)
    except DflwrapError as error:
        raise DflwrapError(f"{error} Nothing was changed.") from None
    change_setting(settings_path(), key, value)
    print(f"{key} = {shown(key, value)}")


@config.command("unset")
def unset(key: Key) -> None:
    """Take a value out of the settings file: what is built in counts again.

    Exit codes: 0 it is not in the file (any more); 2 the file cannot be written.
    """
    from dflwrap.common.text import display
    from dflwrap.settings.file import change_setting, read_settings, settings_path

    if key in read_settings(settings_path()):
        change_setting(settings_path(), key, None)
    print(f"{display(key[:60])}: built in")


@config.command("path")
def path() -> None:
    """Print the path of the settings file, whether it is there or not.

    Exit codes: 0 printed; 2 bad usage.
    """
    from dflwrap.settings.file import settings_path

    print(settings_path())


def extract_command() -> Any:
    """The command whose options the settings are."""
    from dflwrap.cli.commands import extract

    app = typer.Typer(add_completion=False)
    extract.register(app)
    return typer.main.get_command(app)


def _check_key(options: Iterable[str], key: str) -> None:
    import difflib

    from dflwrap.common.errors import DflwrapError
    from dflwrap.common.text import display

    known = list(options)
    if key not in known:
        near = difflib.get_close_matches(key, known, 1)
        hint = f"Did you mean {near[0]}?" if near else "dflwrap config show lists them."
        raise DflwrapError(f"{display(key[:60])!r} is no setting. {hint}")
