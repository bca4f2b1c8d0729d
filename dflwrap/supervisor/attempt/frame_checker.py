"""Whether frames are whole, found out beside the extractor: a damaged picture may yield a face with a grey half.

An extractor decodes whatever is there, and its decoder's warning names no file. So each frame that is handed in as
it is gets decoded again, in a child, while a worker has it in hand. That takes some milliseconds of a spare core.
"""

from __future__ import annotations

import queue
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from dflwrap.common.text import display
from dflwrap.common.waits import join, wait_until
from dflwrap.frames.conversion import ConversionError, Converter, SourceUnreadError
from dflwrap.frames.decoder_child import SpareDecoders
from dflwrap.frames.decoding.damage import Checked
from dflwrap.supervisor.batch import Batch
from dflwrap.telemetry.limits import usable_cores

END_BOUND = 20.0
"""Seconds for the checks that are open when an attempt ends; one takes milliseconds."""
HURRIED = 2.0
"""The same where the user wants the end at once."""
CLOSE_BOUND = 10.0
"""Seconds for the decoders to end."""
MOST_CHILDREN, CORES_A_CHILD, QUEUED_A_CHILD = 4, 4, 16
"""Decoders at most; cores for each but the first; frames that queue before there is one more."""
WHOLE = Checked()


class FrameChecker:
    """Checks frames of a batch, each once. What cannot be told counts as whole.

    Frames that were converted for the batch are not asked about: the converter looked at them.
    """

    def __init__(
        self, source: Path, batch: Batch, *, thorough: bool, spares: SpareDecoders | None = None
    ) -> None:
        """thorough: PNGs too; needed where the extractor does not tell which frames it could not read. spares: as for
        `Converter`.
        """
        self._source, self._batch, self.thorough, self._spares = source, batch, thorough, spares
        self._asked: dict[str, bool] = {}
        """Name -> whether thoroughly."""
        self._wanted: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._results: dict[str, Checked] = {}
        self._odd: dict[str, tuple[str, str]] = {}
        """Name -> (the frame's name as shown, what is odd about it)."""
        self._converters: list[Converter] = []
        self._threads: list[threading.Thread] = []
        self._most = max(1, min(MOST_CHILDREN, usable_cores() // CORES_A_CHILD))
        self._ended = False
        self.undecided: list[str] = []
        """Why some frames could not be checked."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended = True
        for _ in self._threads:
            self._wanted.put(None)
        for converter in self._converters:
            converter.close()
        for thread, converter in zip(self._threads, self._converters, strict=True):
            join(thread, CLOSE_BOUND)
            converter.close()  # one may just have been started

    def ask(self, name: str, *, thorough: bool = False) -> None:
        """Begin with a frame of the batch; again is nothing, unless it is to be thorough now."""
        thorough = thorough or self.thorough
        if name not in self._batch.linked or self._ended:
            return
        if name in self._asked and (self._asked[name] or not thorough):
            return
        self._asked[name] = thorough
        self._results.pop(name, None)
        self._odd.pop(name, None)
        self._wanted.put(name)
        if len(self._threads) < min(self._most, 1 + self._wanted.qsize() // QUEUED_A_CHILD):
            self._converters.append(Converter(spares=self._spares))
            name_ = f"frame checks {len(self._threads)}"
            thread = threading.Thread(
                target=self._work, args=(self._converters[-1],), name=name_, daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def result(self, name: str) -> Checked | None:
        """None: not known yet."""
        return self._results.get(name) if name in self._batch.linked else WHOLE

    def forget(self, name: str) -> None:
        """The frame has its outcome; what is odd about it is still told."""
        self._asked.pop(name, None)
        self._results.pop(name, None)

    def wait(self, names: set[str], seconds: float) -> None:
        """Until the checks of `names` are known, or the time is over."""
        wait_until(lambda: all(self.result(name) is not None for name in names), seconds)

    def notes(self) -> list[str]:
        """What is worth a sentence though no frame is refused for it."""
        said = []
        odd = list(self._odd.values())
        if odd:
            name, note = odd[0]
            more = f"; {len(odd) - 1} more frames alike" if len(odd) > 1 else ""
            said.append(f"{name}: {note}: ignored{more}")
        if self.undecided:
            count = len(self.undecided)
            said.append(f"{count} frame(s) could not be checked for damage ({display(self.undecided[0])})")
        return said

    def _work(self, converter: Converter) -> None:
        while not self._ended:
            if self._wanted.empty():
                converter.rest()
            try:
                name = self._wanted.get(timeout=1.0)
            except queue.Empty:
                continue
            if name is None:
                return
            row, thorough = self._batch.frames.get(name), self._asked.get(name)
            if row is None or thorough is None:
                continue  # it has its outcome
            path = self._source / row.file_name
            try:
                result = converter.check(path, thorough=thorough)
            except (ConversionError, SourceUnreadError, OSError, ValueError) as error:
                # The extractor could decode it: a check that fails is no reason to refuse its faces.
                self.undecided.append(str(error))
                result = WHOLE
            if self._asked.get(name) == thorough:  # else it is asked for again, and queues
                self._results[name] = result
                if result.note:
                    self._odd[name] = (row.name, result.note)
