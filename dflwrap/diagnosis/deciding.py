"""From hits and inferences to one verdict per run: which is the root, which are its symptoms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dflwrap.common.verdict import Cause, Confidence, EvidenceLine, Health, Verdict
from dflwrap.diagnosis.catalogue import Catalogue
from dflwrap.diagnosis.evidence import is_suspend
from dflwrap.diagnosis.facts import Facts, LogFacts, read_facts
from dflwrap.diagnosis.interleaved import read_out
from dflwrap.diagnosis.lazy import lazy
from dflwrap.diagnosis.lines import Line
from dflwrap.diagnosis.matcher import Hit, Run, find_hits
from dflwrap.diagnosis.rule import Role, Rule
from dflwrap.diagnosis.silence import infer, unaccounted

EVIDENCE_LINES = 5
EVIDENCE_WIDTH = 300
MINOR = 3
"""Strength up to which a cause costs frames, not the run."""

STRONG = 5
FALLBACK = 2
"""Causes up to this strength are what a stronger one in the same run looks like; they become its symptoms."""

_EXCEPTION = lazy(
    r"^(?P<name>(?:[A-Za-z_]\w{0,40}\.){1,8}[A-Z]\w{0,60}|[A-Z]\w{0,60}(?:Error|Exception|Interrupt|Exit|Iteration)"
    r"|(?:\w{1,40}\.)?error|Exception)(?::|$)"
)
_LOUD = lazy(
    r"^(?:[\w/.:\[\] -]{0,80})?(?:Traceback \(most recent call last\)|Fatal Python error|Segmentation fault|Aborted"
    r"|Bus error|Killed$|terminate called|\*\*\* stack smashing)|\bF tensorflow/|\bF0\d{3} |Check failed:|core dumped"
    r"|doesnt response|Error while |Exception while |^(?:Fatal|FATAL)\b|panic:"
)
_UNEXPLAINED_STARTS = ("Unable to start", "cannot save")


@dataclass
class _Group:
    """All hits of one rule in one run."""

    rule: Rule
    hits: list[Hit]

    @property
    def strength(self) -> int:
        return max(hit.strength for hit in self.hits)

    @property
    def index(self) -> int:
        best = self.strength
        return min(hit.index for hit in self.hits if hit.strength == best)


@dataclass
class Judged:
    verdict: Verdict
    log: LogFacts


def judge(
    lines: Sequence[Line], catalogue: Catalogue, facts: Facts, nul_tail: int = 0, ends_open: bool = False
) -> Judged:
    """Judge one run. `facts` is what the caller knows besides the text."""
    run = Run(lines)
    log = read_facts(run)
    hits = find_hits(run, catalogue, log.names)
    if not any(hit.rule.role is Role.ROOT and hit.strength >= STRONG for hit in hits):
        woven = read_out(lines)
        if woven:
            run = Run(_inserted(lines, woven))
            log = read_facts(run)
            hits = find_hits(run, catalogue, log.names)
    hits = [hit for hit in hits if not _before_start(run, log, hit)]
    covered = {hit.index for hit in hits}
    for finding in infer(run, log, facts, nul_tail, ends_open):
        rule = catalogue.by_id.get(finding.rule_id)
        if rule is not None:
            hits.append(Hit(rule, finding.index, finding.strength, finding.note))
    groups: dict[str, _Group] = {}
    for hit in hits:
        groups.setdefault(hit.rule.id, _Group(hit.rule, [])).hits.append(hit)
    benign = tuple(sorted(name for name, group in groups.items() if group.rule.role is Role.BENIGN))
    stands = log.whole and facts.images_given is None
    set_aside = [group for group in groups.values() if stands and _cannot_be(group)]
    for group in set_aside:
        del groups[group.rule.id]
    roots, symptoms = _roots_and_symptoms(groups)
    unexplained = _unexplained(run, covered)
    public = log.public()
    missing = unaccounted(log)
    if missing is not None and (log.lost or log.done or log.summary_index is not None or log.frame_errors):
        public["frames_unaccounted"] = missing
    loud = bool(unexplained or log.lost or log.frame_errors or log.init_errors)
    if facts.exit_status not in (None, 0) or any(facts.worker_statuses):
        loud = loud or not facts.ended_by_us
    if facts.timed_out_phase:
        public["timed_out_phase"] = facts.timed_out_phase
        loud = True
    if set_aside:
        public["did_not_stop_it"] = [
            f"{group.rule.title} ({_place(run, group.index)})" for group in set_aside
        ]
    if stands and not roots:
        return Judged(Verdict(Health.HEALTHY, None, (), benign, public), log)
    ranked = [_cause(group, run, symptoms, roots, log) for group in roots]
    if unexplained:
        public["unexplained"] = [
            f"{line.source}:{line.number}: {line.text[:EVIDENCE_WIDTH]}" for line in unexplained[:3]
        ]
    if roots and not (unexplained and roots[0].strength <= MINOR and _decisive_unknown(roots[0], log)):
        return Judged(Verdict(Health.FAILURE, ranked[0], tuple(ranked), benign, public), log)
    cut_short = _cut_short(run) if not unexplained else None
    if cut_short is not None and not symptoms and "truncated-log" in catalogue.by_id:
        symptoms = [
            _Group(catalogue.by_id["truncated-log"], [Hit(catalogue.by_id["truncated-log"], cut_short, 1)])
        ]
    if symptoms and not unexplained:
        told = [_cause(group, run, [], [], log) for group in symptoms]
        return Judged(Verdict(Health.UNKNOWN, told[0], tuple(told), benign, public), log)
    if loud or symptoms or _is_loud(run, hits):
        told = ranked + [_cause(group, run, [], [], log) for group in symptoms]
        return Judged(Verdict(Health.UNKNOWN, None, tuple(told), benign, public), log)
    return Judged(Verdict(Health.HEALTHY if log.whole else Health.UNKNOWN, None, (), benign, public), log)


def _before_start(run: Run, log: LogFacts, hit: Hit) -> bool:
    """A sleep of the computer that was over before the extraction began has not ended it."""
    return hit.index < log.start_index and is_suspend(run.lines[hit.index].text)


def _cannot_be(group: _Group) -> bool:
    """Whether a run in which every frame came back contradicts this cause."""
    return group.rule.role in (Role.ROOT, Role.SYMPTOM) and not group.rule.complete_run


def _place(run: Run, index: int) -> str:
    line = run.lines[index]
    return f"{line.source}:{line.number}"


def _inserted(lines: Sequence[Line], extra: list[tuple[int, Line]]) -> list[Line]:
    """`lines` with each extra line right after the one it was read out of."""
    result = list(lines)
    for index, line in reversed(extra):
        result.insert(index + 1, line)
    return result


def _decisive_unknown(best: _Group, log: LogFacts) -> bool:
    """An exception nobody knows ended the run, and all that is known would only cost frames."""
    return best.strength <= MINOR and best.rule.id not in ("poison-frame", "worker-native-crash")


def _roots_and_symptoms(groups: dict[str, _Group]) -> tuple[list[_Group], list[_Group]]:
    present = {name for name, group in groups.items() if group.rule.role is Role.ROOT}
    roots: list[_Group] = []
    symptoms: list[_Group] = []
    for name, group in groups.items():
        if group.rule.role is Role.SYMPTOM:
            symptoms.append(group)
        elif group.rule.role is Role.ROOT:
            explainers = [other for other in group.rule.explained_by if other in present and other != name]
            mutual = [o for o in explainers if name in groups[o].rule.explained_by]
            if any(other not in mutual for other in explainers):
                symptoms.append(group)
            else:
                roots.append(group)
    if any(group.strength >= STRONG for group in roots):
        symptoms += [group for group in roots if group.strength <= FALLBACK]
        roots = [group for group in roots if group.strength > FALLBACK]
    roots.sort(key=lambda group: (-group.strength, group.index))
    symptoms.sort(key=lambda group: (-group.strength, group.index))
    return roots, symptoms


def _cause(group: _Group, run: Run, symptoms: list[_Group], roots: list[_Group], log: LogFacts) -> Cause:
    rule = group.rule
    evidence: list[EvidenceLine] = []
    seen: set[int] = set()
    for hit in sorted(group.hits, key=lambda hit: (-hit.strength, hit.index)):
        if hit.index in seen or not run.lines or len(evidence) >= EVIDENCE_LINES:
            continue
        seen.add(hit.index)
        line = run.lines[hit.index]
        evidence.append(EvidenceLine(line.source, line.number, line.text[:EVIDENCE_WIDTH]))
    notes = [hit.note for hit in group.hits if hit.note]
    explanation = rule.explanation if not notes else f"{rule.explanation} (Here: {notes[0]}.)"
    return replace(
        rule.cause(_confidence(group, roots, log), tuple(evidence)),
        symptoms=tuple(s.rule.id for s in symptoms if s.rule.id != rule.id),
        explanation=explanation,
    )


def _confidence(group: _Group, roots: list[_Group], log: LogFacts) -> Confidence:
    if group.strength <= 2 or group.rule.role is not Role.ROOT:
        return Confidence.POSSIBLE
    rivals = [o for o in roots if o is not group and o.strength >= group.strength]
    complete = log.complete and not (log.frame_errors or log.init_errors)
    if group.strength >= 7 and not rivals and not complete:
        return Confidence.CERTAIN
    return Confidence.LIKELY


def _unexplained(run: Run, covered: set[int]) -> list[Line]:
    """The final lines of tracebacks that no rule knows."""
    unknown: list[Line] = []
    in_trace = False
    explained_trace = False
    for index, line in enumerate(run.lines):
        text = line.text
        if "Traceback (most recent call last)" in text:
            in_trace = True
            continue
        if in_trace and not text.startswith("File ") and (found := _EXCEPTION.match(text)):
            if index in covered or any(word in text for word in _UNEXPLAINED_STARTS):
                explained_trace = True
            elif not explained_trace or found["name"] == "KeyboardInterrupt":
                unknown.append(line)
            in_trace = False
            following = run.lines[index + 1].text if index + 1 < len(run.lines) else ""
            if "above exception" not in following:
                explained_trace = False
    return unknown


def _cut_short(run: Run) -> int | None:
    """The index of a traceback's head that no exception line follows."""
    for index in range(len(run.lines) - 1, -1, -1):
        text = run.lines[index].text
        if _EXCEPTION.match(text):
            return None
        if "Traceback (most recent call last)" in text:
            return index
    return None


def _is_loud(run: Run, hits: list[Hit]) -> bool:
    covered = {hit.index for hit in hits if hit.rule.role is Role.BENIGN}
    return any(
        index not in covered and _LOUD.search(line.text) is not None
        for index, line in enumerate(run.lines)
        if "%|" not in line.text
    )
