"""What a file of the faceset folder is that no record is about: read as a whole, and told in few words.

Also a program of its own, for `many_strangers`: a request a line on stdin, an answer a line on stdout, both JSON.
"""

from __future__ import annotations

import json
import marshal
import os
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from dflwrap.common.retrying import retry_held_open
from dflwrap.faceset.face_file.errors import FaceFileError, HostileMetadataError, TornFaceError
from dflwrap.faceset.face_file.jpeg import check_image_data, header_segments, image_size
from dflwrap.faceset.face_file.metadata import metadata_in
from dflwrap.faceset.face_file.verify import verify_bytes
from dflwrap.faceset.facts import digest_of
from dflwrap.ledger.records import FaceFacts


class StrangerKind(StrEnum):
    """What a file is that the run has not put there."""

    WHOLE = "whole"
    TORN = "torn"
    """What a killed extractor leaves: cut short, empty, or the bare JPEG before its metadata came."""
    HOSTILE = "hostile"
    """Its metadata would run code when DeepFaceLab loads it."""
    OTHER = "other"
    """No face of DeepFaceLab's, or not readable."""


@dataclass(frozen=True, slots=True)
class Stranger:
    """A file of the faceset folder that no record is about. Of its metadata only what is asked for later: a face's
    landmarks take 15 KiB.
    """

    name: str
    kind: StrangerKind
    source: str = ""
    """File name of the frame, as a whole face says."""
    face_type: str = ""
    size: tuple[int, int] = (0, 0)
    """Of the picture, pixels; (0, 0) = not known."""
    facts: FaceFacts | None = None
    """Of a whole face."""
    problem: str = ""


class Strangers(Collection[Stranger]):
    """Strangers in a quarter of the room, unpacked when they are asked for: there may be a hundred thousand."""

    def __init__(self, found: Iterable[Stranger] = ()) -> None:
        self._packed = [marshal.dumps((one.name, *_as_plain(one))) for one in found]

    def __len__(self) -> int:
        return len(self._packed)

    def __iter__(self) -> Iterator[Stranger]:
        return (_unpacked(packed) for packed in self._packed)

    def __getitem__(self, place: int) -> Stranger:
        return _unpacked(self._packed[place])

    def __contains__(self, one: object) -> bool:
        return any(one == other for other in self)

    def leave_out(self, names: Collection[str]) -> None:
        self._packed = [packed for packed in self._packed if _unpacked(packed).name not in names]


def look_at(path: Path, side: int) -> Stranger:
    """side: of a face in pixels, for telling a half-written face from a stranger's picture. Raises nothing."""
    if path.is_symlink() or not path.is_file():
        return Stranger(path.name, StrangerKind.OTHER, problem="a link or a folder, not a file")
    try:
        info = path.stat()
        data = retry_held_open(path.read_bytes)
    except OSError as error:
        return Stranger(path.name, StrangerKind.OTHER, problem=f"cannot be read: {error.strerror or error}")
    try:
        metadata = verify_bytes(data)
        size = image_size(data, header_segments(data))
    except FaceFileError as error:
        if isinstance(error.__cause__, HostileMetadataError):
            return Stranger(path.name, StrangerKind.HOSTILE, problem=str(error))
        kind = StrangerKind.TORN if is_torn(data, side) else StrangerKind.OTHER
        return Stranger(path.name, kind, problem=str(error))
    facts = FaceFacts(len(data), info.st_mtime_ns, digest_of(data), metadata.source_rect)
    source = metadata.source_filename or ""
    return Stranger(path.name, StrangerKind.WHOLE, source, sys.intern(metadata.face_type), size, facts)


def is_torn(data: bytes, side: int) -> bool:
    """What a killed extractor leaves: cut short, empty, or the bare JPEG before its metadata came."""
    try:
        segments = header_segments(data)
        check_image_data(data, segments)
        return metadata_in(data, segments) is None and image_size(data, segments) == (side, side)
    except TornFaceError:
        return True
    except FaceFileError:
        return False


def request(folder: Path, names: Sequence[str], side: int) -> bytes:
    """A line for the program below."""
    question = {"folder": os.fsencode(folder).hex(), "names": list(names), "side": side}
    return json.dumps(question).encode("ascii") + b"\n"


def parsed(line: bytes, names: Sequence[str]) -> list[Stranger]:
    """Its answer. Raises ValueError for what is none."""
    answers = json.loads(line)
    try:
        return [_stranger(name, *answer) for name, answer in zip(names, answers, strict=True)]
    except (TypeError, KeyError) as error:
        raise ValueError("not an answer") from error


def _unpacked(packed: bytes) -> Stranger:
    return _stranger(*marshal.loads(packed))  # noqa: S302 - of this process, never from a file


def _stranger(
    name: str,
    kind: str,
    source: str,
    face_type: str,
    size: Sequence[int],
    facts: Sequence[Any] | None,
    problem: str,
) -> Stranger:
    known = None
    if facts is not None:
        length, mtime_ns, digest, rect = facts
        known = FaceFacts(length, mtime_ns, bytes.fromhex(digest), None if rect is None else tuple(rect))
    width, height = size
    return Stranger(name, StrangerKind(kind), source, sys.intern(face_type), (width, height), known, problem)


def _as_plain(found: Stranger) -> list[Any]:
    facts = found.facts
    known = None if facts is None else [facts.size, facts.mtime_ns, facts.digest.hex(), facts.rect]
    return [found.kind.value, found.source, found.face_type, found.size, known, found.problem]


def main() -> None:
    """Answer until stdin ends."""
    for line in sys.stdin.buffer:
        question = json.loads(line)
        folder = Path(os.fsdecode(bytes.fromhex(question["folder"])))
        found = [_as_plain(look_at(folder / name, question["side"])) for name in question["names"]]
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
