"""Moving finished faces from an attempt's private output into the user's faceset.

The order is what makes it safe: verified -> flushed to the disk -> journalled -> moved -> settled. It is kept per
group of frames that came back together, which share one entry of the journal and one flush of the folder: on a disk
that takes 10 ms for a flush, each frame by itself would cost fifty. A crash after any step is repaired by `repair` on
the next start. Nothing in the faceset is ever replaced.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dflwrap.common.retrying import retry_held_open
from dflwrap.common.storage import cannot_write
from dflwrap.common.trees import is_link
from dflwrap.faceset.face_file.errors import FaceFileError, NotWholeError
from dflwrap.faceset.face_file.metadata import FaceMetadata, rewrite, scale_source
from dflwrap.faceset.face_file.verify import verify_face
from dflwrap.faceset.facts import face_facts
from dflwrap.faceset.moving import (
    flush_files,
    flush_folder,
    is_same,
    move_without_overwriting,
    remove_parts,
)
from dflwrap.frames.fingerprint import fingerprint
from dflwrap.ledger.ledger import Ledger
from dflwrap.ledger.records import FaceFacts, FrameRow, Move
from dflwrap.ledger.values import DEBUG_PREFIX

MOST_AT_ONCE = 500
"""Frames of one group."""


@dataclass(frozen=True, slots=True)
class FinishedFrame:
    """A frame that an extractor says it has finished."""

    frame: FrameRow
    batch_name: str
    faces: tuple[str, ...]
    """File names in the private output folder, as claimed."""
    scale: tuple[float, float] = (1.0, 1.0)
    """Original pixels per pixel of what the extractor saw, x and y."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A finished frame whose faces are not what was claimed; nothing of it was moved."""

    frame: FrameRow
    reason: str


class Promoter:
    """Promotes faces for one run. Single-threaded, as the ledger is."""

    def __init__(
        self, ledger: Ledger, run_folder: Path, faceset: Path, image_size: int, source: Path | None = None
    ) -> None:
        """source: folder of the frames, whose fingerprints are taken when they come back (they are in the cache)."""
        self._ledger = ledger
        self._source = source
        self._run_folder = run_folder
        self._faceset = faceset
        self._debug = faceset.with_name(faceset.name + "_debug")
        self._image_size = image_size

    def promote(
        self, finished: Sequence[FinishedFrame], output: Path, attempt: int, *, keep_debug: bool
    ) -> list[Refused]:
        """Verify and move the faces of finished frames; frames without a face become `no_face`.

        Raises NeedsUserError when the faceset or the ledger cannot be written.
        """
        refused: list[Refused] = []
        for start in range(0, len(finished), MOST_AT_ONCE):
            group = finished[start : start + MOST_AT_ONCE]
            refused += self._promote_group(group, output, attempt, keep_debug=keep_debug)
        return refused

    def _promote_group(
        self, finished: Sequence[FinishedFrame], output: Path, attempt: int, *, keep_debug: bool
    ) -> list[Refused]:
        refused: list[Refused] = []
        moves: list[Move] = []
        frames: list[int] = []
        for item in finished:
            try:
                ready = self._ready(item, output)
            except FaceFileError as error:
                refused.append(Refused(item.frame, str(error)))
                continue
            except OSError as error:
                raise cannot_write(output, error) from error
            frames.append(item.frame.id)
            moves += [self._move(path, name, item.frame.id, attempt, facts) for path, name, facts in ready]
            if keep_debug:
                moves += self._debug_move(item, output, attempt)
        if not frames:
            return refused
        try:
            flush_files([self._run_folder / move.source for move in moves if move.facts is not None])
        except OSError as error:
            raise cannot_write(output, error) from error
        self._ledger.journal(moves)
        self._make(moves)
        came_back = [item.frame for item in finished if item.frame.id in set(frames)]
        self._ledger.settle_promoted(frames, attempt, self._fingerprints(came_back))
        return refused

    def _fingerprints(self, rows: Sequence[FrameRow]) -> dict[int, str]:
        """Of the frames whose files are still as they were entered: of the others it would be another content's."""
        if self._source is None:
            return {}
        found = {}
        for row in rows:
            path = self._source / row.file_name
            try:
                info = path.stat()
                if (info.st_size, info.st_mtime_ns) == self._ledger.size(row.id):
                    found[row.id] = fingerprint(path)
            except OSError:
                continue
        return found

    def _ready(self, item: FinishedFrame, output: Path) -> list[tuple[Path, str, FaceFacts]]:
        """Verified files with the names they get; rewritten in place where the metadata must change."""
        stem = os.path.splitext(item.batch_name)[0]  # noqa: PTH122
        pattern = re.compile(re.escape(stem) + r"_([0-9]{1,6})\.jpg")
        ready = []
        indices: set[int] = set()
        for name in item.faces:
            match = pattern.fullmatch(name)
            if match is None:
                raise NotWholeError(f"the extractor names a face that is not of this frame: {name[:200]!r}")
            path = output / name
            if path.is_symlink() or (path.exists() and not path.is_file()):
                raise NotWholeError(f"the face is a link, a folder or a pipe, not a file: {name!r}")
            metadata = verify_face(path, self._image_size)
            if metadata.source_filename != item.batch_name:
                raise NotWholeError(f"the face says it is from {str(metadata.source_filename)[:200]!r}")
            wanted = _as_of_the_users_frame(metadata, item)
            if wanted != metadata:
                _rewrite_file(path, wanted)
            indices.add(int(match[1]))
            ready.append((path, f"{item.frame.stem}_{match[1]}.jpg", face_facts(path, wanted)))
        if indices != set(range(len(item.faces))):
            raise NotWholeError("the extractor's list of its faces has gaps or repeats")
        if (output / f"{stem}_{len(indices)}.jpg").exists():
            raise NotWholeError("there are more faces of it than the extractor says")
        return ready

    def _move(
        self, path: Path, target: str, frame: int, attempt: int, facts: FaceFacts | None = None
    ) -> Move:
        return Move(path.relative_to(self._run_folder).as_posix(), target, frame, attempt, facts)

    def _debug_move(self, item: FinishedFrame, output: Path, attempt: int) -> list[Move]:
        stem = os.path.splitext(item.batch_name)[0]  # noqa: PTH122
        path = output.with_name(output.name + "_debug") / f"{stem}.jpg"
        target = f"{item.frame.stem}.jpg"
        if not path.is_file():
            return []
        if os.path.lexists(self._debug / target):  # of an earlier result: the new one wins
            set_aside(self._debug / target, self._run_folder)
        return [self._move(path, DEBUG_PREFIX + target, item.frame.id, attempt)]

    def target_path(self, target: str) -> Path:
        if target.startswith(DEBUG_PREFIX):
            return self._debug / target.removeprefix(DEBUG_PREFIX)
        return self._faceset / target

    def _make(self, moves: Iterable[Move]) -> None:
        folders = set()
        for move in moves:
            target = self.target_path(move.target)
            try:
                if move.target.startswith(DEBUG_PREFIX):
                    self._debug.mkdir(exist_ok=True)
                move_without_overwriting(self._run_folder / move.source, target)
            except OSError as error:
                raise cannot_write(target, error) from error
            folders.add(target.parent)
        for folder in folders:
            flush_folder(folder)

    def repair(self) -> None:
        """Finish, or take back, the moves that a crash interrupted."""
        by_frame: dict[int, list[Move]] = {}
        for move in self._ledger.pending_moves():
            by_frame.setdefault(move.frame, []).append(move)
            self._remove_parts(move)
        todo: list[Move] = []
        made: dict[int, list[int]] = {}
        given_up: list[int] = []
        for frame, moves in by_frame.items():
            left = self._left(moves)
            if left is None:
                self._take_back(moves)
                given_up.append(frame)
            else:
                todo += left
                made.setdefault(moves[0].attempt, []).append(frame)
        self._make(todo)
        with self._ledger.transaction():
            for attempt, frames in made.items():
                self._ledger.settle_promoted(frames, attempt)
            for frame in given_up:
                self._ledger.forget_moves(frame)

    def _remove_parts(self, move: Move) -> None:
        source, target = self._run_folder / move.source, self.target_path(move.target)
        try:
            for whole in (source, target):
                if whole.is_file():
                    remove_parts(target, whole)
        except OSError as error:
            raise cannot_write(target, error) from error

    def _left(self, moves: list[Move]) -> list[Move] | None:
        """The moves of a frame that are still to be made; None where they cannot all be."""
        todo = []
        for move in moves:
            source, target = self._run_folder / move.source, self.target_path(move.target)
            if self._has_source(move):
                if not os.path.lexists(target):
                    todo.append(move)
                elif is_same(target, source):
                    source.unlink()  # the crash fell between link and unlink: the file has both names
                else:
                    return None
            elif not os.path.lexists(target):
                return None
        for move in todo:
            if not move.target.startswith(DEBUG_PREFIX):
                try:
                    verify_face(self._run_folder / move.source, self._image_size)
                except FaceFileError:
                    return None
                except OSError as error:
                    raise cannot_write(self._run_folder / move.source, error) from error
        return todo

    def _has_source(self, move: Move) -> bool:
        """The file is there, and it is ours: not behind a link that someone has put on the way to it."""
        source = self._run_folder / move.source
        on_the_way = source.relative_to(self._run_folder).parents
        return os.path.lexists(source) and not any(is_link(self._run_folder / one) for one in on_the_way)

    def _take_back(self, moves: list[Move]) -> None:
        """Put faces of an incomplete frame aside (never delete), so that it can be extracted again."""
        for move in moves:
            target = self.target_path(move.target)
            if os.path.lexists(target) and not self._has_source(move):
                set_aside(target, self._run_folder)


def set_aside(path: Path, run_folder: Path) -> Path:
    """Move a file of the faceset into `<run folder>/set_aside/`, under a free name.

    Raises NeedsUserError where it cannot be moved.
    """
    folder = run_folder / "set_aside"
    folder.mkdir(exist_ok=True)
    number, target = 0, folder / path.name
    while True:
        try:
            move_without_overwriting(path, target)
        except FileExistsError:
            number += 1
            target = folder / f"{path.stem}.{number}{path.suffix}"
            continue
        except OSError as error:
            raise cannot_write(target, error) from error
        return target


def _as_of_the_users_frame(metadata: FaceMetadata, item: FinishedFrame) -> FaceMetadata:
    if item.scale != (1.0, 1.0):
        metadata = scale_source(metadata, *item.scale)
    if metadata.source_filename != item.frame.source_name:
        metadata = replace(metadata, source_filename=item.frame.source_name)
    return metadata


def _rewrite_file(path: Path, wanted: FaceMetadata) -> None:
    part = path.with_name(path.name + ".rewritten")
    content = rewrite(retry_held_open(path.read_bytes), lambda _: wanted)
    retry_held_open(lambda: part.write_bytes(content))
    retry_held_open(lambda: part.replace(path))
