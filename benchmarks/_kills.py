"""dflwrap itself killed (-9) at random moments, again and again on the same faceset, then let finish."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks._common import Target
from benchmarks._holding import digest, left_behind, torn_faces, twice
from benchmarks._trial import Case, Trial

KILLS_A_RUN = 5


@dataclass
class Killed:
    """What came of one faceset."""

    target: str
    kills: int = 0
    too_late: int = 0
    """The run had ended before the moment came."""
    moments: list[float] = field(default_factory=list)
    """Seconds from start to kill."""
    faces: list[int] = field(default_factory=list)
    """In the faceset when it was killed."""
    violations: list[str] = field(default_factory=list)


def kill_and_resume(target: Target, frames: int, kills: int, seed: int, scratch: Path) -> Killed:
    """Up to `kills` kills on one faceset. Half of the moments are random in time; half come a few
    milliseconds after a face appeared, where moves are journalled, made and settled."""
    chance = random.Random(seed)
    case = Case(target, "kill -9 dflwrap", f"seed {seed}", frames=frames, frame_seconds=0.03)
    trial = Trial(case, scratch)
    killed = Killed(target.name)
    longest = {"double": 4.0, "built-in": 12.0, "real DFL": 60.0}[target.name]
    try:
        trial.begin()
        before = digest(trial.source)
        for _ in range(kills):
            running = trial.launch({})
            if chance.random() < 0.5:
                time.sleep(chance.uniform(0.1, longest))
            else:
                trial.wait_for_faces(trial.faces() + chance.randint(1, max(1, frames // kills)), 120)
                time.sleep(chance.uniform(0, 0.03))
            if running.process.poll() is None:
                running.process.kill()
                killed.kills += 1
            else:
                killed.too_late += 1
            running.process.wait()
            killed.moments.append(time.monotonic() - running.began)
            killed.faces.append(trial.faces())
            killed.violations += left_behind(trial.marker)
            killed.violations += torn_faces(trial.output) + twice(trial.output)
            if killed.too_late:
                break
        killed.violations += trial.resume()
        if digest(trial.source) != before:
            killed.violations.append("the input folder has changed")
    finally:
        trial.close()
    return killed
