"""A clean place for an extraction, made once; each test gets a copy of it that it may break."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from surroundings import Dfl, Place, make_dfl, ship_models


@pytest.fixture(scope="session")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Dfl:
    return make_dfl(tmp_path_factory.mktemp("dfl"))


@pytest.fixture
def place(tmp_path: Path, pattern: Dfl, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Nothing is wrong with it."""
    shutil.copytree(pattern.root.parent, tmp_path / "clean", symlinks=True)
    folder = tmp_path / "clean"
    dfl = Dfl(
        *(
            folder / path.relative_to(pattern.root.parent)
            for path in (pattern.root, pattern.python, pattern.site)
        )
    )
    ship_models(monkeypatch, dfl)
    return Place(folder, dfl)
