"""Making the batch folder of an attempt from frames of the ledger."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dflwrap.frames.batch import batch_name, link_frame
from dflwrap.frames.conversion import ConversionError, Converter
from dflwrap.frames.judgement import Entry, Judgement, judge_size
from dflwrap.ledger.records import FrameRow

Scale = tuple[float, float]


@dataclass(slots=True)
class Batch:
    """The frames of an attempt under the names that the extractor sees."""

    frames: dict[str, FrameRow] = field(default_factory=dict)
    scales: dict[str, Scale] = field(default_factory=dict)
    """Original pixels per pixel handed in; only for frames that were scaled."""
    refused: list[tuple[FrameRow, Judgement]] = field(default_factory=list)
    """Frames that turned out to be unreadable when they were prepared."""


def make_batch(
    source: Path,
    folder: Path,
    rows: Sequence[FrameRow],
    *,
    max_side: int = 0,
    stopping: Callable[[], bool] = lambda: False,
) -> Batch:
    """Fill `folder` (new) with links to, or converted copies of, frames in `source`.

    max_side: of the plan, pixels; a frame's own bound holds if it is smaller. Raises OSError when the
    folder cannot be written; a frame that cannot be read ends in `refused`.
    """
    folder.mkdir()
    batch = Batch()
    with Converter() as converter:
        for row in rows:
            if stopping():
                break
            convert = row.entry is Entry.CONVERT or max_side > 0
            name = batch_name(row.id, row.file_name, plain=row.plain, converted=convert)
            if not convert:
                try:
                    link_frame(source / row.file_name, folder / name)
                except FileNotFoundError:
                    batch.refused.append((row, Judgement(Entry.REFUSE, "the file is gone", "imread-failed")))
                    continue
                batch.frames[name] = row
                continue
            bound = min((side for side in (row.max_side, max_side) if side), default=0)
            try:
                result = converter.convert(source / row.file_name, folder / name, bound)
            except ConversionError as error:
                batch.refused.append((row, Judgement(Entry.REFUSE, str(error), "imread-failed")))
                continue
            too_small = judge_size(result.width, result.height)
            if too_small:
                (folder / name).unlink()
                batch.refused.append((row, too_small))
                continue
            batch.frames[name] = row
            if result.scale is not None:
                batch.scales[name] = result.scale
    return batch
