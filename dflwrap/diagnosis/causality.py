"""Which of several causes in one run is the first, and which of the others only follow from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dflwrap.diagnosis.rulebook.matcher import Hit
from dflwrap.diagnosis.rulebook.rule import Role, Rule

STRONG = 5
FALLBACK = 2
"""Causes up to this strength are what a stronger one in the same run looks like; they become its symptoms."""

_ENVIRONMENT = frozenset({"python-env", "tf-version", "antivirus/permission", "model-files"})
_GPU = frozenset({"hardware", "gpu-driver", "cuda-library", "gpu-memory", "quality (few/no faces)"})
_FOLLOWS: dict[str, frozenset[str]] = {
    # A card, driver or build that does not work shows as each error of the libraries above it.
    **dict.fromkeys(_GPU, _GPU | {"tf-version"}),
    # Without memory for it, no library is loaded; a library that does not load takes all above it along.
    "host-memory": _ENVIRONMENT | _GPU,
    **dict.fromkeys(_ENVIRONMENT, _ENVIRONMENT | _GPU),
    "output-io": frozenset({"output-io", "antivirus/permission", "input-image"}),
    "hang": _GPU,
}
"""Category of a first cause: categories of the causes that follow from it wherever they stand."""
_ALWAYS_FOLLOW = frozenset({"worker-crash", "hang"})


@dataclass
class Group:
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


def grouped(hits: Sequence[Hit]) -> dict[str, Group]:
    """The hits by rule, in the order of their first hit."""
    groups: dict[str, Group] = {}
    for hit in hits:
        groups.setdefault(hit.rule.id, Group(hit.rule, [])).hits.append(hit)
    return groups


def roots_and_symptoms(groups: dict[str, Group]) -> tuple[list[Group], list[Group]]:
    """The causes, the likeliest first, and what their rules know to be a symptom of another one present."""
    present = {name for name, group in groups.items() if group.rule.role is Role.ROOT}
    roots: list[Group] = []
    symptoms: list[Group] = []
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


def follows(first: Rule, other: Rule) -> bool:
    """Whether `other`, seen in the same run, is what `first` leads to, not a second finding."""
    return (
        other.general
        or other.category in _ALWAYS_FOLLOW
        or other.category in _FOLLOWS.get(first.category, frozenset())
    )
