"""Opening what the user points at: a log, a folder of logs, a run folder, an archive, stdin."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from dflwrap.cli.sniffing import SNIFFED, not_a_log
from dflwrap.common.errors import DflwrapError
from dflwrap.common.trees import hidden_by, is_file, is_folder, is_there

CHUNK = 1 << 20
MAX_UNPACKED = 16 << 30
"""Bytes read from one packed log; a bomb ends here."""
_SUFFIXES = {".log", ".txt", ".out", ".err", ".gz", ".zip", ".md", ".json", ".jsonl", ""}
_STREAMS = ("stdout.log", "stderr.log")

Opener = Callable[[], Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class Log:
    """One log to judge: its name and the streams it is made of."""

    name: str
    sources: tuple[tuple[str, Opener], ...]
    damage: list[str] = field(default_factory=list, compare=False)
    """Filled while it is read: sentences on a packed log that could not be read to its end."""


def find_logs(argument: str) -> list[Log]:
    """The logs behind one argument ("-" is stdin). Raises DflwrapError with a sentence for the user."""
    if argument == "-":
        return [Log("stdin", (("stdin", _stdin),))]
    path = Path(argument)
    try:
        if is_folder(path):
            return _folder(path)
        if not is_there(path):
            if any(sign in path.name for sign in "*?"):  # cmd.exe leaves wildcards to the program
                found = sorted(path.parent.glob(path.name))
                if found:
                    return [log for one in found if is_file(one) for log in _file(one)]
            why = hidden_by(path)
            raise DflwrapError(
                f"cannot read {argument}: {why}" if why else f"there is no file or folder {argument}"
            )
        if not is_file(path):
            raise DflwrapError(f"{argument} is not a regular file")
        return _file(path)
    except OSError as error:
        raise DflwrapError(f"cannot read {argument}: {error.strerror or error}") from None


def _folder(path: Path) -> list[Log]:
    attempts = path / "attempts"
    if is_folder(attempts):
        found = [
            log for folder in sorted(attempts.iterdir()) if is_folder(folder) for log in _attempt(folder)
        ]
        if not found:
            raise DflwrapError(f"the run folder {path} holds no attempt with a log yet")
        return found
    attempt = _attempt(path)
    if attempt:
        return attempt
    files = [p for p in sorted(path.iterdir()) if is_file(p) and p.suffix.lower() in _SUFFIXES]
    logs: list[Log] = []
    reasons: list[str] = []
    for file in files:
        try:
            logs += _file(file)
        except DflwrapError as error:  # a picture among the logs of a folder was not asked for
            reasons.append(str(error))
    if not logs:
        told = f"; {reasons[0]}" if reasons else ""
        raise DflwrapError(f"no log in {path} (looked for *.log, *.txt, *.out, *.err, *.gz, *.zip){told}")
    return logs


def _attempt(folder: Path) -> list[Log]:
    streams = tuple((name, _plain(folder / name)) for name in _STREAMS if is_file(folder / name))
    return [Log(str(folder), streams)] if streams else []


def _file(path: Path) -> list[Log]:
    with path.open("rb") as stream:
        magic = stream.read(SNIFFED)
    if magic.startswith(b"\x1f\x8b"):
        damage: list[str] = []
        return [Log(str(path), ((path.name, _gzip(path, damage)),), damage)]
    if magic.startswith(b"PK\x03\x04") or magic.startswith(b"PK\x05\x06"):
        return _zip(path)
    reason = not_a_log(magic)
    if reason is not None:
        raise DflwrapError(f"{path} is {reason}")
    return [Log(str(path), ((path.name, _plain(path)),))]


def _zip(path: Path) -> list[Log]:
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            members = [item for item in archive.infolist() if not item.is_dir()]
    except (zipfile.BadZipFile, OSError) as error:
        raise DflwrapError(f"{path} is a damaged zip file: {error}") from None
    members = [item for item in members if Path(item.filename).suffix.lower() in _SUFFIXES - {".gz", ".zip"}]
    if not members:
        raise DflwrapError(f"no log in {path}")
    if any(item.flag_bits & 1 for item in members):
        raise DflwrapError(f"{path} is protected by a password")
    logs = []
    for item in members:
        damage: list[str] = []
        logs.append(
            Log(f"{path}:{item.filename}", ((item.filename, _member(path, item.filename, damage)),), damage)
        )
    return logs


def _read(stream: IO[bytes], name: str, damage: list[str]) -> Iterator[bytes]:
    import zipfile
    import zlib

    left = MAX_UNPACKED
    while left > 0:
        try:
            chunk = stream.read(CHUNK)
        except (OSError, EOFError, zlib.error, zipfile.BadZipFile):
            damage.append(_damaged(name))
            return  # what could be unpacked is judged
        if not chunk:
            return
        left -= len(chunk)
        yield chunk


def _plain(path: Path) -> Opener:
    def read() -> Iterator[bytes]:
        try:
            with path.open("rb") as stream:
                while chunk := stream.read(CHUNK):
                    yield chunk
        except OSError as error:
            raise DflwrapError(f"cannot read {path}: {error.strerror or error}") from None

    return read


def _damaged(name: str) -> str:
    return f"{name} is damaged or cut short: only the part before the damage could be read"


def _gzip(path: Path, damage: list[str]) -> Opener:
    def read() -> Iterator[bytes]:
        import zlib

        left = MAX_UNPACKED
        unpacker = zlib.decompressobj(31)
        with path.open("rb") as stream:
            data = stream.read(CHUNK)
            while data and left > 0:
                try:
                    out = unpacker.decompress(data, CHUNK)
                except zlib.error:
                    damage.append(_damaged(str(path)))
                    return  # what could be unpacked is judged
                left -= len(out)
                if out:
                    yield out
                data = unpacker.unconsumed_tail
                ended = unpacker.eof
                if ended:
                    data, unpacker = unpacker.unused_data, zlib.decompressobj(31)
                data = data or stream.read(CHUNK)
                if not data and not ended:
                    damage.append(_damaged(str(path)))

    return read


def _member(path: Path, name: str, damage: list[str]) -> Opener:
    def read() -> Iterator[bytes]:
        import zipfile

        try:
            with zipfile.ZipFile(path) as archive, archive.open(name) as stream:
                yield from _read(stream, f"{path}:{name}", damage)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
            raise DflwrapError(f"cannot unpack {name} from {path}: {error}") from None

    return read


def _stdin() -> Iterator[bytes]:
    stream = getattr(sys.stdin, "buffer", None)
    if stream is None:
        raise DflwrapError("there is no input to read from")
    first = stream.read1(CHUNK)
    reason = not_a_log(first)
    if reason is not None:
        raise DflwrapError(f"standard input is {reason}")
    yield first
    while chunk := stream.read1(CHUNK):
        yield chunk
