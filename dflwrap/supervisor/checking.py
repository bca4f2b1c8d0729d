"""Whether frames are whole, found out beside the extractor: a damaged picture may yield a face with a grey half.

An extractor decodes whatever is there, and its decoder's warning names no file. So each frame that is handed in as
it is gets decoded once more, in a child, while a worker has it in hand. That takes some milliseconds of a spare core.
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
from dflwrap.frames.damage import Checked
from dflwrap.supervisor.batching import Batch

END_BOUND = 20.0
"""Seconds for the checks that are open when an attempt ends; one takes milliseconds."""
HURRIED = 2.0
"""The same where the user wants the end at once."""
CLOSE_BOUND = 10.0
WHOLE = Checked()


class FrameChecker:
    """Checks frames of a batch one after another. What cannot be told counts as whole.

    Frames that were converted for the batch are not asked about: the converter looked at them.
    """

    def __init__(self, source: Path, batch: Batch) -> None:
        self._source, self._batch = source, batch
        self._converter = Converter()
        self._asked: set[str] = set()
        self._wanted: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._results: dict[str, Checked] = {}
        self._thread: threading.Thread | None = None
        self._ended = False
        self.undecided: list[str] = []
        """Why some frames could not be checked."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended = True
        self._wanted.put(None)
        self._converter.close()
        if self._thread is not None:
            join(self._thread, CLOSE_BOUND)
            self._converter.close()  # one may just have been started

    def ask(self, name: str) -> None:
        """Begin with a frame of the batch; again is nothing."""
        if name in self._asked or name not in self._batch.linked or self._ended:
            return
        self._asked.add(name)
        self._wanted.put(name)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="frame checks", daemon=True)
            self._thread.start()

    def result(self, name: str) -> Checked | None:
        """None: not known yet."""
        return self._results.get(name) if name in self._batch.linked else WHOLE

    def wait(self, names: set[str], seconds: float) -> None:
        """Until the checks of `names` are known, or the time is over."""
        wait_until(lambda: all(self.result(name) is not None for name in names), seconds)

    def notes(self) -> list[str]:
        """What is worth a sentence though no frame is refused for it."""
        said = []
        odd = [(self._batch.frames[name].name, r.note) for name, r in self._results.items() if r.note]
        if odd:
            name, note = odd[0]
            more = f"; {len(odd) - 1} more frames alike" if len(odd) > 1 else ""
            said.append(f"{name}: {note}: left out of account{more}")
        if self.undecided:
            count = len(self.undecided)
            said.append(f"{count} frame(s) could not be checked for damage ({display(self.undecided[0])})")
        return said

    def _work(self) -> None:
        while not self._ended:
            try:
                name = self._wanted.get(timeout=1.0)
            except queue.Empty:
                continue
            if name is None:
                return
            try:
                self._results[name] = self._converter.check(self._source / self._batch.frames[name].file_name)
            except (ConversionError, SourceUnreadError, OSError, ValueError) as error:
                # The extractor could decode it: a check that fails is no reason to refuse its faces.
                self.undecided.append(str(error))
                self._results[name] = WHOLE
