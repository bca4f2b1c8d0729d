"""Frames made ready ahead of the extractor's workers: threads, each with a decoder child, a bounded number of frames.

Nothing here writes into the ledger, which belongs to the main thread: results wait in a queue for it (`feed`).
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from contextlib import suppress
from pathlib import Path

from dflwrap.common.errors import StoppedError
from dflwrap.common.storage import FULL_ERRNOS
from dflwrap.common.waits import SLICE, join
from dflwrap.frames.conversion import Converter
from dflwrap.frames.decoder_child import SpareDecoders
from dflwrap.ledger.records import FrameRow
from dflwrap.supervisor.batch import FrameMaker, Made, Room

AHEAD = 300
"""Frames ready, or being made ready, that no worker has taken yet: 6 s of the fastest extraction seen (50 frames/s)."""
COPIES_AHEAD = 100
"""Copies among them: a frame of 1080p takes 3 MB as a PNG, one of 4K 15 MB."""
LEAST_THREADS, MOST_THREADS = 2, 8
"""One that has a picture of half a minute in hand must not hold up the others."""
ROOM_BOUND = 30.0
"""Seconds to wait on a full disk for copies to be done with. Then one more is made: they may be waiting for others."""
FREED_BOUND = 120.0
"""Seconds to wait for room for a copy that the disk did not take; a slow frame takes half a minute."""
CLOSE_BOUND = 10.0
"""Seconds for the frames under way at the end; their decoders are killed."""


def threads_for(cores: int, busy: int) -> int:
    """Threads that make frames ready beside an extractor that keeps `busy` of `cores` busy."""
    return max(LEAST_THREADS, min(MOST_THREADS, cores - busy))


class FrameStream:
    """Makes the frames of `rows` ready, roughly in their order. `start`, then `close`, whatever happens."""

    def __init__(
        self,
        maker: FrameMaker,
        rows: deque[FrameRow],
        threads: int,
        *,
        ahead: int = AHEAD,
        spares: SpareDecoders | None = None,
    ) -> None:
        """rows: taken out of it one by one. ahead: frames that may be ready before they are taken; 0 = all, as nobody
        takes any before the last one. spares: as for `Converter`.
        """
        self._maker, self._most_ahead = maker, ahead
        self._room = Room.at(maker.folder)
        self._rows = rows
        self._lock = threading.Condition()
        self._ended = False
        self._ahead: set[int] = set()
        """Ids of the frames in hand or ready that no worker has taken yet."""
        self._copies: dict[str, int] = {}
        """Copies that take room: name -> frame."""
        self._making = 0
        """Frames that threads have in hand: each may become a copy that nobody sees on the disk yet."""
        self._largest = 0
        """Bytes of the largest copy so far: for how much room to wait."""
        self._converters = [Converter(self._is_ended, spares) for _ in range(threads)]
        self._threads = [
            threading.Thread(target=self._work, args=(one,), name=f"frames {number}", daemon=True)
            for number, one in enumerate(self._converters)
        ]
        self.results: queue.SimpleQueue[Made] = queue.SimpleQueue()
        self.error: Exception | None = None
        """Why no more frames come: the batch folder cannot be written."""
        self.cut = False
        """It ended before the last row: there was no room for copies of all."""
        self.limited = False
        """It ended before the last row: the attempt is not to have more frames."""

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    @property
    def folder(self) -> Path:
        return self._maker.folder

    @property
    def finished(self) -> bool:
        """No more results come than those in the queue."""
        return not any(thread.is_alive() for thread in self._threads)

    def taken(self, frame: int) -> None:
        """A worker has it."""
        with self._lock:
            self._ahead.discard(frame)
            self._lock.notify_all()

    def done(self, name: str) -> bool:
        """Its copy is not needed any more. False where it has none."""
        with self._lock:
            found = self._copies.pop(name, None) is not None
            self._lock.notify_all()
            return found

    def close(self) -> None:
        self._end()  # each hears it while it waits for its decoder
        deadline = time.monotonic() + CLOSE_BOUND
        for thread, converter in zip(self._threads, self._converters, strict=True):
            if thread.ident is not None:
                join(thread, max(0.1, deadline - time.monotonic()))
            converter.close()  # one may just have been started

    def _is_ended(self) -> bool:
        return self._ended

    def _end(self) -> None:
        with self._lock:
            self._ended = True
            self._lock.notify_all()

    # -- in the threads ------------------------------------------------------------------------

    def _work(self, converter: Converter) -> None:
        try:
            while (row := self._next()) is not None:
                made = self._made(row, converter)
                if made is None:
                    return
                self._take(made)
        except StoppedError:
            pass
        except Exception as error:  # told where the results are taken
            self.error = self.error or error
            self._end()

    def _made(self, row: FrameRow, converter: Converter) -> Made | None:
        """None where the disk is full, and what is ready must do for this attempt. Raises as `FrameMaker.make`."""
        while not self._ended:
            with self._lock:
                others, frames = len(self._copies), len(self._maker.batch.frames)
            try:
                return self._maker.make(row, converter)
            except OSError as error:
                if error.errno not in FULL_ERRNOS or not frames:
                    raise
                if not self._most_ahead:
                    self.cut = True
                    return None
                if not self._freed(others):
                    raise
        return None

    def _freed(self, copies: int) -> bool:
        """Wait until fewer copies take room. False where that does not come about."""
        deadline = time.monotonic() + FREED_BOUND
        with self._lock:
            while not self._ended and len(self._copies) >= max(1, copies) and time.monotonic() < deadline:
                self._lock.wait(SLICE)
            return not self._ended and len(self._copies) < max(1, copies)

    def _next(self) -> FrameRow | None:
        since = time.monotonic()
        with self._lock:
            while not self._ended and self._must_wait(since):
                self._lock.wait(SLICE)
            if self._ended or self._is_full():
                return None
            row = self._rows.popleft() if self._rows else None
            if row is not None:
                self._ahead.add(row.id)
                self._making += 1
            return row

    def _must_wait(self, since: float) -> bool:
        if not self._most_ahead:
            return False
        if len(self._ahead) >= self._most_ahead:
            return True
        if sum(frame in self._ahead for frame in self._copies.values()) >= COPIES_AHEAD:
            return True
        coming = (self._making + 1) * self._largest
        return bool(self._copies) and self._room.is_short(coming) and time.monotonic() - since < ROOM_BOUND

    def _is_full(self) -> bool:
        """The attempt is not to have more frames."""
        most = self._maker.most_with_copies
        self.limited |= bool(self._copies) and 0 < most <= len(self._ahead)
        return self.limited or self.cut

    def _take(self, made: Made) -> None:
        with self._lock:
            self._making -= 1
            if made.name in self._maker.batch.copies:
                self._copies[made.name] = made.row.id
                with suppress(OSError):  # an extractor that lists the folder may be through with it
                    self._largest = max(self._largest, (self.folder / made.name).stat().st_size)
                self.cut |= not self._most_ahead and self._room.is_short()
            elif made.later:
                self.limited = True
            elif not made.name:
                self._ahead.discard(made.row.id)
                self._lock.notify_all()
        self.results.put(made)
