"""The played driver of video cards, compiled once for all runs on it."""

from __future__ import annotations

from pathlib import Path

import pytest
from nvml_play import compile_player


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder: dflwrap is forked from a process that was started with it."""
    return compile_player(tmp_path_factory.mktemp("nvml"))
