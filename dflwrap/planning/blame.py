"""Who is to blame for a failed attempt: single frames, or the machine with everything that runs on it. Pure.

A frame that is blamed for nothing is a face that is missing from the faceset; a machine that is blamed for nothing
ends a run over one bad file. So each is blamed only for what it can do:

- a frame is suspected where it failed, or was in work, when something failed that a frame can cause;
- suspects are re-encoded and tried once more, alone; only those that fail alone too are quarantined;
- where frame after frame fails alike and none is gained, where no worker came as far as a frame, or where workers
  are lost on many frames, it is not the frames;
- what one frame cannot cause (a full disk, a missing library) is never a frame's.

The table is `tests/planning/test_blame.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dflwrap.common.rungs import Rung
from dflwrap.common.telemetry import TelemetrySummary
from dflwrap.common.verdict import Cause, Confidence
from dflwrap.planning.inputs import AttemptRecord, FrameTrials
from dflwrap.planning.ladder import (
    ENVIRONMENT,
    FRAME_FIRST,
    POISON,
    UNHEALTHY_EXTRACTOR,
    UNKNOWN,
    WORKED_BEFORE,
    Ladder,
    ladder_for,
)
from dflwrap.planning.yields import CROSS_CHECK

FRAME_BOUND = frozenset({"host-memory", "gpu-memory", "worker-crash", "input-image", "hang", "unknown"})
"""Categories of failure that one frame can cause by itself."""
FRAME_BOUND_CAUSES = frozenset({"corrupted-dfljpg"})
"""Causes of other categories that one frame can cause; a full disk, say, is never a frame's fault."""
MOST_SUSPECTS = 3
"""Frames held back one after another while nothing was gained at all; then it is not the frames."""
MOST_OF_THE_REST = 20
"""The same where frames of the run were done before it was resumed, and these are a tenth of those at most."""
MOST_WITHOUT_PROGRESS = 40
"""Attempts in a row after which as many frames are open as before. Frames may be suspected one after another where the
extractor has worked, each at the cost of an attempt; not a whole clip of them."""
UNHEALTHY_AFTER = 3
"""Different frames that fail alike with none gained: the extractor is unhealthy, not the frames."""
KILLED = "process-killed"
"""Cause of processes that were killed while memory was free."""
QUESTIONS = frozenset({"eof-on-input", "prompt-waiting", "stdin-missing"})
"""Causes of questions that nobody answers: of the extractor itself, or of what a frame makes it run into."""

History = tuple[AttemptRecord, ...]


# -- which frames are suspected ----------------------------------------------------------------


def name_suspects(
    failed: Sequence[str], in_work: Sequence[str], first_open: str | None, missing: Sequence[str]
) -> tuple[str, ...]:
    """The frames that an attempt's failure points to, the likeliest first.

    failed: reported so, each by itself. in_work: in a worker's hand at the end, not gained. first_open: of a black
    box, the first that did not come back. missing: all that did not come back.
    """
    if failed:
        return tuple(failed)
    if in_work:
        return tuple(in_work)
    if first_open is not None:
        return (first_open,)
    return tuple(missing) if len(missing) == 1 else ()


# -- a frame, or the machine -------------------------------------------------------------------


def ladder_of(cause: Cause | None, history: History) -> Ladder:
    """The ladder that answers the failure `history[-1]`; `POISON` where its suspects are to blame."""
    if cause is None:
        return UNKNOWN
    record, row = history[-1], ladder_for(cause.id, cause.category, cause.remedies)
    if cause.category in ENVIRONMENT and not _cross_checked(cause) and any(r.frames_gained for r in history):
        row = WORKED_BEFORE
    if cause.id in FRAME_FIRST and record.suspects:
        row = POISON
    if row is not POISON:
        return row
    if not record.suspects:
        return UNKNOWN
    return UNHEALTHY_EXTRACTOR if cause.category != "input-image" and unhealthy(history, cause.id) else POISON


def _cross_checked(cause: Cause) -> bool:
    """What a cross-check found is no error that may pass: the frames "gained" are the disputed ones."""
    return any(line.source == CROSS_CHECK for line in cause.evidence)


def unhealthy(history: History, cause: str) -> bool:
    """Frame after frame fails alike and none is gained: not the frames."""
    seen: set[str] = set()
    for record in reversed(history):
        if record.healthy or record.frames_gained or record.cause != cause:
            break
        seen.update(record.suspects)
    return len(seen) >= UNHEALTHY_AFTER


def frames_own_doing(
    cause: Cause | None, record: AttemptRecord, telemetry: TelemetrySummary | None
) -> Cause | None:
    """The cause to answer instead of `cause` (None: no other), where frames pass for a lack of memory or a question.

    Memory or a killer is blamed, but memory was free, and frames failed twice each beside good ones. A question that
    was asked meanwhile is the extractor's own only once such frames are through.
    """
    proven = set(record.suspects) & set(record.repaired)
    if not (cause is not None and record.frames_gained and proven):
        return None
    free = telemetry is not None and telemetry.memory.short is False
    if cause.id in QUESTIONS:
        title = "a frame fails by itself, while others succeed"
    elif cause.id == KILLED or (cause.category == "host-memory" and free):
        title = "a frame kills its worker, though memory was free"
    else:
        return None
    return Cause("poison-frame", title, "worker-crash", Confidence.LIKELY, cause.evidence)


# -- what is done with suspects ----------------------------------------------------------------


def by_trial(history: History) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The suspects of `history[-1]`: those to be tried once more, and those that failed so before.

    With the agent both happen within the attempt (`AttemptRecord.repaired`).
    """
    record = history[-1]
    before = {
        frame for earlier in history[:-1] if Rung.REPAIR_FRAME in earlier.answer for frame in earlier.suspects
    }
    if record.frames_gained:  # else the extractor may be unhealthy, and no copy could have helped
        before |= set(record.repaired)
    new = tuple(frame for frame in record.suspects if frame not in before)
    return new, tuple(frame for frame in record.suspects if frame in before)


def is_named(history: History, cause: str, *, black_box: bool) -> bool:
    """Whether the frame to blame is known, so that no search for it is needed."""
    record = history[-1]
    left = record.frames_given - record.frames_gained
    return bool(record.suspects) and (left <= 1 or not black_box) and not unhealthy(history, cause)


def why_no_search(record: AttemptRecord) -> str:
    """Why a search of the batch would blame frames for nothing; empty where it would not."""
    if not record.began:
        return "no worker came as far as a frame: a search would blame frames for nothing"
    if not record.frames_gained and record.lost_on >= UNHEALTHY_AFTER:
        return "workers were lost on frame after frame: a search would blame frames for nothing"
    return ""


@dataclass(frozen=True, slots=True)
class Accused:
    """Frames to blame where nothing is left to try against the failure as a whole."""

    frames: tuple[str, ...]
    tried: bool
    """They failed alone too: to be quarantined. Else to be tried alone."""


def instead_of_stopping(
    cause: str,
    category: str,
    history: History,
    trials: FrameTrials,
    done_before: int = 0,
    *,
    black_box: bool = False,
) -> Accused | None:
    """The frames to blame before the run is ended; None where it is not them.

    done_before: frames of the run that got an outcome before it was resumed, see `MOST_OF_THE_REST`.

    The run is not for a few frames to end. Only for failures that a frame can cause, and only where the extractor
    works on other frames (or that is not known yet).
    """
    record = history[-1]
    named = record.suspects
    if not named or trials.no_progress >= MOST_WITHOUT_PROGRESS:
        return None
    if not (
        category in FRAME_BOUND
        or cause in FRAME_BOUND_CAUSES
        or _upset_driver(category, named, trials)
        or (cause in QUESTIONS and _asked_in_a_frame(history, black_box))
    ):
        return None
    new = tuple(frame for frame in named if frame not in trials.tried_anew)
    if not any(earlier.frames_gained for earlier in history):
        suspected = trials.tried_anew | trials.held | set(new)
        few = max(MOST_SUSPECTS, min(MOST_OF_THE_REST, done_before // 10))
        if record.lost_on > few or len(suspected) > few or not (new or done_before):
            return None
    return Accused(new or named, tried=not new)


def _asked_in_a_frame(history: History, black_box: bool) -> bool:
    """Workers had frames in hand, and have got others done. In a black box nobody knows what was in hand."""
    worked = any(earlier.frames_gained for earlier in history)
    return worked and history[-1].began and not black_box


def _upset_driver(category: str, named: tuple[str, ...], trials: FrameTrials) -> bool:
    """A frame may upset the GPU's driver too; but a lost driver makes every frame look guilty."""
    if category != "gpu-driver" or len(named) > MOST_SUSPECTS:
        return False
    return trials.own_failure.issuperset(named)
