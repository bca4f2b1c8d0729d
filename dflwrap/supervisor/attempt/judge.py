"""From what an attempt left behind to a verdict on it."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

from dflwrap.common.memory import MemoryFacts
from dflwrap.common.storage import INODE_STEPS, out_of_inodes
from dflwrap.common.verdict import Cause, Confidence, EvidenceLine, Health, Verdict
from dflwrap.diagnosis import Facts, diagnose_text, load_catalogue
from dflwrap.diagnosis.rulebook.known_cause import known_cause
from dflwrap.planning.blame import name_suspects
from dflwrap.planning.fingerprint import fingerprint
from dflwrap.supervisor.attempt.monitor import AttemptResult, EndedBy
from dflwrap.supervisor.attempt.outcomes import Collector, Failure
from dflwrap.supervisor.liveness.watchdog import Dead, Symptom
from dflwrap.supervisor.process.streams import HEAD_BYTES, TAIL_BYTES
from dflwrap.supervisor.process.tree import CannotStartError

MAX_LOG = HEAD_BYTES + 2 * TAIL_BYTES + 4096
"""Bytes of each log that are read: all that `streams` keeps, for the cause stands at the end."""


_SYMPTOMS = {"hang": Symptom.DEADLOCKED, "spin": Symptom.SPINNING, "stopped": Symptom.STOPPED}
"""What the agent calls it when it ends a worker (`workers.Member.overdue`)."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What an attempt comes to."""

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


HEALTHY = Judged(None, "", ())


def judge_attempt(
    result: AttemptResult, collector: Collector, folder: Path, memory: MemoryFacts | None = None
) -> Judged:
    """Judge an attempt that has ended; the user's own stop is not judged. memory: as measured meanwhile."""
    if result.not_started is not None:
        verdict = Verdict(Health.FAILURE, _not_started(result.not_started))
        return Judged(verdict, fingerprint(verdict, phase=result.phase.value), ())
    if not collector.missing and not collector.failures:
        return HEALTHY
    verdict = _verdict(result, collector, folder, memory)
    print_ = fingerprint(verdict, phase=result.phase.value, exit_status=result.exit_status)
    return Judged(verdict, print_, _suspects(result, collector))


def _verdict(
    result: AttemptResult, collector: Collector, folder: Path, memory: MemoryFacts | None
) -> Verdict:
    """What the logs tell; where they tell less than what the supervisor saw itself, that."""
    verdict = diagnose_text(_sources(folder, collector), _facts(result, collector, memory))
    own = _hung_workers(verdict, collector)
    if own is None and not _log_tells(verdict, result):
        own = _own_cause(result, collector)
    if own is not None or verdict.primary is None:
        verdict = Verdict(Health.FAILURE, own, facts=verdict.facts)
    if verdict.primary is not None and verdict.primary.id == "disk-full" and out_of_inodes(folder):
        title = "The disk is out of inodes: it has room, but for no further file"
        verdict = replace(verdict, primary=replace(verdict.primary, title=title, steps=INODE_STEPS))
    return verdict


def _facts(result: AttemptResult, collector: Collector, memory: MemoryFacts | None) -> Facts:
    return Facts(
        exit_status=result.exit_status if result.ended_by is EndedBy.EXIT else None,
        # A worker that was lost and replaced is not why some frame failed.
        worker_statuses=() if collector.failures else tuple(collector.death_statuses),
        timed_out_phase=result.phase.value if result.ended_by is EndedBy.HANG else None,
        images_given=collector.batch.given,
        frames_done=len(collector.gained),
        platform=sys.platform,
        ended_by_us=result.ended_by is not EndedBy.EXIT,
        memory=memory,
    )


def _suspects(result: AttemptResult, collector: Collector) -> tuple[str, ...]:
    frames = collector.batch.frames
    in_work = [frames[name] for name in collector.in_work.values()]
    return name_suspects(
        failed=[failure.frame.name for failure in collector.failures.values()],
        in_work=[row.name for row in in_work if row.id not in collector.gained],
        first_open=frames[result.first_open].name if result.first_open in frames else None,
        missing=[row.name for row in collector.missing],
    )


def _log_tells(verdict: Verdict, result: AttemptResult) -> bool:
    """Whether the log says more than what the supervisor saw itself."""
    if verdict.health is not Health.FAILURE or verdict.primary is None:
        return False  # an unknown verdict may carry a symptom as its primary
    stopped = result.dead is not None and result.dead.symptom is Symptom.STOPPED
    # A stopped process was seen; what is concluded from a log that ends at an odd place was not.
    return not (stopped and verdict.primary.confidence is Confidence.POSSIBLE)


def _hung_workers(verdict: Verdict, collector: Collector) -> Cause | None:
    """Nothing came of the attempt, and each worker was ended by the agent since it hung.

    A text that names its cause is believed; what is inferred from a log's shape is not, for the agent shaped it.
    """
    symptoms = [_SYMPTOMS[reason] for reason in collector.losses if reason in _SYMPTOMS]
    if collector.gained or not symptoms or len(symptoms) < len(collector.losses):
        return None
    rule = load_catalogue().by_id.get(verdict.primary.id) if verdict.primary is not None else None
    if rule is not None and not rule.inferred:
        return None
    symptom = max(symptoms, key=symptoms.count)
    words = f"{len(symptoms)} workers in a row were ended ({symptom.value}), none got a frame done"
    return known_cause(hang_id(symptom), Confidence.CERTAIN, EvidenceLine("events.jsonl", 1, words))


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
    cause = known_cause(error.cause, Confidence.CERTAIN, EvidenceLine("dflwrap", 1, str(error)))
    return replace(cause, steps=error.steps)


def _own_cause(result: AttemptResult, collector: Collector) -> Cause | None:
    """What the supervisor itself knows where the logs say nothing."""
    if result.dead:
        return _hang(result.dead)
    if result.ended_by is EndedBy.PROMPT:
        question = EvidenceLine("stdout.log", 1, result.prompt or "")
        return known_cause("prompt-waiting", Confidence.CERTAIN, question, "The extractor asked a question")
    failure = next(iter(collector.failures.values()), None)
    if failure is not None:
        return frame_cause(failure)
    if collector.batch.given == 1 and not collector.gained:
        status = f"the extractor ended (exit status {result.exit_status}) with only this frame in its batch"
        evidence = EvidenceLine("dflwrap", 1, status)
        return known_cause("poison-frame", Confidence.POSSIBLE, evidence, "A frame breaks the extractor")
    return None


def _hang(dead: Dead) -> Cause:
    return known_cause(hang_id(dead.symptom), Confidence.CERTAIN, EvidenceLine("dflwrap", 1, dead.sentence))


def hang_id(symptom: Symptom) -> str:
    """The rule of a hang with this symptom."""
    return f"extractor-{symptom.value}"


def frame_cause(failure: Failure) -> Cause:
    """The cause of one frame's failure, where diagnosis names none."""
    evidence = EvidenceLine("events.jsonl", 1, failure.error)
    if failure.kind == "not_whole":
        title = "The faces of a frame are not what the extractor says"
        return known_cause("corrupted-dfljpg", Confidence.CERTAIN, evidence, title)
    return known_cause("poison-frame", Confidence.LIKELY, evidence, "A frame fails by itself")
