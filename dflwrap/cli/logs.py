"""Opening what the user points at: a log, a folder of logs, a run folder, an archive, stdin."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from dflwrap.common.errors import DflwrapError

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


def find_logs(argument: str) -> list[Log]:
    """The logs behind one argument ("-" is stdin). Raises DflwrapError with a sentence for the user."""
    if argument == "-":
        return [Log("stdin", (("stdin", _stdin),))]
    path = Path(argument)
    try:
        if path.is_dir():
            return _folder(path)
        if not path.exists():
            if any(sign in path.name for sign in "*?"):  # cmd.exe leaves wildcards to the program
                found = sorted(path.parent.glob(path.name))
                if found:
                    return [log for one in found if one.is_file() for log in _file(one)]
            raise DflwrapError(f"there is no file or folder {argument}")
        if not path.is_file():
            raise DflwrapError(f"{argument} is not a regular file")
        return _file(path)
    except OSError as error:
        raise DflwrapError(f"cannot read {argument}: {error.strerror or error}") from None


def _folder(path: Path) -> list[Log]:
    attempts = path / "attempts"
    if attempts.is_dir():
        found = [log for folder in sorted(attempts.iterdir()) if folder.is_dir() for log in _attempt(folder)]
        if not found:
            raise DflwrapError(f"the run folder {path} holds no attempt with a log yet")
        return found
    attempt = _attempt(path)
    if attempt:
        return attempt
    files = [p for p in sorted(path.iterdir()) if p.is_file() and p.suffix.lower() in _SUFFIXES]
    logs = [log for file in files for log in _file(file)]
    if not logs:
        raise DflwrapError(f"no log in {path} (looked for *.log, *.txt, *.out, *.err, *.gz, *.zip)")
    return logs


def _attempt(folder: Path) -> list[Log]:
    streams = tuple((name, _plain(folder / name)) for name in _STREAMS if (folder / name).is_file())
    return [Log(str(folder), streams)] if streams else []


def _file(path: Path) -> list[Log]:
    with path.open("rb") as stream:
        magic = stream.read(4)
    if magic.startswith(b"\x1f\x8b"):
        return [Log(str(path), ((path.name, _gzip(path)),))]
    if magic.startswith(b"PK\x03\x04") or magic.startswith(b"PK\x05\x06"):
        return _zip(path)
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
    return [Log(f"{path}:{m.filename}", ((m.filename, _member(path, m.filename)),)) for m in members]


def _read(stream: IO[bytes]) -> Iterator[bytes]:
    import zipfile
    import zlib

    left = MAX_UNPACKED
    while left > 0:
        try:
            chunk = stream.read(CHUNK)
        except (OSError, EOFError, zlib.error, zipfile.BadZipFile):
            return  # cut or damaged: what could be unpacked is judged
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


def _gzip(path: Path) -> Opener:
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
                    return  # damaged: what could be unpacked is judged
                left -= len(out)
                if out:
                    yield out
                data = unpacker.unconsumed_tail
                if unpacker.eof:
                    data, unpacker = unpacker.unused_data, zlib.decompressobj(31)
                data = data or stream.read(CHUNK)

    return read


def _member(path: Path, name: str) -> Opener:
    def read() -> Iterator[bytes]:
        import zipfile

        try:
            with zipfile.ZipFile(path) as archive, archive.open(name) as stream:
                yield from _read(stream)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
            raise DflwrapError(f"cannot unpack {name} from {path}: {error}") from None

    return read


def _stdin() -> Iterator[bytes]:
    stream = getattr(sys.stdin, "buffer", None)
    if stream is None:
        raise DflwrapError("there is no input to read from")
    while chunk := stream.read1(CHUNK):
        yield chunk
