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
    spec.loader.exec_module(module)
    root = tmp_path / "project"
    root.mkdir()
    (root / "pyproject.toml").write_text("[project]\n", encoding="utf-8")
    venv = root / ".venv"
    for name, value in (
        ("ROOT", root),
        ("VENV", venv),
        ("STAMP", venv / "dflwrap-installed.json"),
        ("MAKING", venv / "dflwrap-making"),
    ):
        monkeypatch.setattr(module, name, value)
    monkeypatch.setattr(module.venv, "create", lambda folder, with_pip: python_of(folder, 0))
    return module


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
        script.environment_python(("builtin",))
    assert raised.value.code == 2
    return capsys.readouterr().err


@posix
def test_a_failed_upgrade_keeps_the_environment(
    script: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    python = script.environment_python(("builtin",))
    assert script.environment_python(("builtin",)) == python
    stamp = script.STAMP.read_bytes()
    (script.ROOT / "pyproject.toml").write_text("[project]\nversion = '2'\n", encoding="utf-8")
    python_of(script.VENV, 1, LONG_PATH)
    said = failure(script, capsys)
    assert "the environment was kept" in said
    assert "HINT: This error might have occurred" in said, "pip's own advice"
    assert script.STAMP.read_bytes() == stamp and (script.VENV / "lib" / "a.dll").exists()
    python_of(script.VENV, 0)
    assert script.environment_python(("builtin",)) == python
    assert script.STAMP.read_bytes() != stamp


@posix
def test_a_failed_first_installation_leaves_nothing(
    script: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        script.venv, "create", lambda folder, with_pip: python_of(folder, 1, "ERROR: no internet")
    )
    said = failure(script, capsys)
    assert "was removed" in said and "no internet" in said
    assert not script.VENV.exists()


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
        assert (script.VENV / "lib" / "a.dll").exists()
        said = failure(script, capsys)
        assert "cannot be removed" in said and "not made by this script" not in said
    monkeypatch.setattr(script.venv, "create", lambda folder, with_pip: python_of(folder, 0))
    assert script.environment_python(("builtin",)).exists()
    assert not script.MAKING.exists() and script.STAMP.exists()


def test_an_environment_of_the_users_is_left_alone(
    script: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    script.VENV.mkdir()
    (script.VENV / "pyvenv.cfg").write_text("mine", encoding="utf-8")
    assert "was not made by this script" in failure(script, capsys)
    assert [path.name for path in script.VENV.iterdir()] == ["pyvenv.cfg"]


@posix
@pytest.mark.parametrize(
    "damage", ["python gone", "stamp damaged", "empty folder", "cut off while it was made"]
)
def test_what_is_ours_and_of_no_use_is_made_anew(script: ModuleType, damage: str) -> None:
    if damage == "empty folder":
        script.VENV.mkdir()
    else:
        python = script.environment_python(("builtin",))
        if damage == "python gone":
            python.unlink()
        elif damage == "stamp damaged":
            script.STAMP.write_bytes(b"{")
        else:
            script.STAMP.unlink()
            script.MAKING.touch()
    assert script.environment_python(("builtin",)).exists()
    assert script.STAMP.read_text(encoding="utf-8").startswith("{") and not script.MAKING.exists()


@posix
def test_nothing_is_deleted_through_a_link(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "dflwrap-making").touch()
    (elsewhere / "precious").write_text("mine", encoding="utf-8")
    script.VENV.symlink_to(elsewhere)
    assert "cannot be removed" in failure(script, capsys)
    assert (elsewhere / "precious").read_text(encoding="utf-8") == "mine"


def test_windows_names_the_runtime_that_tensorflow_needs(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    environ = {"SYSTEMROOT": str(tmp_path)}
    monkeypatch.setattr(script, "os", SimpleNamespace(name="nt", environ=environ))
    script._name_what_tensorflow_needs(["dev"])
    assert capsys.readouterr().out == ""
    script._name_what_tensorflow_needs(["builtin-tf"])
    assert "vc_redist.x64.exe" in capsys.readouterr().out
    (tmp_path / "System32").mkdir()
    (tmp_path / "System32" / "msvcp140_1.dll").touch()
    script._name_what_tensorflow_needs(["builtin-tf"])
    assert capsys.readouterr().out == ""
    shutil.rmtree(tmp_path / "System32")
