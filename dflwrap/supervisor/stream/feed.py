"""The supervisor's side of a stream: what became of each frame, into the ledger; what is ready, to the extractor.

An attempt begins as soon as some frames are ready (`begin`), and is told of the others while it works (`advance`),
until there are no more. An extractor that cannot be told gets its batch whole.
"""

from __future__ import annotations

import time
from collections.abc import KeysView, Sequence
from pathlib import Path

from dflwrap.common.errors import NeedsUserError
from dflwrap.common.storage import cannot_write
from dflwrap.common.waits import SLICE
from dflwrap.extractors.control_file import FRAMES, FRAMES_END, NO_FRAME, ControlWriter
from dflwrap.frames.filters import FILTERED
from dflwrap.frames.judgement import Entry, Judgement
from dflwrap.ledger.records import Outcome
from dflwrap.supervisor.batch import Batch, Made
from dflwrap.supervisor.disk.storage import Storage
from dflwrap.supervisor.services import RunServices
from dflwrap.supervisor.stream.frame_stream import FrameStream

ENOUGH, ENOUGH_AFTER = 200, 1.0
"""So many frames ready, or any at all after so many seconds: the extractor is started."""
FEW_LEFT, TOLD_AT_ONCE = 100, 50
"""While so many frames wait for a worker, news waits until there are so many to tell of: each is a write."""
CONTROL_BOUND = 60.0
"""Seconds for which the control file may refuse what is told (a full disk)."""
PREPARING = "preparing frames"


class Feed:
    """The frames of one attempt. Main thread only."""

    def __init__(
        self, services: RunServices, storage: Storage, stream: FrameStream, batch: Batch, total: int
    ) -> None:
        """total: frames that are to be handed out."""
        self._services, self._storage = services, storage
        self._stream, self.batch, self._total = stream, batch, total
        self._made = self._left_out = 0
        self._looked: list[tuple[int, Judgement]] = []
        self._told: set[str] = set()
        """Names that the extractor knows of."""
        self._taken: set[str] = set()
        self._there: set[str] = set()
        """Names that the extractor can read. The batch has some more, whose copies are being made."""
        self._news: list[tuple[int, str]] = []
        self._control: ControlWriter | None = None
        self._refused_since: float | None = None
        self._closed = False
        self.open = True
        """The extractor has not been told yet that no more frames come."""

    # -- before the extractor starts -----------------------------------------------------------

    def begin(self, *, whole: bool) -> None:
        """Until frames enough for a start are ready; all of them where the batch is to be whole.

        Also returns when the user stops the run. Raises NeedsUserError where the folder cannot be written, or a
        folder of the run is gone.
        """
        self._stream.start()
        began = time.monotonic()
        self._services.stage(PREPARING)
        while not self._services.control.stopping:
            finished = self._stream.finished  # before the queue: what came last is taken
            self._collect()
            if self._storage.away():  # or the loop would come back at once, and again
                raise self._storage.why_away()
            ready = len(self._there)
            if finished or (not whole and (ready >= ENOUGH or self._long_enough(began, ready))):
                break
            self._services.come_to(f"{self._made:,} of {self._total:,}")
            self._services.control.pause(SLICE / 4)
        self._services.come_to("")
        if self._stream.error is not None and not self.batch.frames:
            raise self.failed()

    def _long_enough(self, began: float, ready: int) -> bool:
        return ready > 0 and time.monotonic() - began > ENOUGH_AFTER

    def handed(self, control: Path | None) -> tuple[str, ...]:
        """The names in the folder as the extractor starts; of the others the file at `control` tells.

        Raises NeedsUserError where the folder cannot be written.
        """
        listed = (name for name in list(self.batch.frames) if name in self._there)  # threads add to it
        names = tuple(name for name in listed if name not in self.batch.in_place)
        self._told.update(names)
        self._forget_told()
        self.open = bool(self._news) or not (self._stream.finished and self._stream.results.empty())
        if self.open:
            assert control is not None, "what is not told while it works is in the folder, whole"
            self._control = ControlWriter(str(control))
            if not names:
                self._stand_in()
            self._tell_news()
        return names

    def _stand_in(self) -> None:
        try:
            (self._folder / NO_FRAME).touch()
        except OSError as error:
            raise cannot_write(self._folder / NO_FRAME, error) from error

    @property
    def limited(self) -> str:
        """Why the batch was made smaller than asked for; "" = it was not."""
        if self._stream.cut:
            copies = len(self.batch.copies)
            return (
                f"the disk has room for copies of {copies} frames at a time (scaled, converted or not linked)"
            )
        if self._stream.limited:
            return f"{len(self.batch.frames)} frames at a time, as some must be converted before it starts"
        return ""

    # -- while it works ------------------------------------------------------------------------

    @property
    def names(self) -> KeysView[str]:
        """What the extractor has been given so far and was not let go of, under the names that it sees."""
        return self.batch.frames.keys()

    @property
    def given(self) -> int:
        """Frames that the extractor has been given so far."""
        return self.batch.given

    def advance(self) -> None:
        """Tell of what has become ready. Raises NeedsUserError."""
        if not self.open or self._closed:
            return
        finished = self._stream.finished
        self._collect()
        waiting = len(self._told) - len(self._taken)
        if self._news and (finished or len(self._news) >= TOLD_AT_ONCE or waiting < FEW_LEFT):
            self._tell_news()
        if finished and not self._news and self._tell({"type": FRAMES_END}):
            self.open = False

    def _tell_news(self) -> None:
        """Where the disk does not take it just now, it is left for the next time."""
        lies_in: dict[str, object] = {"folder": str(self._services.input_dir)}
        for in_place, where in ((False, {}), (True, lies_in)):
            news = [one for one in self._news if (one[1] in self.batch.in_place) is in_place]
            if news and self._tell({"type": FRAMES, "names": [list(one) for one in news], **where}):
                self._told.update(name for _, name in news)
        self._forget_told()

    def _forget_told(self) -> None:
        self._news = [(frame, name) for frame, name in self._news if name not in self._told]

    def starved(self, back: set[str]) -> bool:
        """All that was told of is back, and more will come: the extractor has nothing to do, which is no hang."""
        return self.open and self._told <= back

    def taken(self, name: str) -> None:
        """A worker has the frame in hand, or is through with it."""
        row = self.batch.frames.get(name)
        if row is not None and name not in self._taken:
            self._taken.add(name)
            self._stream.taken(row.id)

    def done(self, name: str) -> None:
        """The frame has its outcome: its copy only takes room."""
        self.taken(name)
        if self._stream.done(name):
            try:
                (self._folder / name).unlink(missing_ok=True)
            except OSError:
                pass  # with the folder, when the attempt is over

    def forget(self, name: str) -> None:
        """The frame is done with, and nothing more is asked of it."""
        self.batch.forget(name)
        for names in (self._told, self._taken, self._there):
            names.discard(name)

    def remember(self) -> None:
        """What was seen of frames, into the ledger: before the first of them gets its outcome."""
        looked, self._looked = self._looked, []
        if looked:
            self._services.ledger.looked_at(looked)

    # -- the end -------------------------------------------------------------------------------

    def close(self) -> None:
        """No more frames. Those that the extractor knows nothing of leave the batch, and stay open."""
        if self._closed:
            return
        self._closed = True
        self._stream.close()
        self._drain(settle_unread=False)
        for name in set(self.batch.frames) - self._told - self._taken:
            del self.batch.frames[name]
        self.remember()
        if self._left_out:
            self._services.reporter.notice(f"{self._left_out:,} frame(s) left out, as requested")

    @property
    def error(self) -> Exception | None:
        return self._stream.error

    def failed(self) -> NeedsUserError:
        """Why the stream ended early, in words for the user. Raises the error itself where it is a fault of ours."""
        error = self._stream.error
        if isinstance(error, NeedsUserError):
            return error
        if isinstance(error, OSError):
            return cannot_write(self._folder, error)
        assert error is not None
        raise error

    # -- what became of frames -----------------------------------------------------------------

    @property
    def _folder(self) -> Path:
        return self._stream.folder

    def _collect(self) -> None:
        self._drain(settle_unread=True)

    def _drain(self, *, settle_unread: bool) -> None:
        made = self._results()
        self._made += len(made)
        refused = [one for one in made if one.refused is not None]
        for one in made:
            if one.looked is not None and one.looked.entry is not Entry.REFUSE:
                self._looked.append((one.row.id, one.looked))
            if one.name:
                self._there.add(one.name)
            if one.name and one.name not in self._told:
                self._news.append((one.row.id, one.name))
        if refused:
            self.remember()
            self._refuse(refused)
        left_out = [one for one in made if one.left_out]
        if left_out:
            self.remember()
            self._left_out += len(left_out)
            self._services.ledger.settle_many(
                (one.row.id, Outcome.NOT_ATTEMPTED, None, FILTERED, one.left_out) for one in left_out
            )
        unread = [(one.row, one.unread) for one in made if one.unread is not None]
        if unread and settle_unread:
            for sentence in self._storage.settle(unread):
                self._services.note(sentence)

    def _refuse(self, refused: Sequence[Made]) -> None:
        at_first_look = [
            (one.row.id, one.refused) for one in refused if one.refused and one.looked is one.refused
        ]
        self._services.ledger.looked_at(at_first_look)
        self._services.quarantine_each(
            (one.row, one.refused.cause, one.refused.reason) for one in refused if one.refused is not None
        )

    def _results(self) -> list[Made]:
        results = self._stream.results
        return [results.get_nowait() for _ in range(results.qsize())]

    def _tell(self, message: dict[str, object]) -> bool:
        """False where the disk does not take it just now. Raises NeedsUserError where that lasts."""
        assert self._control is not None
        try:
            self._control.send(message)
        except OSError as error:
            self._refused_since = self._refused_since or time.monotonic()
            if time.monotonic() - self._refused_since > CONTROL_BOUND:
                raise cannot_write(self._folder.parent, error) from error
            return False
        self._refused_since = None
        return True
