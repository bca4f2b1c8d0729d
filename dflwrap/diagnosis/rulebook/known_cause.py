"""Causes that are seen, not read from a log, in the words of their rules."""

from __future__ import annotations

from dataclasses import replace

from dflwrap.common.verdict import Cause, Confidence, EvidenceLine
from dflwrap.diagnosis.rulebook.catalogue import load_catalogue


def known_cause(name: str, confidence: Confidence, evidence: EvidenceLine, title: str = "") -> Cause:
    """A cause that the supervisor saw itself, in the words of its rule; `title` says more than the rule's."""
    cause = load_catalogue().by_id[name].cause(confidence, (evidence,))
    return replace(cause, title=title) if title else cause
