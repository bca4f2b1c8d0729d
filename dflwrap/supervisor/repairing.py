"""Frames prepared anew while an attempt runs: the supervisor's answer to `repair_wanted`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from dflwrap.frames.conversion import ConversionError, Converter
from dflwrap.frames.judgement import REPAIR_SIDE, judge_size
from dflwrap.ledger.records import FrameRow
from dflwrap.supervisor.batching import Batch, Scale

REFUSED = ".refused"


def repair_bound(row: FrameRow) -> int:
    """Longest side, in pixels, of the copy of a frame that is prepared anew."""
    return min(row.max_side or REPAIR_SIDE, REPAIR_SIDE)


class Repairer:
    """Copies frames of a batch into a folder, one after another, beside the attempt.

    Not covered: which frames; the extractor asks, and the caller decides.
    """

    def __init__(self, source: Path, folder: Path, batch: Batch, max_side: int) -> None:
        """max_side: of the plan, pixels, 0 = none. `folder` is made on first use."""
        self._source, self._folder, self._batch, self._max_side = source, folder, batch, max_side
        self._converter = Converter()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="repairs")
        self._asked: set[str] = set()
        self.scales: dict[str, Scale] = {}
        """Original pixels per pixel of the copies that were scaled, by batch name."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._converter.close()
        self._thread.shutdown(wait=True)

    def ask(self, name: str) -> FrameRow | None:
        """Begin with the copy of a frame of the batch. None if it has been asked for, or is not one of them."""
        row = self._batch.frames.get(name)
        if row is None or name in self._asked:
            return None
        self._asked.add(name)
        self._thread.submit(self._answer, name, row)
        return row

    def _answer(self, name: str, row: FrameRow) -> None:
        try:
            self._folder.mkdir(exist_ok=True)
            unfinished = self._folder / f"{name}.part"
            bound = min(side for side in (repair_bound(row), self._max_side) if side)
            result = self._converter.convert(self._source / row.file_name, unfinished, bound)
            if judge_size(result.width, result.height):
                raise ConversionError("its size is not one that an extractor looks at")
            if (result.out_width, result.out_height) != (result.width, result.height):
                self.scales[name] = (result.width / result.out_width, result.height / result.out_height)
            unfinished.rename(self._folder / name)
        except (ConversionError, OSError):
            # The next attempt prepares it once more and says why it cannot; here the extractor waits.
            self._refuse(name)

    def _refuse(self, name: str) -> None:
        try:
            (self._folder / f"{name}{REFUSED}").touch()
        except OSError:
            return  # the extractor's own bound ends its waiting
