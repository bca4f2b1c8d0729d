"""Frames of the ledger on their way into the batch folder of an attempt, one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from dflwrap.common.errors import StoppedError
from dflwrap.common.retrying import retry_held_open
from dflwrap.common.storage import (
    LONGEST_PATH,
    is_device_error,
    is_listed,
    is_missing,
    is_too_long,
    path_too_long,
    read_error,
)
from dflwrap.common.waits import heeding, never
from dflwrap.frames.batch import UNFINISHED, BatchFolder, Way, batch_name
from dflwrap.frames.conversion import ConversionError, Converter, SourceUnreadError
from dflwrap.frames.decoding.decoder_errors import TOO_LARGE
from dflwrap.frames.filters import Filters, why_left_out
from dflwrap.frames.judgement import Entry, Judgement, judge_file, judge_size
from dflwrap.ledger.records import FrameRow
from dflwrap.telemetry.host import free_space, total_space

ROOM_FOR_FACES = 512 << 20
"""Bytes that copies of frames leave free; less where that is a tenth of the disk, or half of what was free."""

Scale = tuple[float, float]
StopAsked = Callable[[], bool]


@dataclass(slots=True)
class Batch:
    """The frames of an attempt under the names that the extractor sees."""

    frames: dict[str, FrameRow] = field(default_factory=dict)
    """Without those that were let go of."""
    let_go: int = 0
    """Frames that have their outcome, and of which nothing is kept: a stream may have a hundred thousand."""
    scales: dict[str, Scale] = field(default_factory=dict)
    """Original pixels per pixel handed in; only for frames that were scaled."""
    linked: set[str] = field(default_factory=set)
    """Those that are handed in as they are: nothing has decoded them yet."""
    refused: list[tuple[FrameRow, Judgement]] = field(default_factory=list)
    """Frames that turned out to be unreadable when they were prepared."""
    unread: list[tuple[FrameRow, OSError]] = field(default_factory=list)
    """Frames that the operating system did not hand out: missing, or on a device that fails. Not to blame."""
    left_out: list[tuple[FrameRow, str]] = field(default_factory=list)
    """Frames that the user's filters leave out, each with its reason."""
    in_place: set[str] = field(default_factory=set)
    """Names of those of `linked` that the extractor reads where they lie: the folder has nothing of them."""
    copies: set[str] = field(default_factory=set)
    """Names of those that take room of their own: converted, or neither to be linked here nor read in place."""
    cut: bool = False
    """There was no room for copies of all: the next attempt takes the others, when these are done with."""

    @property
    def copied(self) -> bool:
        """There are copies of frames that needed no conversion."""
        return not self.copies.isdisjoint(self.linked)

    @property
    def given(self) -> int:
        """Frames in all."""
        return len(self.frames) + self.let_go

    def forget(self, name: str) -> None:
        """Let go of a frame that has its outcome."""
        if self.frames.pop(name, None) is not None:
            self.let_go += 1
            self.scales.pop(name, None)
            self.linked.discard(name)
            self.copies.discard(name)
            self.in_place.discard(name)

    def take(self, made: Made) -> None:
        """Count what became of a frame, where it did not get into the folder."""
        if made.refused is not None:
            self.refused.append((made.row, made.refused))
        elif made.unread is not None:
            self.unread.append((made.row, made.unread))
        elif made.left_out:
            self.left_out.append((made.row, made.left_out))


@dataclass(frozen=True, slots=True)
class Made:
    """What became of one frame. Of the fields after `looked` one is set."""

    row: FrameRow
    """With what a look at it has shown."""
    looked: Judgement | None = None
    """It was looked at for the first time."""
    name: str = ""
    """In the batch folder."""
    refused: Judgement | None = None
    unread: OSError | None = None
    left_out: str = ""
    later: bool = False
    """It is not for this attempt."""


@dataclass(frozen=True, slots=True)
class Room:
    """What copies of frames leave free on a disk."""

    folder: Path
    kept: int
    """Bytes."""

    @classmethod
    def at(cls, folder: Path) -> Room:
        kept = min(ROOM_FOR_FACES, (total_space(folder) or 0) // 10, (free_space(folder) or 0) // 2)
        return cls(folder, kept)

    def is_short(self, coming: int = 0) -> bool:
        """Whether less than that would be left. coming: bytes of the copies that are to be made, or being made."""
        free = free_space(self.folder)
        return free is not None and free < self.kept + coming


def refusal(error: ConversionError) -> Judgement:
    """Why a frame that cannot be converted is refused."""
    cause = "decoder-warnings" if error.damaged else "imread-failed"
    if str(error) == TOO_LARGE:
        cause = "huge-image"
    return Judgement(Entry.REFUSE, f"damaged: {error}" if error.damaged else str(error), cause)


@dataclass(slots=True)
class FrameMaker:
    """Makes frames ready for the extractor: looked at, filtered, linked or converted. Several threads may use it."""

    source: Path
    folder: Path
    batch: Batch
    max_side: int = 0
    """Of the plan, pixels; a frame's own limit holds if it is smaller."""
    filters: Filters = field(default_factory=Filters)
    passed: set[int] = field(default_factory=set)
    """Frames that the filters let through; grows, and may be kept from attempt to attempt."""
    most_with_copies: int = 0
    """Frames in the batch once one of them has to be converted; 0 = any number."""
    in_place: bool = False
    """The extractor can be told of frames that lie elsewhere."""
    _brought: BatchFolder = field(init=False)

    def __post_init__(self) -> None:
        self._brought = BatchFolder(self.folder, in_place=self.in_place)

    def make(self, row: FrameRow, converter: Converter) -> Made:
        """A frame is entered in the batch before it shows in the folder, and whole as soon as it does.

        Raises OSError when the folder cannot be written, NeedsUserError where its path is too long for any file
        in it, StoppedError.
        """
        looked: Judgement | None = None
        if row.entry is Entry.UNSEEN:
            found = judge_file(self.source, row.file_name)
            if not found.unread:
                looked, row = found, row._replace(entry=found.entry, max_side=found.max_side)
            if looked is not None and looked.entry is Entry.REFUSE:
                return Made(row, looked, refused=looked)
        path = self.source / row.file_name
        if self.filters.any and row.id not in self.passed:
            reason = why_left_out(path, self.filters, converter)
            if reason is not None:
                return Made(row, looked, left_out=reason)
            self.passed.add(row.id)
        # What could not be looked at is for the decoder to tell.
        if row.entry in (Entry.CONVERT, Entry.UNSEEN) or self.max_side > 0:
            if 0 < self.most_with_copies <= len(self.batch.frames):
                return Made(row, looked, later=True)
            made = self._converted(row, path, converter)
        else:
            made = self._as_it_is(row, path)
        return replace(made, looked=looked)

    def _as_it_is(self, row: FrameRow, path: Path) -> Made:
        name = batch_name(row.id, row.file_name, plain=row.plain, converted=False)
        try:
            disk = path.stat().st_dev  # a symbolic link can be made to what is not there
            name = self._bring(row, path, name, disk)
        except OSError as error:
            unreadable = read_error(path, whole=is_device_error(error))
            if unreadable is None:
                raise
            return _not_read(row, path, unreadable)
        return Made(row, name=name)

    def _bring(self, row: FrameRow, path: Path, name: str, disk: int) -> str:
        """Take the frame into the batch; its name there, a short one where its own makes the path too long."""
        short = batch_name(row.id, row.file_name, plain=False, converted=False)
        try:
            return self._bring_as(row, path, name, disk)
        except OSError as error:
            if not is_too_long(error, self.folder / name):
                raise
            if len(short) >= len(name):
                raise path_too_long(self.folder) from error
        try:
            return self._bring_as(row, path, short, disk)
        except OSError as error:
            if is_too_long(error, self.folder / short):
                raise path_too_long(self.folder) from error
            raise

    def _bring_as(self, row: FrameRow, path: Path, name: str, disk: int) -> str:
        self.batch.frames[name] = row
        self.batch.linked.add(name)
        try:
            way = self._brought.bring(path, name, disk)
        except OSError:
            del self.batch.frames[name]
            self.batch.linked.discard(name)
            raise
        if way is Way.IN_PLACE:
            self.batch.in_place.add(name)
        elif way is Way.COPY:
            self.batch.copies.add(name)
        return name

    def _converted(self, row: FrameRow, path: Path, converter: Converter) -> Made:
        name = batch_name(row.id, row.file_name, plain=row.plain, converted=True)
        bound = min((side for side in (row.max_side, self.max_side) if side), default=0)
        # No image by its name until it is whole: an extractor lists the folder when it likes.
        unfinished = (self.folder / name).with_suffix(UNFINISHED)
        try:
            result = converter.convert(path, unfinished, bound)
            too_small = judge_size(result.width, result.height)
            if too_small:
                unfinished.unlink()
                return Made(row, refused=too_small)
            self.batch.frames[name] = row
            self.batch.copies.add(name)
            if result.scale is not None:
                self.batch.scales[name] = result.scale
            retry_held_open(lambda: unfinished.rename(self.folder / name))
        except SourceUnreadError as unread:
            return _not_read(row, path, unread.error)
        except ConversionError as error:
            return Made(row, refused=refusal(error))
        except OSError as error:
            if is_too_long(error, self.folder / name):
                raise path_too_long(self.folder) from error
            raise
        return Made(row, name=name)


def make_batch(
    source: Path, folder: Path, rows: Sequence[FrameRow], *, max_side: int = 0, stopping: StopAsked = never
) -> Batch:
    """Fill `folder` (new) with links to, or converted copies of, frames in `source`, until the disk has no more room.

    max_side: of the plan, pixels. stopping: asked before each frame. Raises as `FrameMaker.make`, but for its
    StoppedError.
    """
    folder.mkdir()
    batch, room = Batch(), Room.at(folder)
    maker = FrameMaker(source, folder, batch, max_side)
    with Converter(stopping) as converter, suppress(StoppedError):
        for row in heeding(stopping, rows):
            made = maker.make(row, converter)
            batch.take(made)
            batch.cut = made.name in batch.copies and room.is_short()
            if batch.cut:
                break
    return batch


def _not_read(row: FrameRow, path: Path, error: OSError) -> Made:
    if is_missing(error) and len(str(path)) > LONGEST_PATH and is_listed(path):
        reason = "its path is longer than the system allows"
        return Made(row, refused=Judgement(Entry.REFUSE, reason, "path-too-long"))
    if is_missing(error) or is_device_error(error):
        return Made(row, unread=error)
    reason = f"cannot be opened: {error.strerror}"
    return Made(row, refused=Judgement(Entry.REFUSE, reason, "imread-failed"))
