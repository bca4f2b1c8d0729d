"""From hits and inferences to one verdict per run: which is the root, which are its symptoms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from dflwrap.common.verdict import Cause, Confidence, EvidenceLine, Health, Verdict
from dflwrap.diagnosis.causality import STRONG, Group, follows, grouped, roots_and_symptoms
from dflwrap.diagnosis.evidence import is_suspend
from dflwrap.diagnosis.facts import VERSIONS_LOOK, Facts, LogFacts, read_facts
from dflwrap.diagnosis.kills import PROCESS_KILLED, weigh_kills
from dflwrap.diagnosis.lazy import lazy
from dflwrap.diagnosis.log.interleaved import read_out
from dflwrap.diagnosis.log.lines import Line
from dflwrap.diagnosis.log.steps import of_another_step
from dflwrap.diagnosis.log.tracebacks import Raised, bare, cut_short, unexplained, unexplained_native
from dflwrap.diagnosis.rulebook.catalogue import Catalogue
from dflwrap.diagnosis.rulebook.matcher import Hit, Run, find_hits
from dflwrap.diagnosis.rulebook.rule import Role
from dflwrap.diagnosis.silence import infer, unaccounted
from dflwrap.diagnosis.tables.fit_notes import note as fit_note
from dflwrap.diagnosis.tables.reasons import reason_hits
from dflwrap.diagnosis.tables.statuses import Status, status_hits

EVIDENCE_LINES = 5
EVIDENCE_WIDTH = 300
SPECIFIC = 6
"""Strength from which a second, independent cause makes the first one no more than likely."""
MINOR = 3
"""Strength up to which a cause costs frames, not the run."""


_WSL = lazy(r"microsoft-standard|/usr/lib/wsl|\bWSL2?\b|/mnt/[a-z]/")
"""Signs of Linux inside Windows."""


OF_ANY_STEP = frozenset(
    ("cuda-library", "gpu-driver", "python-env", "tf-version", "hardware", "antivirus/permission")
)
"""Categories of causes that lie in the machine: what stops a training here stops an extraction too. Memory, files
and workers are another matter in each step, and what the rules say of them holds for an extraction only."""


@dataclass
class Judged:
    """The verdict, and the facts of the log that it rests on."""

    verdict: Verdict
    log: LogFacts


def judge(
    lines: Sequence[Line], catalogue: Catalogue, facts: Facts, nul_tail: int = 0, ends_open: bool = False
) -> Judged:
    """Judge one run. `facts` is what the caller knows besides the text."""
    run, log, hits, bare_statuses = _look(lines, catalogue)
    known = list(hits)
    for finding in infer(run, log, facts, nul_tail, ends_open):
        rule = catalogue.by_id.get(finding.rule_id)
        if rule is not None:
            hit = Hit(rule, finding.index, finding.strength, finding.note)
            hits.append(replace(hit, sigkill=finding.sigkill, shown=finding.shown))
    hits = weigh_kills(hits, facts.memory, catalogue)
    groups = grouped(hits)
    benign = tuple(sorted(name for name, group in groups.items() if group.rule.role is Role.BENIGN))
    stands = log.whole and facts.images_given is None
    set_aside = [group for group in groups.values() if stands and _cannot_be(group)]
    for group in set_aside:
        del groups[group.rule.id]
    unknown = [] if stands else _unknown(run, log, known, bare_statuses)
    public = _public(run, log, facts, unknown, set_aside)

    def judged(health: Health, primary: Cause | None, causes: Sequence[Cause]) -> Judged:
        return Judged(Verdict(health, primary, tuple(causes), benign, public), log)

    roots, symptoms = roots_and_symptoms(groups)
    scene = _Scene(run, log, roots, bool(unknown))
    if stands and not roots:
        return judged(Health.HEALTHY, None, ())
    named = roots and not (unknown and _only_beside(roots[0]))
    if named and of_another_step(log.step) and roots[0].rule.category not in OF_ANY_STEP:
        return judged(Health.UNKNOWN, None, [scene.cause(group, ()) for group in (*roots, *symptoms)])
    if named:
        first, *others = roots
        later = [*symptoms, *(group for group in others if follows(first.rule, group.rule))]
        second = [group for group in others if not follows(first.rule, group.rule)]
        causes = [scene.cause(first, later), *(scene.cause(group, ()) for group in second)]
        return judged(Health.FAILURE, causes[0], causes)
    cut = cut_short(run.lines) if not unknown else None
    if cut is not None and not symptoms and "truncated-log" in catalogue.by_id:
        rule = catalogue.by_id["truncated-log"]
        symptoms = [Group(rule, [Hit(rule, cut, 1)])]
    told = [scene.cause(group, ()) for group in symptoms]
    if symptoms and not unknown:
        return judged(Health.UNKNOWN, told[0], told)
    told = [scene.cause(group, ()) for group in roots] + told
    return judged(Health.UNKNOWN, None, told)


def _look(lines: Sequence[Line], catalogue: Catalogue) -> tuple[Run, LogFacts, list[Hit], dict[int, Status]]:
    """The run, what it says of itself, every rule's hits, and the status names that no rule knows; woven messages
    are read out where nothing strong stands in clear."""
    run = Run(lines)
    log, hits, statuses = _hits(run, catalogue)
    if not any(hit.rule.role is Role.ROOT and hit.strength >= STRONG for hit in hits):
        woven = read_out(lines)
        if woven:
            run = Run(_inserted(lines, woven))
            log, hits, statuses = _hits(run, catalogue)
    return run, log, [hit for hit in hits if not _before_start(run, log, hit)], statuses


def _hits(run: Run, catalogue: Catalogue) -> tuple[LogFacts, list[Hit], dict[int, Status]]:
    log = read_facts(run)
    hits = find_hits(run, catalogue, log.names)
    harmless = {hit.index for hit in hits if hit.rule.role is Role.BENIGN}
    named, statuses = status_hits(run, catalogue)
    hits += reason_hits(run, catalogue)
    # Where every frame was handed out, a refused allocation or a retried call has cost nothing.
    hits += [hit for hit in named if hit.index not in harmless and (hit.note or not log.complete)]
    return log, hits, {index: one for index, one in statuses.items() if index not in harmless}


def _unknown(run: Run, log: LogFacts, known: Sequence[Hit], statuses: dict[int, Status]) -> list[Raised]:
    """The errors that no rule knows; a rule of general signs does not explain what native code says of itself."""
    covered = {hit.index for hit in known}
    named = {hit.index for hit in known if not hit.rule.general}
    found = unexplained(run.lines, covered)
    if not found and "traceback" not in log.names:
        found = bare(run.lines, covered)
    if not found and not any(_explains(hit) for hit in known):
        found = unexplained_native(run.lines, named)
    if not found and not log.complete and not any(_explains(hit) for hit in known):
        found = [Raised(i, one.name, one.meaning) for i, one in statuses.items() if i not in covered]
    return found


def _explains(hit: Hit) -> bool:
    """Whether this is a cause in its own right, beside which native code's last words are its consequence."""
    return hit.rule.role is Role.ROOT and not hit.rule.general and hit.strength > MINOR


def _public(
    run: Run, log: LogFacts, facts: Facts, unknown: Sequence[Raised], set_aside: Sequence[Group]
) -> dict[str, Any]:
    """The verdict's facts."""
    public = log.public()
    missing = unaccounted(log)
    if missing is not None and (log.lost or log.done or log.summary_index is not None or log.frame_errors):
        public["frames_unaccounted"] = missing
    if facts.timed_out_phase:
        public["timed_out_phase"] = facts.timed_out_phase
    if set_aside:
        public["did_not_stop_it"] = [
            f"{group.rule.title} ({_place(run, group.index)})" for group in set_aside
        ]
    if unknown:
        public["unexplained"] = [
            f"{_place(run, one.index)}: {run.lines[one.index].text[:EVIDENCE_WIDTH]}" for one in unknown[:3]
        ]
        public["unknown_error"] = _told(run, unknown[0])
    return public


def _before_start(run: Run, log: LogFacts, hit: Hit) -> bool:
    """A sleep of the computer that was over before the extraction began has not ended it."""
    return hit.index < log.start_index and is_suspend(run.lines[hit.index].text)


def _cannot_be(group: Group) -> bool:
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


def _only_beside(best: Group) -> bool:
    """Whether an exception that nobody knows stands above this cause: it is a sign that any failure leaves, or
    it costs single frames only."""
    if best.rule.id in ("poison-frame", PROCESS_KILLED):
        return False  # the one is about that very exception, the other no exception can explain
    return best.rule.general or best.strength <= MINOR


def _told(run: Run, raised: Raised) -> dict[str, object]:
    """The `unknown_error` fact: the innermost exception that no rule knows, and where it was raised."""
    line = run.lines[raised.index]
    return {
        "type": raised.name,
        "message": raised.message[:EVIDENCE_WIDTH],
        "module": raised.module or None,
        "file": raised.file or None,
        "line": raised.line or None,
        "function": raised.function or None,
        "source": line.source,
        "log_line": line.number,
    }


@dataclass(frozen=True)
class _Scene:
    """What stands around a cause and decides how surely it may be called one."""

    run: Run
    log: LogFacts
    roots: Sequence[Group]
    unknown: bool
    """An exception that no rule knows stands in the same run."""

    def cause(self, group: Group, later: Sequence[Group]) -> Cause:
        """The group in its rule's words, with its lines; `later` follow from it."""
        rule = group.rule
        evidence: list[EvidenceLine] = []
        seen: set[int] = set()
        for hit in sorted(group.hits, key=lambda hit: (-hit.strength, hit.index)):
            if hit.shown and len(evidence) < EVIDENCE_LINES:
                evidence.append(EvidenceLine("dflwrap", 1, hit.shown))
            if hit.shown or hit.index in seen or not self.run.lines or len(evidence) >= EVIDENCE_LINES:
                continue
            seen.add(hit.index)
            line = self.run.lines[hit.index]
            evidence.append(EvidenceLine(line.source, line.number, line.text[:EVIDENCE_WIDTH]))
        notes = [hit.note for hit in group.hits if hit.note][:1]
        fit = self._fit(rule.id)
        notes += [fit] if fit else []
        explanation = rule.explanation if not notes else f"{rule.explanation} (Here: {'; '.join(notes)}.)"
        return replace(
            rule.cause(self._confidence(group), tuple(evidence)),
            symptoms=tuple(one.rule.id for one in later),
            steps=rule.steps_for(self._telling(group)),
            consequences=tuple(
                f"{one.rule.title} ({_place(self.run, one.index)})"
                for one in later
                if not {hit.index for hit in one.hits} <= {hit.index for hit in group.hits}
            ),
            explanation=explanation,
        )

    def _fit(self, rule: str) -> str:
        """What the table of fit says of the card, build and driver that the log names."""
        log = self.log
        cards = [*(name for _, name in log.running_on), *log.gpus]
        system = "wsl" if _WSL.search(self.run.text) else log.platform
        return fit_note(rule, cards, log.versions, log.build, system, self.run.text[:VERSIONS_LOOK])

    def _telling(self, group: Group) -> str:
        """What a rule's variants look at: the group's lines, then the run's facts, one a line."""
        lines = [self.run.lines[hit.index].text for hit in group.hits if self.run.lines]
        facts = [f"{name} {version}" for name, version in self.log.versions.items()]
        facts += [f"platform {self.log.platform}", f"build {self.log.build}"]
        facts += ["system wsl"] if _WSL.search(self.run.text) else []
        facts += [f"gpu {name}" for name in (*self.log.gpus, *(one for _, one in self.log.running_on))]
        return "\n".join([*lines, *facts])

    def _confidence(self, group: Group) -> Confidence:
        if all(hit.sigkill for hit in group.hits):
            return Confidence.POSSIBLE
        if group.strength <= 2 or group.rule.role is not Role.ROOT:
            return Confidence.POSSIBLE
        rivals = [
            other
            for other in self.roots
            if other is not group and other.strength >= SPECIFIC and not follows(group.rule, other.rule)
        ]
        complete = self.log.complete and not (self.log.frame_errors or self.log.init_errors)
        if group.strength >= 7 and not rivals and not complete and not self.unknown:
            return Confidence.CERTAIN
        return Confidence.LIKELY
