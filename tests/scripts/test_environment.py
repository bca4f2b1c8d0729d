"""`scripts/_environment.py`: a failing pip costs nobody the environment that is there, and what is locked stays ours.

pip is a stand-in: the environment's `python`, a shell script that prints what pip printed and ends as pip ended.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "_environment.py"
posix = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for pip is a shell script")

# pip 23 on Windows, from tensorflow#51841
LONG_PATH = (
    "ERROR: Could not install packages due to an OSError: [Errno 2] No such file or directory: 'C:\\\\Users\\\\x'\\n"
    "HINT: This error might have occurred since this system does not have Windows Long Path support enabled."
)


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("_environment_under_test", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)  # dataclasses look their module up
    spec.loader.exec_module(module)
    root = tmp_path / "project"
    root.mkdir()
    (root / "pyproject.toml").write_text("[project]\n", encoding="utf-8")
    monkeypatch.setattr(module, "ROOT", root)
    monkeypatch.setattr(module.venv, "create", lambda folder, with_pip: python_of(folder, 0))
    return module


def environment(script: ModuleType) -> Any:
    return script.Environment(script.ROOT / ".venv")


def python_of(venv: Path, code: int, says: str = "") -> None:
    """Put the stand-in for the environment's Python into place."""
    python = venv / "bin" / "python"
    python.parent.mkdir(parents=True, exist_ok=True)
    python.write_text(f"#!/bin/sh\nprintf '%b\\n' \"{says}\"\nexit {code}\n", encoding="utf-8")
    python.chmod(0o755)
    (venv / "lib").mkdir(exist_ok=True)
    (venv / "lib" / "a.dll").write_bytes(b"")


def failure(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as raised:
        environment(script).python_with("builtin")
    assert raised.value.code == 2
    return capsys.readouterr().err


@posix
def test_a_failed_upgrade_keeps_the_environment(
    script: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    python = environment(script).python_with("builtin")
    assert environment(script).python_with("builtin") == python
    stamp = environment(script).stamp.read_bytes()
    (script.ROOT / "pyproject.toml").write_text("[project]\nversion = '2'\n", encoding="utf-8")
    python_of(environment(script).folder, 1, LONG_PATH)
    said = failure(script, capsys)
    assert "the environment was kept" in said
    assert "HINT: This error might have occurred" in said, "pip's own advice"
    assert (
        environment(script).stamp.read_bytes() == stamp
        and (environment(script).folder / "lib" / "a.dll").exists()
    )
    python_of(environment(script).folder, 0)
    assert environment(script).python_with("builtin") == python
    assert environment(script).stamp.read_bytes() != stamp


@posix
def test_a_failed_first_installation_leaves_nothing(
    script: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        script.venv, "create", lambda folder, with_pip: python_of(folder, 1, "ERROR: no internet")
    )
    said = failure(script, capsys)
    assert "was removed" in said and "no internet" in said
    assert not environment(script).folder.exists()


@posix
def test_what_is_locked_is_still_known_as_ours(
    script: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        script.venv, "create", lambda folder, with_pip: python_of(folder, 1, "ERROR: no internet")
    )
    remove = os.unlink

    def locked(path: str, *, dir_fd: int | None = None) -> None:
        if Path(path).name == "a.dll":
            raise PermissionError(13, "in use", path)
        remove(path, dir_fd=dir_fd)

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", locked)
        assert "is removed next time" in failure(script, capsys)
        assert (environment(script).folder / "lib" / "a.dll").exists()
        said = failure(script, capsys)
        assert "cannot be removed" in said and "not made by this script" not in said
    monkeypatch.setattr(script.venv, "create", lambda folder, with_pip: python_of(folder, 0))
    assert environment(script).python_with("builtin").exists()
    assert not environment(script).making.exists() and environment(script).stamp.exists()


def test_an_environment_of_the_users_is_left_alone(
    script: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    environment(script).folder.mkdir()
    (environment(script).folder / "pyvenv.cfg").write_text("mine", encoding="utf-8")
    assert "was not made by this script" in failure(script, capsys)
    assert [path.name for path in environment(script).folder.iterdir()] == ["pyvenv.cfg"]


@posix
@pytest.mark.parametrize(
    "damage", ["python gone", "stamp damaged", "empty folder", "cut off while it was made"]
)
def test_what_is_ours_and_of_no_use_is_made_anew(script: ModuleType, damage: str) -> None:
    if damage == "empty folder":
        environment(script).folder.mkdir()
    else:
        python = environment(script).python_with("builtin")
        if damage == "python gone":
            python.unlink()
        elif damage == "stamp damaged":
            environment(script).stamp.write_bytes(b"{")
        else:
            environment(script).stamp.unlink()
            environment(script).making.touch()
    assert environment(script).python_with("builtin").exists()
    assert (
        environment(script).stamp.read_text(encoding="utf-8").startswith("{")
        and not environment(script).making.exists()
    )


@posix
def test_nothing_is_deleted_through_a_link(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "dflwrap-making").touch()
    (elsewhere / "precious").write_text("mine", encoding="utf-8")
    environment(script).folder.symlink_to(elsewhere)
    assert "cannot be removed" in failure(script, capsys)
    assert (elsewhere / "precious").read_text(encoding="utf-8") == "mine"


def test_windows_names_the_runtime_that_tensorflow_needs(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    environ = {"SYSTEMROOT": str(tmp_path)}
    monkeypatch.setattr(script, "os", SimpleNamespace(name="nt", environ=environ))
    script.name_what_tensorflow_needs(["dev"])
    assert capsys.readouterr().out == ""
    script.name_what_tensorflow_needs(["builtin-tf"])
    assert "vc_redist.x64.exe" in capsys.readouterr().out
    (tmp_path / "System32").mkdir()
    (tmp_path / "System32" / "msvcp140_1.dll").touch()
    script.name_what_tensorflow_needs(["builtin-tf"])
    assert capsys.readouterr().out == ""
    shutil.rmtree(tmp_path / "System32")
