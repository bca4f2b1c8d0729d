"""A rule of the catalogue: what a cause looks like in a log, and what is said about it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

from dflwrap.common.verdict import Cause, Confidence, EvidenceLine


class Role(StrEnum):
    """What a match of a rule means for the answer."""

    ROOT = "root"
    """A cause by itself."""
    SYMPTOM = "symptom"
    """Follows from another cause; never the answer when a root is there."""
    BENIGN = "benign"
    """Alarming but harmless."""
    CONTEXT = "context"
    """Colours the reading of other lines; never an answer."""


class RuleError(ValueError):
    """A rule that cannot be used: which, and why."""


@dataclass(frozen=True)
class Signature:
    """One expression over one logical line, with the context that it needs or forbids.

    `needs`/`forbids` hold expressions or "fact:NAME"; all needed ones must hold and no forbidden one may,
    within `within` lines around the hit (0 = anywhere in the same run).
    """

    pattern: str
    gates: tuple[str, ...]
    needs: tuple[str, ...] = ()
    forbids: tuple[str, ...] = ()
    within: int = 0
    strength: int | None = None
    """Overrides the rule's strength."""
    frame: str = ""
    """What the path of the innermost frame of the traceback must match that ends at the hit, if one is there."""
    in_commands: bool = False
    """Whether a typed command counts; else what a shell echoes is no evidence (evidence.py)."""
    in_paths: bool = False
    """Whether a part of a file's or folder's name counts."""
    sigkill: bool = False
    """It says only that a process was killed, not why: whether memory was short decides what that means."""

    @cached_property
    def regex(self) -> re.Pattern[str]:
        return re.compile(self.pattern)


@dataclass(frozen=True)
class Variant:
    """Steps for one form of a cause: where `when` is found in its lines or in the run's facts, `steps` come in
    the place of the rule's own. {NAME} stands for the group of that name in `when`."""

    when: str
    steps: tuple[str, ...]

    def fitting(self, text: str) -> tuple[str, ...] | None:
        """The steps, filled in, if this is the form at hand."""
        found = re.search(self.when, text, re.MULTILINE)
        if found is None:
            return None
        steps = self.steps
        for name, value in found.groupdict().items():
            steps = tuple(step.replace("{" + name + "}", (value or "").strip()[:FILLED]) for step in steps)
        return steps


FILLED = 80
"""Characters of a log that may be filled into a step."""


@dataclass(frozen=True)
class Rule:
    """One rule of the catalogue, as its TOML table has it (docs/rules.md)."""

    id: str
    title: str
    category: str
    role: Role
    signatures: tuple[Signature, ...]
    strength: int = 7
    """9 decisive native line, 7 specific root, 5 generic root, 3 costs single frames, 1 only if nothing else."""
    stage: str = ""
    explained_by: tuple[str, ...] = ()
    """Ids that, found in the same run, turn this one into their symptom."""
    not_proof: str = ""
    remedies: tuple[str, ...] = ()
    explanation: str = ""
    steps: tuple[str, ...] = ()
    variants: tuple[Variant, ...] = ()
    references: tuple[str, ...] = ()
    matches: tuple[str, ...] = ()
    """Samples in which this rule's id is the primary (or, for a benign or symptom rule, is found)."""
    not_matches: tuple[str, ...] = ()
    complete_run: bool = False
    """Whether it may be the answer although every frame came back: single frames, speed, quality."""
    check: str = ""
    """The check of `dflwrap doctor` that would prove it, where the cause lies in the machine or the install."""
    general: bool = False
    """A general sign (a crash, a silence, a status): explains nothing where a named exception stands."""
    inferred: bool = False
    """Found by arithmetic, silence or an exit status (silence.py, exits.py); may have no signature."""
    origin: str = field(default="built in", compare=False)

    def steps_for(self, text: str) -> tuple[str, ...]:
        """The steps for a run whose telling lines and facts are `text`."""
        fitting = (variant.fitting(text) for variant in self.variants)
        return next((steps for steps in fitting if steps is not None), self.steps)

    def cause(self, confidence: Confidence, evidence: tuple[EvidenceLine, ...]) -> Cause:
        """The rule as a cause that was found, in its own words."""
        return Cause(
            id=self.id,
            title=self.title,
            category=self.category,
            confidence=confidence,
            evidence=evidence,
            remedies=self.remedies,
            steps=self.steps,
            explanation=self.explanation,
            references=self.references,
            check=self.check,
        )


_TEXT = ("id", "title", "category", "explanation")
_KNOWN = {
    "id", "title", "category", "role", "signatures", "strength", "stage", "explained_by", "not_proof",
    "remedies", "explanation", "steps", "references", "matches", "not_matches", "inferred", "complete_run", "general",
    "variants", "check",
}  # fmt: skip


def rule_from_table(table: dict[str, Any], origin: str) -> Rule:
    """Build and check one rule of a TOML file. Raises RuleError with the rule's id and the reason."""
    name = str(table.get("id", "(without id)"))

    def refuse(reason: str) -> RuleError:
        return RuleError(f"rule {name} in {origin}: {reason}")

    unknown = set(table) - _KNOWN
    if unknown:
        raise refuse(f"unknown key {sorted(unknown)[0]!r}")
    for key in _TEXT:
        if not isinstance(table.get(key), str) or not table[key].strip():
            raise refuse(f"{key!r} is missing or not a text")
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
        raise refuse("an id is lower-case words joined by hyphens")
    try:
        role = Role(table.get("role", "root"))
    except ValueError:
        raise refuse(f"role must be one of {', '.join(Role)}") from None
    lists: dict[str, tuple[str, ...]] = {}
    for key in ("explained_by", "remedies", "steps", "references", "matches", "not_matches"):
        value = table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise refuse(f"{key!r} must be a list of texts")
        lists[key] = tuple(value)
    strength = table.get("strength", 7)
    if not isinstance(strength, int) or not 1 <= strength <= 9:
        raise refuse("'strength' is a number from 1 to 9")
    inferred = table.get("inferred", False)
    signatures = table.get("signatures", [])
    if not isinstance(signatures, list) or (not signatures and not inferred):
        raise refuse("a rule needs at least one signature")
    if len(lists["matches"]) < 2 or not lists["not_matches"]:
        raise refuse("a rule proves itself: at least 2 samples in 'matches' and 1 in 'not_matches'")
    from dflwrap.diagnosis.rulebook.literals import PatternError

    try:
        built = tuple(_signature(item) for item in signatures)
    except (PatternError, TypeError, KeyError, AttributeError) as error:
        raise refuse(str(error)) from None
    return Rule(
        id=name,
        title=table["title"],
        category=table["category"],
        role=role,
        signatures=built,
        strength=strength,
        stage=str(table.get("stage", "")),
        explained_by=lists["explained_by"],
        not_proof=str(table.get("not_proof", "")),
        remedies=lists["remedies"],
        explanation=table["explanation"].strip(),
        steps=lists["steps"],
        variants=_variants(table, refuse),
        references=lists["references"],
        matches=lists["matches"],
        not_matches=lists["not_matches"],
        complete_run=bool(table.get("complete_run", False)),
        check=str(table.get("check", "")),
        general=bool(table.get("general", False)),
        inferred=bool(inferred),
        origin=origin,
    )


def _variants(table: dict[str, Any], refuse: Callable[[str], RuleError]) -> tuple[Variant, ...]:
    from dflwrap.diagnosis.rulebook.literals import lint

    built = []
    for item in table.get("variants", []):
        if not isinstance(item, dict) or set(item) != {"when", "steps"}:
            raise refuse("each of 'variants' has 'when' and 'steps'")
        fault = lint(item["when"])
        if fault:
            raise refuse(f"{item['when']!r}: {fault}")
        if not item["steps"] or not all(isinstance(step, str) for step in item["steps"]):
            raise refuse("the 'steps' of a variant are a list of texts")
        built.append(Variant(item["when"], tuple(item["steps"])))
    return tuple(built)


def _signature(item: Any) -> Signature:
    # The parser of expressions is only needed where rules are reread, not from the cache.
    from dflwrap.diagnosis.rulebook.literals import PatternError, lint, required_literals

    table = {"re": item} if isinstance(item, str) else dict(item)
    known = {"re", "needs", "forbids", "within", "strength", "frame", "in_commands", "in_paths", "sigkill"}
    extra = set(table) - known
    if extra:
        raise PatternError(f"unknown key {sorted(extra)[0]!r} in a signature")
    pattern = table["re"]
    frame = [table["frame"]] if "frame" in table else []
    for text in (pattern, *frame, *table.get("needs", ()), *table.get("forbids", ())):
        fault = None if text.startswith("fact:") else lint(text)
        if fault:
            raise PatternError(f"{text!r}: {fault}")
    return Signature(
        pattern=pattern,
        gates=required_literals(pattern),
        needs=tuple(table.get("needs", ())),
        forbids=tuple(table.get("forbids", ())),
        within=int(table.get("within", 0)),
        strength=None if table.get("strength") is None else int(table["strength"]),
        frame=str(table.get("frame", "")),
        in_commands=bool(table.get("in_commands", False)),
        in_paths=bool(table.get("in_paths", False)),
        sigkill=table.get("sigkill") is True,
    )
