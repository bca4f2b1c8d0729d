"""Isolating poison frames where nothing names them (black-box mode): a pure state machine.

Adaptive group testing by binary splitting. `frames` are known to hold at least one poison frame (their
attempt failed). An attempt over a subset either ends healthy, then all of it is innocent, or fails, then
what it gained is innocent and the poison is among the rest. When the first half of a poisoned group is
healthy, the poison is in the second half without a further attempt.

Cost: at most ceil(log2 n) + 2 attempts per poison frame: the search, one attempt over everything else, and
one for a hint that proved wrong. With one worker DFL dies at the n-th of the sorted frames, so the first
frame not gained is a good hint: right hints isolate a poison frame in one or two attempts.

What it does not prove: a frame isolated because its siblings were healthy never failed alone. The caller's
repair attempt, which runs the frame alone, is the proof; a failure that comes and goes may blame an innocent.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

HOPELESS_AFTER = 3


@dataclass(frozen=True, slots=True)
class Bisection:
    """State between two attempts. Start with `Bisection.start`, then `next_batch` and `report` in turn."""

    frames: tuple[str, ...]
    """All frames of the search, in the order they are handed out."""
    suspected: tuple[str, ...]
    """At least one of these is poison, as far as is known."""
    unproven: frozenset[str] = frozenset()
    """Not gained yet, and nothing is known against them."""
    poison: tuple[str, ...] = ()
    gained: frozenset[str] = frozenset()
    hint: str | None = None
    hinted: bool = False
    """The search for the present poison frame had its one hint (each wrong one costs an attempt)."""
    attempts: int = 0

    @classmethod
    def start(
        cls, frames: Collection[str], gained: Collection[str] = (), suspect: str | None = None
    ) -> Bisection:
        """Begin with the frames of a failed attempt, in its order; `gained` are already done."""
        done = frozenset(gained)
        left = tuple(frame for frame in frames if frame not in done)
        return cls(frames=left, suspected=left, gained=done)._settled(suspect)

    @property
    def finished(self) -> bool:
        """Every frame is gained or isolated."""
        return not self.suspected and not self.unproven

    @property
    def hopeless(self) -> bool:
        """Three frames were isolated and none was gained on the way: it is not the frames. Give up the
        search and let the policy continue down the ladder."""
        return len(self.poison) >= HOPELESS_AFTER and not self.gained

    def next_batch(self) -> tuple[str, ...]:
        """The frames of the next attempt, in order; empty when finished."""
        if not self.suspected:
            return tuple(frame for frame in self.frames if frame in self.unproven)
        if self.hint is not None:
            return (self.hint,)
        return self.suspected[: (len(self.suspected) + 1) // 2]

    def report(
        self,
        gained: Collection[str],
        failed: bool,
        suspect: str | None = None,
        given: Collection[str] | None = None,
    ) -> Bisection:
        """The state after an attempt over `next_batch()`, or over those of them that were `given`.

        gained: frames of it that got an outcome. failed: the attempt failed (of a healthy one, all frames
        count as gained). suspect: the frame the attempt is thought to have died at.
        Raises ValueError when the search is finished already.
        """
        batch = self.next_batch()
        if not batch:
            raise ValueError("the bisection is finished: there is no attempt to report on")
        if given is not None:  # what was refused, or settled otherwise, is through as well
            tried = frozenset(given) | frozenset(gained)
            batch = tuple(frame for frame in batch if frame in tried)
        new = frozenset(gained) & frozenset(batch) if failed else frozenset(batch)
        rest = tuple(frame for frame in batch if frame not in new)
        state = replace(self, gained=self.gained | new, attempts=self.attempts + 1, hint=None)
        if not self.suspected:  # this was the attempt over everything left
            state = replace(state, suspected=rest, unproven=self.unproven - set(batch), hinted=False)
        elif rest:  # the poison is in what failed; the others are unproven again
            state = replace(
                state, suspected=rest, unproven=self.unproven | (frozenset(self.suspected) - set(batch))
            )
        else:
            state = replace(state, suspected=tuple(f for f in self.suspected if f not in new))
        return state._settled(suspect if rest else None)

    def _settled(self, suspect: str | None) -> Bisection:
        """Take a group of one as isolated; keep the first hint of a search."""
        if len(self.suspected) == 1:
            found = self.poison + self.suspected
            return replace(self, poison=found, suspected=(), hint=None, hinted=False)
        if suspect in self.suspected and not self.hinted:
            return replace(self, hint=suspect, hinted=True)
        return self
