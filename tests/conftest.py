"""Sample folders for the whole suite."""

from __future__ import annotations

from pathlib import Path

import pytest

LONG = ("chaos", "supervisor", "cli", "builtin", "deepfacelab")
"""Folders whose tests run whole extractions."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones first: started last, they would keep one worker busy while the others have nothing left."""
    items.sort(key=lambda item: item.path.parent.name not in LONG)


@pytest.fixture(scope="session")
def clean_frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve good frames, 640x360."""
    from dflwrap.samples.generator import make_frames

    folder = tmp_path_factory.mktemp("clean") / "frames"
    make_frames(folder, 12, (640, 360), 0, False)
    return folder


@pytest.fixture(scope="session")
def ugly_frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four good frames and everything that real folders hold."""
    from dflwrap.samples.generator import make_frames

    folder = tmp_path_factory.mktemp("ugly") / "frames"
    make_frames(folder, 4, (640, 360), 0, True)
    return folder
