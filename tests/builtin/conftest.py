"""The finder, and the two sample people as it sees them."""

from __future__ import annotations

import pytest

from benchmarks._finding import Portrait, portrait_of
from dflwrap.extractors.builtin.finding.finder import FaceFinder
from dflwrap.samples.photos import ASTRONAUT, HOPPER


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    return FaceFinder(threads=2)


@pytest.fixture(scope="module")
def people(finder: FaceFinder) -> list[Portrait]:
    found = [portrait_of(finder, who.inside, who.load()) for who in (ASTRONAUT, HOPPER)]
    assert all(found)
    return [portrait for portrait in found if portrait is not None]
