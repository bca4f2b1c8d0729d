"""The frames of a run: which comes next, which gets a second chance. Nothing is done here."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence


class Work:
    """Every frame handed in is in one of its queues, in a worker, or settled."""

    def __init__(self, frames: Sequence[str]) -> None:
        self._pending = deque(frames)
        self._suspects: deque[str] = deque()
        """Their worker died: alone, and each for a fresh worker."""
        self._again: deque[str] = deque()
        """Failed on a worker that failed in a row: to another one."""
        self._late: deque[str] = deque()
        """The first to fail on such a worker may have made it so: last of all, each for a fresh worker."""
        self._deaths: Counter[str] = Counter()
        self._tried: set[str] = set()
        self._crosscheck = False

    @property
    def left(self) -> bool:
        return bool(self._pending or self._suspects or self._again or self._late)

    @property
    def has_suspects(self) -> bool:
        return bool(self._suspects)

    @property
    def wants_fresh_worker(self) -> bool:
        """Only frames are left that have to be a worker's first."""
        return bool(self._late) and not (self._pending or self._suspects or self._again)

    def is_suspect(self, frame: str | None) -> bool:
        return frame in self._deaths

    def suspect(self) -> str:
        return self._suspects.popleft()

    def next_for(self, fresh: bool) -> str | None:
        """The next frame for an idle worker, None where there is none for it. Suspects are asked for alone."""
        if self._again:
            return self._again.popleft()
        if self._pending:
            if not self._crosscheck:
                return self._pending.popleft()
            # From the middle: neighbours in a video are alike, and one that succeeds settles it.
            middle = len(self._pending) // 2
            frame = self._pending[middle]
            del self._pending[middle]
            return frame
        return self._late.popleft() if self._late and fresh else None

    def succeeded(self) -> None:
        """A frame has been extracted: the machine works."""
        self._crosscheck = False

    def died_on(self, frame: str) -> bool:
        """A worker died on it. True where it is to be retried."""
        self._deaths[frame] += 1
        if self._deaths[frame] > 1:
            return False
        self._suspects.append(frame)
        return True

    def failed_in_row(self, frames: Sequence[str]) -> set[str]:
        """Those of a worker's failures in a row that stand; the others are to be retried."""
        self._crosscheck = True
        stand = set(frames) & self._tried
        for place, frame in enumerate(frames):
            if frame not in stand:
                self._tried.add(frame)
                (self._again if place else self._late).append(frame)
        return stand

    def drop(self) -> None:
        """After a stop: nothing more is handed out."""
        for queue in (self._pending, self._suspects, self._again, self._late):
            queue.clear()
