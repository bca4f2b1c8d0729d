"""The user's PATH: changed on request, and changed back."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "_user_path.py"
pytestmark = [
    pytest.mark.posix,
    pytest.mark.skipif(sys.platform == "win32", reason="start-up files of a shell"),
]


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SHELL", "/bin/bash")
    spec = importlib.util.spec_from_file_location("_user_path_under_test", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("before", [None, "export EDITOR=vi\n", "no newline at the end"])
def test_a_startup_file_is_as_before_afterwards(
    script: ModuleType, tmp_path: Path, before: str | None
) -> None:
    profile = tmp_path / ".profile"
    if before is not None:
        profile.write_text(before)
    folder = tmp_path / "it's a $HOME & co" / "bin"
    for _ in range(2):  # twice is not two entries
        places = script.add_to_path(folder)
    assert places[0] == str(profile) and profile.read_text().count(script.BEGIN) == 1
    said = subprocess.run(
        ["sh", "-c", '. "$HOME/.profile" 2>/dev/null; printf %s "$PATH"'],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )
    assert said.stdout == f"{folder}:/usr/bin:/bin"
    script.take_from_path(folder, places)
    if before is None:
        assert not profile.exists()
    else:
        assert profile.read_text().rstrip("\n") == before.rstrip("\n")
