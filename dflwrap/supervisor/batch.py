"""Making the batch folder of an attempt from frames of the ledger."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dflwrap.common.errors import StoppedError
from dflwrap.common.storage import (
    LONGEST_PATH,
    is_device_error,
    is_listed,
    is_missing,
    is_too_long,
    path_too_long,
    read_error,
)
from dflwrap.common.waits import never
from dflwrap.frames.batch import batch_name, link_frame
from dflwrap.frames.conversion import ConversionError, Converter, SourceUnreadError
from dflwrap.frames.decoding.decoder_errors import TOO_LARGE
from dflwrap.frames.judgement import Entry, Judgement, judge_size
from dflwrap.ledger.records import FrameRow
from dflwrap.telemetry.host import free_space, total_space

ROOM_FOR_FACES = 512 << 20
"""Bytes that copies of frames leave free; less where that is a tenth of the disk, or half of what was free."""

Scale = tuple[float, float]


@dataclass(slots=True)
class Batch:
    """The frames of an attempt under the names that the extractor sees."""

    frames: dict[str, FrameRow] = field(default_factory=dict)
    scales: dict[str, Scale] = field(default_factory=dict)
    """Original pixels per pixel handed in; only for frames that were scaled."""
    linked: set[str] = field(default_factory=set)
    """Those that are handed in as they are: nothing has decoded them yet."""
    refused: list[tuple[FrameRow, Judgement]] = field(default_factory=list)
    """Frames that turned out to be unreadable when they were prepared."""
    unread: list[tuple[FrameRow, OSError]] = field(default_factory=list)
    """Frames that the operating system did not hand out: missing, or on a device that fails. Not to blame."""
    copies: int = 0
    """Frames that take room of their own: converted, or not to be linked here."""
    cut: bool = False
    """There was no room for copies of all: the next attempt takes the others, when these are done with."""

    def took_room(self, folder: Path, kept: int) -> bool:
        """Count a copy; True where the disk has no more than the `kept` bytes, which are for faces."""
        self.copies += 1
        free = free_space(folder)
        self.cut = free is not None and free < kept
        return self.cut


def refusal(error: ConversionError) -> Judgement:
    """Why a frame that cannot be converted is refused."""
    cause = "decoder-warnings" if error.damaged else "imread-failed"
    if str(error) == TOO_LARGE:
        cause = "huge-image"
    return Judgement(Entry.REFUSE, f"damaged: {error}" if error.damaged else str(error), cause)


def make_batch(
    source: Path,
    folder: Path,
    rows: Sequence[FrameRow],
    *,
    max_side: int = 0,
    stopping: Callable[[], bool] = never,
) -> Batch:
    """Fill `folder` (new) with links to, or converted copies of, frames in `source`.

    max_side: of the plan, pixels; a frame's own limit holds if it is smaller. stopping: asked before each frame. Raises
    OSError when the folder cannot be written, NeedsUserError where its path is too long for any file in it; a
    frame that cannot be read ends in `refused` or `unread`.
    """
    folder.mkdir()
    batch = Batch()
    kept = min(ROOM_FOR_FACES, (total_space(folder) or 0) // 10, (free_space(folder) or 0) // 2)
    with Converter(stopping) as converter:
        for row in rows:
            if stopping():
                break
            path = source / row.file_name
            convert = row.entry is Entry.CONVERT or max_side > 0
            name = batch_name(row.id, row.file_name, plain=row.plain, converted=convert)
            if not convert:
                try:
                    path.stat()  # a symbolic link can be made to what is not there
                    name, copied = _link(row, path, folder, name)
                    batch.frames[name] = row
                    batch.linked.add(name)
                    if copied and batch.took_room(folder, kept):
                        break
                except OSError as error:
                    unreadable = read_error(path, whole=is_device_error(error))
                    if unreadable is None:
                        raise
                    _not_read(batch, row, path, unreadable)
                continue
            bound = min((side for side in (row.max_side, max_side) if side), default=0)
            try:
                result = converter.convert(path, folder / name, bound)
            except SourceUnreadError as unread:
                _not_read(batch, row, path, unread.error)
                continue
            except StoppedError:
                break
            except ConversionError as error:
                batch.refused.append((row, refusal(error)))
                continue
            except OSError as error:
                if is_too_long(error, folder / name):
                    raise path_too_long(folder) from error
                raise
            too_small = judge_size(result.width, result.height)
            if too_small:
                (folder / name).unlink()
                batch.refused.append((row, too_small))
                continue
            batch.frames[name] = row
            if result.scale is not None:
                batch.scales[name] = result.scale
            if batch.took_room(folder, kept):
                break
    return batch


def _not_read(batch: Batch, row: FrameRow, path: Path, error: OSError) -> None:
    if is_missing(error) and len(str(path)) > LONGEST_PATH and is_listed(path):
        reason = "its path is longer than the system allows"
        batch.refused.append((row, Judgement(Entry.REFUSE, reason, "path-too-long")))
    elif is_missing(error) or is_device_error(error):
        batch.unread.append((row, error))
    else:
        reason = f"cannot be opened: {error.strerror}"
        batch.refused.append((row, Judgement(Entry.REFUSE, reason, "imread-failed")))


def _link(row: FrameRow, path: Path, folder: Path, name: str) -> tuple[str, bool]:
    """Link the frame into the batch; its name there, and whether it had to be copied.

    The name is a short one where its own makes the path too long.
    """
    short = batch_name(row.id, row.file_name, plain=False, converted=False)
    try:
        return name, link_frame(path, folder / name)
    except OSError as error:
        if not is_too_long(error, folder / name):
            raise
        if len(short) >= len(name):
            raise path_too_long(folder) from error
    try:
        return short, link_frame(path, folder / short)
    except OSError as error:
        if is_too_long(error, folder / short):
            raise path_too_long(folder) from error
        raise
