"""The played driver, compiled once, and a way to run code on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from nvml_play import Play, compile_player, run_child


@pytest.fixture(scope="session")
def player(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_player(tmp_path_factory.mktemp("nvml"))


@pytest.fixture(scope="session")
def old_player(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_player(tmp_path_factory.mktemp("nvml-old"), "-DOLD_DRIVER")


@pytest.fixture
def play(player: Path, tmp_path: Path) -> Play:
    """play(script text, code, *arguments) -> the JSON that the code printed."""

    def run(script: str, code: str, *arguments: str, **more: Any) -> Any:
        path = tmp_path / "play.txt"
        path.write_text(script)
        return run_child(player, path, code, *arguments, **more)

    return run
