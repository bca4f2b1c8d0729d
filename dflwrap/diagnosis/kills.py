"""A process that was killed: out of memory, or by somebody? The memory that was measured decides."""

from __future__ import annotations

from dataclasses import replace

from dflwrap.common.memory import MemoryFacts
from dflwrap.diagnosis.rulebook.catalogue import Catalogue
from dflwrap.diagnosis.rulebook.matcher import Hit

PROCESS_KILLED = "process-killed"
MEASURED = 4
"""Strength of an out-of-memory killer that was concluded from a killed process and a measured shortage."""
COUNTED = 7
"""The same where the kernel itself counted the killing."""
FROM_OUTSIDE = 3
"""Strength of the conclusion that it was somebody: memory was free."""


def weigh_kills(hits: list[Hit], memory: MemoryFacts | None, catalogue: Catalogue) -> list[Hit]:
    """`hits` with those that only say "killed" led to their cause by what was measured.

    Nothing measured: they stay as they are, and are no more than possible. Where the log itself names the
    out-of-memory killer, nothing is weighed.
    """
    killed = [hit for hit in hits if hit.sigkill]
    named = {hit.rule.id for hit in hits if not hit.sigkill}
    if not killed or memory is None or memory.short is None or any(hit.rule.id in named for hit in killed):
        return hits
    found = f"killed (SIGKILL) while {memory.sentence}"
    if memory.short:
        least = COUNTED if memory.oom_kills else MEASURED
        weighed = [replace(hit, strength=max(hit.strength, least), sigkill=False) for hit in killed]
    else:
        rule = catalogue.by_id[PROCESS_KILLED]
        weighed = [
            replace(hit, rule=rule, strength=max(hit.strength, FROM_OUTSIDE), sigkill=False) for hit in killed
        ]
    last = weighed[-1]
    # The measurement is evidence too, after what it explains.
    weighed.append(Hit(last.rule, last.index, FROM_OUTSIDE, found, shown=found))
    return [hit for hit in hits if not hit.sigkill] + weighed
