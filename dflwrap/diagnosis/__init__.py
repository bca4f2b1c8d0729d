"""What a log says: `diagnose_text` names the root cause with its evidence, or says that it is unknown."""

from __future__ import annotations

from dflwrap.diagnosis.facts import Facts
from dflwrap.diagnosis.rulebook.catalogue import Catalogue, load_catalogue
from dflwrap.diagnosis.rulebook.rule import Role, Rule, RuleError
from dflwrap.diagnosis.verdict import Diagnosis, diagnose_streams, diagnose_text

__all__ = [
    "Catalogue",
    "Diagnosis",
    "Facts",
    "Role",
    "Rule",
    "RuleError",
    "diagnose_streams",
    "diagnose_text",
    "load_catalogue",
]
