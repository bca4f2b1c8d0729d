"""Sample folders for the whole suite."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from schedule import spread


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What a system cannot show is skipped; what takes long is spread over the workers."""
    on_windows = sys.platform == "win32"
    for item in items:
        if on_windows and item.get_closest_marker("posix"):
            item.add_marker(pytest.mark.skip(reason="needs POSIX"))
        if not on_windows and item.get_closest_marker("windows"):
            item.add_marker(pytest.mark.skip(reason="can only be shown on Windows"))
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if workers > 1:
        items[:] = spread(items, workers)


PRIVILEGE_NOT_HELD = 1314
"""Windows' error for a symbolic link that this user may not make."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """A test that needs a symbolic link is skipped, loudly, where the user may not make one."""
    try:
        return (yield)
    except OSError as error:
        if getattr(error, "winerror", None) != PRIVILEGE_NOT_HELD:
            raise
        pytest.skip("NOT PROVEN HERE: needs the right to make symbolic links (Windows: developer mode)")


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
