"""The rules' proof of themselves: every sample against every rule, and a lint of the whole catalogue."""

from __future__ import annotations

from dataclasses import dataclass

from dflwrap.common.rungs import Rung
from dflwrap.diagnosis.rulebook.catalogue import Catalogue
from dflwrap.diagnosis.rulebook.literals import lint
from dflwrap.diagnosis.rulebook.rule import Role, Rule
from dflwrap.diagnosis.verdict import diagnose_text


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a rule."""

    rule_id: str
    reason: str


def failures(catalogue: Catalogue) -> list[Fault]:
    """Samples that do not lead where their rule says: the cross-match matrix of the catalogue."""
    found: list[Fault] = []
    for rule in catalogue.rules:
        for sample in rule.matches:
            reason = _wrong(rule, sample, catalogue)
            if reason:
                found.append(Fault(rule.id, f"{reason}: {_head(sample)}"))
        for sample in rule.not_matches:
            if rule.role is not Role.CONTEXT and rule.id in _named(sample, catalogue, rule):
                found.append(Fault(rule.id, f"found where it must not be: {_head(sample)}"))
    return found


def _wrong(rule: Rule, sample: str, catalogue: Catalogue) -> str:
    if rule.role is Role.CONTEXT:
        hit = any(sig.regex.search(line) for sig in rule.signatures for line in sample.splitlines())
        return "" if hit else "no signature matches the sample"
    verdict = diagnose_text([("sample.log", sample.encode())], catalogue=catalogue)
    if rule.role is Role.BENIGN:
        if rule.id not in verdict.benign:
            return "not found in its own sample"
        return f"a harmless sample was taken for {verdict.primary.id}" if verdict.primary else ""
    got = verdict.primary.id if verdict.primary else verdict.health.value
    return "" if got == rule.id else f"the sample was taken for {got}"


def _named(sample: str, catalogue: Catalogue, rule: Rule) -> set[str]:
    verdict = diagnose_text([("sample.log", sample.encode())], catalogue=catalogue)
    if rule.role is Role.BENIGN:
        return set(verdict.benign)
    return {verdict.primary.id} if verdict.primary else set()


def _head(sample: str) -> str:
    return sample.strip().splitlines()[0][:100]


def lint_catalogue(catalogue: Catalogue) -> list[Fault]:
    """Unknown rungs, unknown ids, unsafe patterns, causes without remedy or step."""
    found: list[Fault] = []
    rungs = {rung.value for rung in Rung}
    for rule in catalogue.rules:
        found += [Fault(rule.id, f"unknown remedy {name}") for name in rule.remedies if name not in rungs]
        found += [
            Fault(rule.id, f"explained by an unknown rule {name}")
            for name in rule.explained_by
            if name not in catalogue.by_id
        ]
        for signature in rule.signatures:
            for text in (signature.pattern, *signature.needs, *signature.forbids):
                fault = None if text.startswith("fact:") else lint(text)
                if fault:
                    found.append(Fault(rule.id, f"{text}: {fault}"))
        if rule.role in (Role.ROOT, Role.SYMPTOM) and not rule.remedies:
            found.append(Fault(rule.id, "no remedy"))
        if rule.role in (Role.ROOT, Role.SYMPTOM) and not rule.steps:
            found.append(Fault(rule.id, "no step for the user"))
        if len(set(rule.matches)) < len(rule.matches):
            found.append(Fault(rule.id, "the same sample twice"))
    return found
