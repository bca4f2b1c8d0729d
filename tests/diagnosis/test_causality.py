"""A rule that another one explains is a symptom beside it, however clear its own line is."""

from __future__ import annotations

import pytest

from dflwrap.diagnosis import load_catalogue
from dflwrap.diagnosis.causality import STRONG, Group, roots_and_symptoms
from dflwrap.diagnosis.rulebook.matcher import Hit
from dflwrap.diagnosis.rulebook.rule import Role, Rule

ROOTS = {rule.id: rule for rule in load_catalogue().rules if rule.role is Role.ROOT}
PAIRS = [
    (rule, ROOTS[other])
    for rule in ROOTS.values()
    for other in rule.explained_by
    if other in ROOTS and rule.id not in ROOTS[other].explained_by
]


@pytest.mark.parametrize(("rule", "other"), PAIRS, ids=[f"{one.id} by {other.id}" for one, other in PAIRS])
@pytest.mark.parametrize("first", [True, False])
def test_what_another_cause_explains_is_its_symptom(rule: Rule, other: Rule, first: bool) -> None:
    groups = {
        other.id: Group(other, [Hit(other, int(first), STRONG)]),
        rule.id: Group(rule, [Hit(rule, int(not first), STRONG + 2)]),
    }
    roots, symptoms = roots_and_symptoms(groups)
    assert [group.rule.id for group in roots] == [other.id]
    assert [group.rule.id for group in symptoms] == [rule.id]


def test_two_causes_that_explain_each_other_both_stay() -> None:
    pairs = [
        (rule, ROOTS[other])
        for rule in ROOTS.values()
        for other in rule.explained_by
        if other in ROOTS and rule.id in ROOTS[other].explained_by
    ]
    for rule, other in pairs:
        groups = {one.id: Group(one, [Hit(one, place, STRONG)]) for place, one in enumerate((rule, other))}
        assert len(roots_and_symptoms(groups)[0]) == 2
