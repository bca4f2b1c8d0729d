"""The frames that have not been tried yet, and those that wait for a second try.

Standard library, Python 3.6 syntax: the agent inside DeepFaceLab loads this file too (see `frame_queue`).
"""

# ruff: noqa: UP006, UP035, UP045
import collections
from typing import Any, Callable, Deque, Iterable, List, Optional, Set, Tuple


class Untried:
    """What is to do. More may come while it is being done."""

    def __init__(
        self, frames: List[Any], name_of: Callable[[Any], str], take_first: Optional[Callable[[Any], Any]]
    ) -> None:
        """frames: used up. take_first: takes the first of them for a slot; None where no more is to be had."""
        self.more_to_come = False
        """That none is left now is not the end."""
        self._frames, self._name_of = frames, name_of
        self._known = {name_of(frame) for frame in frames}
        self._take_first = take_first if take_first is not None else lambda slot: frames.pop(0)
        self._ended = False  # `take_first` has nothing more

    @property
    def exhausted(self) -> bool:
        """No frame is left, and none is to come."""
        return not self.more_to_come and (self._ended or not self._frames)

    def come(self, frames: Iterable[Any]) -> List[Any]:
        """More frames; those whose names came before are passed over. Gives those that were added.

        A host that lists a folder which is being filled sees frames that are told of later as well.
        """
        new = []
        for frame in frames:
            if self._name_of(frame) not in self._known:
                self._known.add(self._name_of(frame))
                new.append(frame)
        self._frames.extend(new)
        return new

    def take(self, slot: Any, from_the_middle: bool) -> Any:
        """The next frame for a slot; None where there is none now."""
        if self._ended or not self._frames:
            return None
        if from_the_middle:
            return self._frames.pop(len(self._frames) // 2)
        frame = self._take_first(slot)
        self._ended = frame is None and not self.more_to_come
        return frame


class SecondTries:
    """Frames that wait for another try. Each gets one for each reason, so it all ends."""

    def __init__(self, name_of: Callable[[Any], str]) -> None:
        self.suspects: Deque[Any] = collections.deque()
        """A worker died on them: for the next fresh one."""
        self.again: Deque[Any] = collections.deque()
        """For any worker, before the untried."""
        self.last_alone: Deque[Any] = collections.deque()
        """Each for a fresh worker, when the others are through."""
        self.for_memory: Deque[Any] = collections.deque()
        """Failed twice for lack of it: for any worker, when the others are through."""
        self.name_of = name_of
        self._had: Set[Tuple[str, str]] = set()

    def __bool__(self) -> bool:
        """Whether any waits."""
        return bool(self.suspects or self.again or self.last_alone or self.for_memory)

    def grant(self, frame: Any, reason: str) -> bool:
        """True the first time that a frame asks for this reason."""
        if self.had(frame, reason):
            return False
        self._had.add((self.name_of(frame), reason))
        return True

    def had(self, frame: Any, reason: str) -> bool:
        return (self.name_of(frame), reason) in self._had
