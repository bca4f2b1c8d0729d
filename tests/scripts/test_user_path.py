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


@pytest.mark.parametrize(
    "before", [None, b"export EDITOR=vi\n", b"# no newline at the end", b"# Z\xe9 and CRLF\r\n"]
)
def test_a_startup_file_is_as_before_afterwards(
    script: ModuleType, tmp_path: Path, before: bytes | None
) -> None:
    profile = tmp_path / ".profile"
    if before is not None:
        profile.write_bytes(before)
    folder = tmp_path / "it's a $HOME & co" / "bin"
    for _ in range(2):  # twice is not two entries
        places = script.add_to_path(folder)
    assert places[0] == str(profile) and profile.read_bytes().count(script.BEGIN.encode()) == 1
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
        assert profile.read_bytes() == before.rstrip(b"\n") + b"\n"


def test_a_linked_startup_file_stays_a_link(script: ModuleType, tmp_path: Path) -> None:
    kept = tmp_path / "dotfiles"
    kept.mkdir()
    (kept / "profile").write_text("mine\n")
    (tmp_path / ".profile").symlink_to(kept / "profile")
    places = script.add_to_path(tmp_path / "bin")
    assert (tmp_path / ".profile").is_symlink() and script.BEGIN in (kept / "profile").read_text()
    script.take_from_path(tmp_path / "bin", places)
    assert (kept / "profile").read_text() == "mine\n" and [path.name for path in kept.iterdir()] == [
        "profile"
    ]
