"""A plan for a GPU that runs on the CPU, without one line of error: DeepFaceLab falls back by itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from dflwrap.common.events import Event, EventKind
from dflwrap.common.plan import Plan
from dflwrap.common.verdict import Confidence, EvidenceLine, Health, Verdict
from dflwrap.diagnosis.rulebook.known_cause import known_cause
from dflwrap.planning.steps import gpus

CAUSE = "cuda-dso-missing-silent-cpu"
MOST_READ = 1 << 18
"""Bytes of the attempt's file in which the line is looked for: workers start at its beginning."""
_CPU = re.compile(r"CPU\d*(\.\d+)?")


DRIVER = "nvml"
"""Source of a sign that the video card's driver gives."""


@dataclass(frozen=True, slots=True)
class Sign:
    """What shows a worker on the CPU: words of a line and the attempt's file that holds it, or the driver's."""

    source: str
    words: str


def shows_cpu(event: Event, *, black_box: bool) -> Sign | None:
    """With the agent its event shows a worker on the CPU; of a black box only the console does."""
    if event.kind in (EventKind.WORKER_STARTED, EventKind.WORKER_REPLACED):
        asked = event.data.get("beside_gpus") is True
        if event.worker is not None and _CPU.fullmatch(event.worker) and not asked:
            return Sign("events.jsonl", f'"{event.worker}"')
    elif black_box and event.kind is EventKind.LOG_LINE and event.data.get("mark") == "worker_ready":
        name = str(event.data.get("name", ""))
        if _CPU.fullmatch(name):
            return Sign("stdout.log", f"Running on {name}")
    return None


def silent_cpu(plan: Plan, sign: Sign, folder: Path) -> Verdict:
    """The verdict on the attempt in `folder`; its steps are those of the known cause."""
    title = f"{gpus(plan.devices)} could not be used, the extractor silently fell back to the CPU"
    cause = known_cause(CAUSE, Confidence.CERTAIN, _evidence(sign, folder), title)
    return Verdict(Health.FAILURE, cause, (cause,))


def _evidence(sign: Sign, folder: Path) -> EvidenceLine:
    if sign.source == DRIVER:
        return EvidenceLine(DRIVER, 1, sign.words)
    try:
        with (folder / sign.source).open("rb") as file:
            lines = file.read(MOST_READ).decode("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    for number, line in enumerate(lines, 1):
        if sign.words in line:
            return EvidenceLine(sign.source, number, line[:2000])
    return EvidenceLine(sign.source, 1, sign.words)
