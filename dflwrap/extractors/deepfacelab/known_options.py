"""Options of an install's own extract, as its `--help` names them: forks have more than DeepFaceLab."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ANSWERS = {"--landmarker": "fan-2d", "--min-face-size": "40"}
"""What a fork asks for where it is not given, and what it would take itself (DeepFaceLab-Revamped 1e94b01,
mainscripts/MotoriCatalog.py: DEFAULT_ALLINEATORE, LATO_MIN_PREDEFINITO)."""
OF_FORKS = ("--landmarker", "--min-face-size", "--report-dir")
"""Known without an install to ask; each takes a value."""
OURS = frozenset(
    {"--help", "--input-dir", "--output-dir", "--face-type", "--max-faces-from-image", "--image-size"}
    | {"--jpeg-quality", "--output-debug", "--no-output-debug", "--cpu-only", "--force-gpu-idxs"}
    | {"--manual-fix", "--manual-output-debug-fix", "--manual-window-size"}
)
"""Options that dflwrap gives, or takes care of, itself."""
MOST_SOURCE = 1 << 20
_INVOCATION = re.compile(r"^ {1,4}(-\S.*?)(?: {2,}\S.*)?$")
_NAME = re.compile(r"(?<![\w-])--[A-Za-z][\w-]*")
_CHOICES = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class InstallOption:
    """One option of an install."""

    takes_value: bool
    choices: tuple[str, ...] = ()
    """What it may be; () = anything."""


def parse_help(text: str) -> dict[str, InstallOption]:
    """Options by name, from the help of Python's argparse on a wide terminal (3.6 to 3.14)."""
    found: dict[str, InstallOption] = {}
    for line in text.splitlines():
        match = _INVOCATION.match(line.rstrip())
        if match is None:
            continue
        invocation = match[1]
        choices = _CHOICES.search(invocation)
        values = tuple(choices[1].split(",")) if choices is not None else ()
        bare = _CHOICES.sub("X", invocation)
        for name in _NAME.findall(bare):
            rest = bare.partition(name)[2]
            takes = re.match(r"[ =](?!-)[^\s,]", rest) is not None or re.search(r"[A-Z]$", bare) is not None
            found[name] = InstallOption(takes, values if takes else ())
    return found


def names_in_source(main: Path) -> frozenset[str]:
    """Every option that an install's main.py names, of whichever of its commands: nothing is run to find out."""
    try:
        with main.open("rb") as file:
            text = file.read(MOST_SOURCE).decode("utf-8", "replace")
    except OSError:
        return frozenset()
    return frozenset(_NAME.findall(text))


def answers(known: Mapping[str, InstallOption], given: Sequence[str]) -> list[str]:
    """Arguments for all that the install would ask and is not told. given: as in `ExtractOptions.more`."""
    told = {argument.partition("=")[0] for argument in given}
    arguments = []
    for name, value in ANSWERS.items():
        option = known.get(name)
        if option is None or name in told or not option.takes_value:
            continue
        arguments += [name, value if value in option.choices or not option.choices else option.choices[0]]
    return arguments
