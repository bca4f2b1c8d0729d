"""What an extract is to work on: one input, or several, from options, positions, or a list."""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dflwrap.cli import arguments
from dflwrap.cli.clips import STARTED_AS, cut_by_cmd, folders, frames_in
from dflwrap.common.choices import Clip
from dflwrap.common.errors import DflwrapError
from dflwrap.common.text import display
from dflwrap.common.trees import expanded, is_file, is_there

MOST_LIST = 16 << 20
"""Bytes: a larger file is no list of folders."""
_DRIVE = re.compile(r"(?:^|:|[\\/]{2}[?.][\\/])[A-Za-z]$")
"""What stands before the colon of a drive letter: `C`, the `D` of `C:\\a:D:\\b`, and `\\\\?\\C`."""


_QUOTED = re.compile(r'\s*(?:"([^"]+)"\s*[:\t]\s*(?:"([^"]+)"|([^"]+))|([^"\t]+?)[:\t]\s*"([^"]+)")\s*')
"""As Explorer's "Copy as path" gives them; such a path may hold colons."""
_COMMENT = re.compile(r"(?:^|\s)#(?:\s.*)?$")


@dataclass(frozen=True, slots=True)
class Target:
    """An input and the faceset it becomes, as they were named."""

    source: Path
    output: Path


@dataclass(frozen=True, slots=True)
class Asked:
    """Everything that one command is to extract."""

    targets: tuple[Target, ...]
    several: bool
    """It was asked for several: one that is refused does not stop the others."""


def asked(
    input_dir: Path | None,
    output_dir: Path | None,
    positions: Sequence[Path],
    clip: Clip | None,
    jobs: Sequence[str],
    job_list: Path | None,
    dfl_root: Path | None,
    dfl_python: Path | None,
) -> Asked:
    """Full paths. Raises DflwrapError for what does not fit together."""
    if jobs or job_list is not None:
        if input_dir is not None or output_dir is not None or positions or clip is not None:
            raise DflwrapError(
                "--job and --job-list name inputs and outputs themselves: leave out --input-dir, --output-dir, "
                "--clip and folders without an option."
            )
        pairs = [_pair(text, Path(), f"--job {text[:200]!r}") for text in jobs]
        pairs += _listed(job_list) if job_list is not None else []
        return Asked(
            tuple(
                Target(arguments.folder("--job", one), arguments.folder("--job", other))
                for one, other in pairs
            ),
            several=True,
        )
    positions = cut_by_cmd(os.environ.get(STARTED_AS, "")) or positions
    if clip is not None and len(positions) > 1:  # dropped onto a script
        if input_dir is not None or output_dir is not None:
            raise DflwrapError(
                "Give the folders once: as --input-dir and --output-dir, or without an option."
            )
        dropped = [arguments.folder("a folder", path) for path in positions]
        return Asked(tuple(Target(path, path / "aligned") for path in dropped), several=True)
    if len(positions) > 2:
        raise DflwrapError(
            f"{len(positions)} folders were given: dflwrap extract takes DATA and OUT. "
            "For several inputs: --job INPUT:OUTPUT, once for each."
        )
    if len(positions) == 2:
        if output_dir is not None:
            raise DflwrapError(
                f"Give the folder of the faceset once: --output-dir, or {display(str(positions[1]))}."
            )
        output_dir = positions[1]
    source, output = folders(input_dir, output_dir, positions[:1], clip, dfl_root, dfl_python)
    return Asked((Target(source, output),), several=False)


def resolve(target: Target, dfl_root: Path | None) -> Target:
    """Of several: a video is cut into frames first. Raises DflwrapError, or typer.Exit with what cutting it said."""
    return Target(frames_in(target.source, dfl_root), target.output) if is_file(target.source) else target


def split_job(text: str, *, windows: bool = os.name == "nt") -> list[tuple[str, str]]:
    """The ways to read `INPUT:OUTPUT`; the colon of a drive letter separates nothing."""
    ways = []
    for match in re.finditer(":", text):
        before, after = text[: match.start()], text[match.end() :]
        drive = windows and after[:1] in ("\\", "/") and _DRIVE.search(before) is not None
        if before and after and not drive:
            ways.append((before, after))
    return ways


def _pair(text: str, base: Path, what: str) -> tuple[Path, Path]:
    """Input and output. A tab separates where there is one; of several colons the one after an input that exists."""
    if "\0" in text:
        raise DflwrapError(f"{what} is no text that names folders.")
    quoted = _QUOTED.fullmatch(text)
    if quoted is not None:
        one, other = filter(None, quoted.groups())
        ways = [(one.strip(), other.strip())]
    elif "\t" in text:
        one, _, other = text.partition("\t")
        ways = [(one.strip(), other.strip())] if one.strip() and other.strip() else []
    else:
        ways = split_job(text)
        if len(ways) > 1:
            ways = [way for way in ways if is_there(base / way[0])] or ways
    if len(ways) != 1:
        why = (
            "holds no INPUT:OUTPUT" if not ways else "can be read in several ways, for its paths hold colons"
        )
        raise DflwrapError(
            f"{what} {why}. Write --job INPUT:OUTPUT, or a line of a --job-list with a tab between the two."
        )
    return base / expanded(Path(ways[0][0])), base / expanded(Path(ways[0][1]))


def _text(raw: bytes) -> str:
    """UTF-8, UTF-16 as PowerShell writes it, else as this system writes names."""
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return raw.decode("utf-16", "replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("mbcs", "replace") if os.name == "nt" else os.fsdecode(raw)


def _listed(path: Path) -> list[tuple[Path, Path]]:
    """One job a line; `#` begins a comment, and with blanks around it one behind a job.

    Relative paths start at the list's own folder. Raises DflwrapError.
    """
    shown = display(str(path))
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_LIST + 1)
    except OSError as error:
        raise DflwrapError(f"--job-list: {shown} cannot be read: {error.strerror or error}.") from None
    if len(raw) > MOST_LIST:
        raise DflwrapError(f"--job-list: {shown} is no list: it is larger than {MOST_LIST >> 20} MiB.")
    base = arguments.folder("--job-list", path).parent
    pairs = []
    for number, line in enumerate(_text(raw).splitlines(), 1):
        text = "" if line.lstrip().startswith("#") else _COMMENT.sub("", line).strip()
        if text:
            pairs.append(_pair(text, base, f"--job-list: line {number} of {shown}"))
    if not pairs:
        raise DflwrapError(f"--job-list: {shown} names no job. Write INPUT:OUTPUT on a line for each.")
    return pairs
