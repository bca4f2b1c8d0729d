"""The mutations of benchmarks/mutations.py name code that is there: a stale one would be no proof of anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks._mutants import FIRST, SECOND, THIRD, Mutation

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("one", [*FIRST, *SECOND, *THIRD], ids=lambda one: one.name)
def test_every_mutation_still_applies(one: Mutation) -> None:
    assert (ROOT / one.file).read_text(encoding="utf-8").count(one.old) == 1
