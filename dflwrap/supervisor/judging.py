"""From what an attempt left behind to a verdict on it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from dflwrap.common.verdict import Cause, Confidence, EvidenceLine, Health, Verdict
from dflwrap.diagnosis import Facts, diagnose_text
from dflwrap.planning.fingerprint import fingerprint
from dflwrap.supervisor.attempt import AttemptResult, EndedBy
from dflwrap.supervisor.collecting import Collector, Failure
from dflwrap.supervisor.streams import HEAD_BYTES, TAIL_BYTES
from dflwrap.supervisor.tree import CannotStartError

MAX_LOG = HEAD_BYTES + 2 * TAIL_BYTES + 4096
"""Bytes of each log that are read: all that `streams` keeps, for the cause stands at the end."""


@dataclass(frozen=True, slots=True)
class Judged:
    verdict: Verdict | None
    """None: healthy, every frame handed in came back."""
    fingerprint: str
    suspects: tuple[str, ...]
    """Names of the frames that failed or were in work, the likeliest first."""

    @property
    def cause(self) -> str | None:
        if self.verdict is None:
            return None
        return self.verdict.primary.id if self.verdict.primary else "unknown"


def judge_attempt(result: AttemptResult, collector: Collector, folder: Path) -> Judged:
    """Judge an attempt that has ended; the user's own stop is not judged."""
    if result.not_started is not None:
        verdict = Verdict(Health.FAILURE, _not_started(result.not_started))
        return Judged(verdict, fingerprint(verdict, phase=result.phase.value), ())
    missing = [name for name, row in collector.batch.frames.items() if row.id not in collector.gained]
    if not missing and not collector.failures:
        return Judged(None, "", ())
    facts = Facts(
        exit_status=result.exit_status if result.ended_by is EndedBy.EXIT else None,
        timed_out_phase=result.phase.value if result.ended_by is EndedBy.HANG else None,
        images_given=len(collector.batch.frames),
        frames_done=len(collector.gained),
        platform=sys.platform,
        ended_by_us=result.ended_by is not EndedBy.EXIT,
    )
    verdict = diagnose_text(_sources(folder, collector), facts)
    # An unknown verdict may carry a symptom as its primary: what the supervisor saw itself says more.
    own = None if verdict.health is Health.FAILURE and verdict.primary else _own_cause(result, collector)
    if own is not None or verdict.primary is None:
        verdict = Verdict(Health.FAILURE, own, facts=verdict.facts)
    suspects = [failure.frame.name for failure in collector.failures.values()]
    in_work = [collector.batch.frames[name] for name in collector.in_work.values()]
    if not suspects:
        suspects += [row.name for row in in_work if row.id not in collector.gained]
        if not suspects and result.first_open in collector.batch.frames:
            suspects.append(collector.batch.frames[result.first_open].name)
        if not suspects and len(missing) == 1:
            suspects.append(collector.batch.frames[missing[0]].name)
    print_ = fingerprint(verdict, phase=result.phase.value, exit_status=result.exit_status)
    return Judged(verdict, print_, tuple(suspects))


def _sources(folder: Path, collector: Collector) -> list[tuple[str, bytes]]:
    sources = []
    for name in ("stdout.log", "stderr.log"):
        try:
            with (folder / name).open("rb") as file:
                sources.append((name, file.read(MAX_LOG)))
        except OSError:
            continue
    tracebacks = [f.traceback or f.error for f in collector.failures.values() if f.kind != "not_whole"]
    if tracebacks:
        sources.append(("events.jsonl", "\n".join(tracebacks).encode("utf-8", "backslashreplace")))
    return sources


def _not_started(error: CannotStartError) -> Cause:
    return Cause(
        error.cause,
        "The extractor's program cannot be started",
        "python-env",
        Confidence.CERTAIN,
        (EvidenceLine("dflwrap", 1, str(error)),),
        steps=error.steps,
    )


def _own_cause(result: AttemptResult, collector: Collector) -> Cause | None:
    """What the supervisor itself knows where the logs say nothing."""
    if result.dead:
        return Cause(
            f"extractor-{result.dead.symptom.value}",
            f"The extractor hung ({result.dead.symptom.value})",
            "hang",
            Confidence.CERTAIN,
            (EvidenceLine("dflwrap", 1, result.dead.sentence),),
        )
    if result.ended_by is EndedBy.PROMPT:
        return Cause(
            "prompt-waiting",
            "The extractor asked a question",
            "prompt/interaction",
            Confidence.CERTAIN,
            (EvidenceLine("stdout.log", 1, result.prompt or ""),),
        )
    failure = next(iter(collector.failures.values()), None)
    if failure is not None:
        return frame_cause(failure)
    if len(collector.batch.frames) == 1 and not collector.gained:
        status = f"the extractor ended (exit status {result.exit_status}) with only this frame in its batch"
        return Cause(
            "poison-frame",
            "A frame breaks the extractor",
            "worker-crash",
            Confidence.POSSIBLE,
            (EvidenceLine("dflwrap", 1, status),),
        )
    return None


def frame_cause(failure: Failure) -> Cause:
    """The cause of one frame's failure, where diagnosis names none."""
    evidence = (EvidenceLine("events.jsonl", 1, failure.error),)
    if failure.kind == "not_whole":
        return Cause(
            "corrupted-dfljpg",
            "The faces of a frame are not what the extractor says",
            "output-io",
            Confidence.CERTAIN,
            evidence,
        )
    return Cause("poison-frame", "A frame fails by itself", "worker-crash", Confidence.LIKELY, evidence)
