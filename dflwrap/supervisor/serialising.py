"""Verdicts as plain data, for the ledger and the report."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from dflwrap.common.verdict import Verdict


def verdict_to_dict(verdict: Verdict) -> dict[str, Any]:
    data = asdict(verdict)
    data["facts"] = {key: _plain(value) for key, value in verdict.facts.items()}
    return data


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)
