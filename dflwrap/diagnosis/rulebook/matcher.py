"""Finding the rules in the lines of one run: literals first, expressions only on lines that hold one."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from dflwrap.diagnosis.evidence import in_path, is_command, is_question, of_another_program
from dflwrap.diagnosis.lazy import lazy
from dflwrap.diagnosis.log.lines import Line
from dflwrap.diagnosis.rulebook.catalogue import Catalogue
from dflwrap.diagnosis.rulebook.rule import Role, Rule, Signature

MAX_HITS = 20
"""Hits kept per signature; more of the same prove nothing new."""
MAX_CONTEXT = 1 << 20
"""Characters searched for a needed or forbidden context when it may stand anywhere in the run."""


@dataclass(frozen=True)
class Hit:
    """One signature found on one line (`index` into the run's lines), or one inference."""

    rule: Rule
    index: int
    strength: int
    note: str = ""
    """For an inference: the sentence that says what was concluded from what."""
    start: int = 0
    sigkill: bool = False
    """As `Signature.sigkill`."""
    shown: str = ""
    """The evidence where no line of the log is: what was concluded from an exit status."""


@dataclass
class Run:
    """The lines of one extraction, ready to be searched."""

    lines: Sequence[Line]
    text: str = ""
    starts: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        position = 0
        for line in self.lines:
            self.starts.append(position)
            position += len(line.text) + 1
        self.text = "\n".join(line.text for line in self.lines)

    def around(self, index: int, within: int) -> str:
        first = max(0, index - within)
        last = min(len(self.lines), index + within + 1)
        end = self.starts[last] if last < len(self.lines) else len(self.text)
        return self.text[self.starts[first] : end]


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.MULTILINE)


def find_hits(run: Run, catalogue: Catalogue, facts: frozenset[str]) -> list[Hit]:
    """Every hit, in the order of the lines. Lines that a benign rule claims are no evidence of a root.

    A general benign rule knows only a line's form (a warning): what the line says goes before that.
    """
    where: dict[str, list[int]] = {}
    for literal in catalogue.literals:
        found = _lines_with(run, literal)
        if found:
            where[literal] = found
    hits: list[Hit] = []
    for rule in catalogue.rules:
        for signature in rule.signatures:
            hits += _signature_hits(run, rule, signature, where, facts)
    benign = {hit.index for hit in hits if hit.rule.role is Role.BENIGN and not hit.rule.general}
    hits = [
        hit
        for hit in hits
        if hit.index not in benign or hit.rule.role in (Role.BENIGN, Role.CONTEXT) or hit.strength > 8
    ]
    told = {hit.index for hit in hits if hit.rule.role in (Role.ROOT, Role.SYMPTOM)}
    hits = [
        hit for hit in hits if not (hit.rule.role is Role.BENIGN and hit.rule.general and hit.index in told)
    ]
    hits.sort(key=lambda hit: (hit.index, hit.start))
    return hits


def _lines_with(run: Run, literal: str) -> list[int]:
    found: list[int] = []
    text, starts = run.text, run.starts
    position = text.find(literal)
    while position >= 0:
        index = bisect_right(starts, position) - 1
        found.append(index)
        if index + 1 >= len(starts):
            break
        position = text.find(literal, starts[index + 1])
    return found


def _signature_hits(
    run: Run, rule: Rule, signature: Signature, where: dict[str, list[int]], facts: frozenset[str]
) -> list[Hit]:
    candidates: set[int] = set()
    for gate in signature.gates:
        candidates.update(where.get(gate, ()))
    if not candidates:
        return []
    regex = signature.regex
    hits: list[Hit] = []
    for index in sorted(candidates):
        found = regex.search(run.lines[index].text)
        if found is None or not _context_holds(run, signature, index, facts):
            continue
        if rule.role in (Role.ROOT, Role.SYMPTOM) and not _is_evidence(
            run.lines[index].text, found, signature
        ):
            continue
        strength = signature.strength or rule.strength
        hits.append(Hit(rule, index, strength, "", found.start(), signature.sigkill))
        if len(hits) >= MAX_HITS:
            break
    return hits


def _is_evidence(text: str, found: re.Match[str], signature: Signature) -> bool:
    if not signature.in_commands and (is_command(text) or is_question(text)):
        return False
    if not signature.in_paths and in_path(text, found.start(), found.end()):
        return False
    return not of_another_program(text)


FRAME_REACH = 14
"""Lines above an exception in which its innermost frame stands."""
_FRAME = lazy(r"^File [\"'“](?P<file>[^\"'”]{1,400})[\"'”], line \d")


def innermost_file(run: Run, index: int) -> str:
    """The file of the frame that stands last before the line, without a traceback's head in between; or ""."""
    for above in range(index - 1, max(index - FRAME_REACH, 0) - 1, -1):
        text = run.lines[above].text
        found = _FRAME.match(text)
        if found is not None:
            return str(found["file"])
        if "Traceback (most recent" in text:
            return ""
    return ""


def _context_holds(run: Run, signature: Signature, index: int, facts: frozenset[str]) -> bool:
    if signature.frame:
        file = innermost_file(run, index)
        if file and _compiled(signature.frame).search(file) is None:
            return False
    if not signature.needs and not signature.forbids:
        return True
    text = run.around(index, signature.within) if signature.within else run.text[:MAX_CONTEXT]
    for condition in signature.needs:
        if condition.startswith("fact:"):
            if condition[5:] not in facts:
                return False
        elif _compiled(condition).search(text) is None:
            return False
    for condition in signature.forbids:
        if condition.startswith("fact:"):
            if condition[5:] in facts:
                return False
        elif _compiled(condition).search(text) is not None:
            return False
    return True
