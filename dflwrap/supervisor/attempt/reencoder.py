"""Frames re-encoded while an attempt runs: the supervisor's answer to `repair_wanted`."""

from __future__ import annotations

import queue
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from dflwrap.common.plan import REPAIR_BOUND
from dflwrap.common.retrying import retry_held_open
from dflwrap.common.waits import join
from dflwrap.extractors.control_file import NO_COPY, ControlWriter
from dflwrap.frames.conversion import ConversionError, Converter
from dflwrap.frames.decoder_child import SpareDecoders
from dflwrap.frames.judgement import judge_size
from dflwrap.frames.sizes import REPAIR_SIDE
from dflwrap.ledger.records import FrameRow
from dflwrap.supervisor.batch import Batch, Scale

REFUSED, UNFINISHED = ".no", ".new"
END_BOUND = 15.0
"""Seconds for the copy under way at the end; its decoder is killed: only a disk that does not answer needs them."""


def repair_bound(row: FrameRow) -> int:
    """Longest side, in pixels, of the copy of a frame that is re-encoded."""
    return min(row.max_side or REPAIR_SIDE, REPAIR_SIDE)


class Reencoder:
    """Copies frames of a batch into a folder, one after another, beside the attempt.

    Not covered: which frames; the extractor asks, and the caller decides.
    """

    def __init__(
        self,
        source: Path,
        folder: Path,
        batch: Batch,
        max_side: int,
        control: Path | None = None,
        spares: SpareDecoders | None = None,
    ) -> None:
        """max_side: of the plan, pixels, 0 = none. `folder` is made on first use. control: the attempt's control
        file; None = it has none. spares: as for `Converter`."""
        self._source, self._folder, self._batch, self._max_side = source, folder, batch, max_side
        self._control = ControlWriter(str(control)) if control is not None else None
        self._converter = Converter(spares=spares)
        self._asked: set[str] = set()
        self._waiting: queue.SimpleQueue[tuple[str, FrameRow, float] | None] = queue.SimpleQueue()
        self._ended = False
        # A daemon: where the disk under a copy never answers, neither the attempt nor dflwrap's own end waits for it.
        self._thread = threading.Thread(target=self._work, name="repairs", daemon=True)
        self.scales: dict[str, Scale] = {}
        """Original pixels per pixel of the copies that were scaled, by batch name."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended = True
        self._waiting.put(None)
        deadline = time.monotonic() + END_BOUND
        while self._thread.is_alive() and time.monotonic() < deadline:
            self._converter.close()  # ends a conversion under way; one may just be beginning
            join(self._thread, 0.1)

    def ask(self, name: str) -> FrameRow | None:
        """Begin with the copy of a frame of the batch. None if it has been asked for, or is not one of them."""
        row = self._batch.frames.get(name)
        if row is None or name in self._asked or self._ended:
            return None
        self._asked.add(name)
        self._waiting.put((name, row, time.monotonic() + REPAIR_BOUND))
        return row

    def settled(self, name: str) -> None:
        """The frame has its outcome: its copy only takes room."""
        if name in self._asked:
            with suppress(OSError):
                (self._folder / name).unlink(missing_ok=True)

    def _work(self) -> None:
        for name, row, deadline in iter(self._waiting.get, None):
            if not self._ended:
                self._answer(name, row, deadline)
            if self._waiting.empty():
                self._converter.rest()

    def _answer(self, name: str, row: FrameRow, deadline: float) -> None:
        try:
            self._folder.mkdir(exist_ok=True)
            if time.monotonic() < deadline and not self._ended:
                self._copy(name, row)
                return
        except Exception:
            # The next attempt re-encodes it again and says why it cannot; here the extractor waits.
            with suppress(OSError):
                (self._folder / f"{name}{UNFINISHED}").unlink(missing_ok=True)
        try:
            (self._folder / f"{name}{REFUSED}").touch()
        except OSError:
            # A disk without inodes takes no new file, but a line in one that is there. Where it takes neither, the
            # extractor's own timeout ends its wait.
            if self._control is not None:
                with suppress(OSError):
                    self._control.send({"type": NO_COPY, "frame": name})

    def _copy(self, name: str, row: FrameRow) -> None:
        unfinished = self._folder / f"{name}{UNFINISHED}"
        bound = min(side for side in (repair_bound(row), self._max_side) if side)
        result = self._converter.convert(self._source / row.file_name, unfinished, bound)
        if judge_size(result.width, result.height):
            raise ConversionError("its size is not one that an extractor looks at")
        if result.scale is not None:
            self.scales[name] = result.scale
        retry_held_open(lambda: unfinished.rename(self._folder / name))
