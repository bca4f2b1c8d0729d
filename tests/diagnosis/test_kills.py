"""A killed process is the out-of-memory killer's only where memory was short, or the log says so."""

from __future__ import annotations

import pytest

from dflwrap.common.memory import GIB, MemoryFacts
from dflwrap.common.verdict import Confidence, Verdict
from dflwrap.diagnosis import Facts, diagnose_text

BAR = " 50%|#####     | 50/100 [02:03<02:03,  1.00it/s]"
FREE = MemoryFacts(21 * GIB, int(23.5 * GIB), 0)
FREE_UNCOUNTED = MemoryFacts(21 * GIB, int(23.5 * GIB))
SHORT = MemoryFacts(GIB // 4, int(23.5 * GIB))
COUNTED = MemoryFacts(21 * GIB, int(23.5 * GIB), 1)
LITTLE_BUT_NOBODY_KILLED = MemoryFacts(6 * GIB, 8 * GIB, 0)
CONTAINER_SHORT = MemoryFacts(20 << 20, 700 << 20, 2)
USERSPACE_KILLER = MemoryFacts(GIB, 16 * GIB, 0)

SEEN = {
    "host": (f"Running on CPU0\n{BAR}\n", {"exit_status": -9}),
    "host, by a shell": (f"Running on CPU0\n{BAR}\n", {"exit_status": 137}),
    "worker": (f"Running on CPU0\n{BAR}\n", {"worker_statuses": (-9,)}),
    "worker, in words": (f"{BAR}\nthe worker died twice on this frame (exit status -9)\n", {}),
    "agent's worker": (f"{BAR}\nthe worker was lost twice in this frame (died, exit status -9)\n", {}),
    "a shell's word": (f"{BAR}\nKilled\n", {}),
    "a script's word": ("extract.sh: line 7:  4242 Killed                  $DFL_PYTHON main.py\n", {}),
    "a container's status": ("dfl-1 exited with code 137\n", {}),
    "Python's word": ("subprocess.CalledProcessError: died with <Signals.SIGKILL: 9>.\n", {}),
}


def judged(seen: str, memory: MemoryFacts | None) -> Verdict:
    text, known = SEEN[seen]
    facts = Facts(platform="linux", memory=memory, **known)  # type: ignore[arg-type]
    return diagnose_text([("stderr.log", text.encode())], facts)


@pytest.mark.parametrize("seen", SEEN)
@pytest.mark.parametrize("memory", [FREE, FREE_UNCOUNTED, LITTLE_BUT_NOBODY_KILLED])
def test_with_memory_free_somebody_killed_it(seen: str, memory: MemoryFacts) -> None:
    verdict = judged(seen, memory)
    assert verdict.primary is not None and verdict.primary.id == "process-killed", verdict
    assert "linux-oom-killer" not in {cause.id for cause in verdict.causes}
    shown = [line.text for line in verdict.primary.evidence]
    assert not any("%|" in text for text in shown)
    assert memory.sentence in shown[-1]


@pytest.mark.parametrize("seen", SEEN)
@pytest.mark.parametrize("memory", [SHORT, COUNTED, CONTAINER_SHORT, USERSPACE_KILLER])
def test_with_memory_short_it_is_the_out_of_memory_killer(seen: str, memory: MemoryFacts) -> None:
    verdict = judged(seen, memory)
    assert verdict.primary is not None and verdict.primary.id == "linux-oom-killer", verdict
    assert verdict.primary.confidence is not Confidence.POSSIBLE
    shown = [line.text for line in verdict.primary.evidence]
    assert not any("%|" in text for text in shown)
    assert memory.sentence in shown[-1]


@pytest.mark.parametrize("seen", SEEN)
@pytest.mark.parametrize("memory", [None, MemoryFacts()])
def test_without_measures_it_is_only_possible_and_no_bar_is_its_evidence(
    seen: str, memory: MemoryFacts | None
) -> None:
    verdict = judged(seen, memory)
    assert verdict.primary is not None and verdict.primary.id == "linux-oom-killer", verdict
    assert verdict.primary.confidence is Confidence.POSSIBLE
    assert verdict.primary.evidence
    assert not any("%|" in line.text for line in verdict.primary.evidence)


def test_the_kernels_own_words_need_no_measure() -> None:
    text = b"kernel: Out of memory: Killed process 4242 (python3.7) total-vm:9200000kB\nKilled\n"
    for memory in (None, FREE):
        verdict = diagnose_text([("stderr.log", text)], Facts(memory=memory))
        assert verdict.primary is not None and verdict.primary.id == "linux-oom-killer"
        assert verdict.primary.confidence is Confidence.CERTAIN


@pytest.mark.parametrize("status", [-9, -11, -4, -6, -7, 0xC0000005])
def test_an_exit_status_is_never_proved_by_a_progress_bar(status: int) -> None:
    verdict = diagnose_text([("stderr.log", BAR.encode())], Facts(exit_status=status))
    assert verdict.primary is not None
    (line,) = verdict.primary.evidence
    assert str(status) in line.text and "%|" not in line.text


@pytest.mark.parametrize("reason", ["hang", "spin", "stopped", "errors"])
def test_a_worker_that_the_agent_ended_was_not_killed_for_memory(reason: str) -> None:
    text = f"the worker was lost twice in this frame ({reason}, exit status -9)\n"
    for memory in (None, FREE, SHORT):
        verdict = diagnose_text([("events.jsonl", text.encode())], Facts(memory=memory))
        named = {cause.id for cause in verdict.causes}
        assert not named & {"linux-oom-killer", "process-killed"}, (memory, named)


@pytest.mark.parametrize(
    ("memory", "short"),
    [
        (MemoryFacts(), None),
        (MemoryFacts(oom_kills=0), None),
        (MemoryFacts(oom_kills=1), True),
        (MemoryFacts(5 * GIB), False),
        (MemoryFacts(3 * GIB), True),
        (MemoryFacts(300 << 20, 700 << 20), True),
        (MemoryFacts(400 << 20, 700 << 20), False),
        (MemoryFacts(300 << 20, 700 << 20, 0), False),
    ],
)
def test_short_is_what_little_was_left_of_what_there_was(memory: MemoryFacts, short: bool | None) -> None:
    assert memory.short is short
