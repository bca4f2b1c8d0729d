"""The way in: sources of bytes to a verdict. Pure: no process, no file but the rules."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from dflwrap.common.verdict import Health, Verdict
from dflwrap.diagnosis.deciding import judge
from dflwrap.diagnosis.facts import Facts
from dflwrap.diagnosis.log.lines import Line
from dflwrap.diagnosis.log.reading import read_source
from dflwrap.diagnosis.log.segments import split_runs
from dflwrap.diagnosis.log.steps import EXTRACTION
from dflwrap.diagnosis.rulebook.catalogue import Catalogue, load_catalogue
from dflwrap.diagnosis.screen import Screen


@dataclass(frozen=True)
class Diagnosis:
    """The verdict of a log, and those of each run in it (one, unless the log holds several)."""

    verdict: Verdict
    runs: tuple[Verdict, ...] = field(default=())
    encodings: tuple[str, ...] = ()
    size: int = 0


def diagnose_text(
    sources: Iterable[tuple[str, bytes]], facts: Facts | None = None, catalogue: Catalogue | None = None
) -> Verdict:
    """Judge the streams of one attempt, e.g. [("stdout.log", b"..."), ("stderr.log", b"...")].

    Never raises on any bytes. A log of several runs is judged by its last run that says something.
    """
    return diagnose_streams(((name, (data,)) for name, data in sources), facts, catalogue).verdict


def diagnose_streams(
    sources: Iterable[tuple[str, Iterable[bytes]]],
    facts: Facts | None = None,
    catalogue: Catalogue | None = None,
) -> Diagnosis:
    """As `diagnose_text`, over chunks: memory stays bounded however long a stream is."""
    catalogue = catalogue or load_catalogue()
    known = facts or Facts()
    screen = Screen(catalogue)
    lines: list[Line] = []
    encodings: list[str] = []
    size = nul_tail = 0
    open_end = False
    for name, chunks in sources:
        reading = read_source(name, chunks, screen.hits)
        lines += reading.unwrapped
        encodings.append(reading.encoding)
        size += reading.size
        nul_tail = max(nul_tail, reading.nul_tail)
        open_end = open_end or reading.ends_open
    runs = split_runs(lines)
    verdicts: list[Verdict] = []
    for number, run in enumerate(runs):
        last = number == len(runs) - 1
        judged = judge(run, catalogue, known if last else Facts(), nul_tail if last else 0, open_end and last)
        verdicts.append(judged.verdict)
    return Diagnosis(_main(verdicts), tuple(verdicts), tuple(encodings), size)


def _main(verdicts: list[Verdict]) -> Verdict:
    """The last extraction that says something; before an unknown last one, the last failure."""
    extractions = [v for v in verdicts if v.facts.get("step") == EXTRACTION] or verdicts
    last = extractions[-1]
    if last.health is Health.UNKNOWN and last.primary is None:
        for verdict in reversed(extractions[:-1]):
            if verdict.health is Health.FAILURE:
                return verdict
    return last
