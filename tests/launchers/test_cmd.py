"""The scripts for Windows in a real cmd, Wine's. What it does otherwise than Windows' own is not shown here: percent
signs in values (it expands them twice), letters outside ASCII in a script, the window of a double-click."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from builds import BAT, windows_build
from support import environment, readme_block
from wine import Call, Cmd, cmd, needs_wine, standin, unix_path, windows_path, wine_prefix

from dflwrap.launchers.folder import Place, write_scripts
from dflwrap.launchers.texts import Shell

__all__ = ["cmd", "standin", "wine_prefix"]
pytestmark = [pytest.mark.posix, needs_wine]


@pytest.fixture
def python(standin: Path, tmp_path: Path) -> Path:
    """The stand-in, where a dflwrap may be installed."""
    folder = tmp_path / "pro grams & (x86) !a! ^b"
    folder.mkdir()
    return Path(shutil.copy(standin, folder))


def made(root: Path, python: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Path]:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return write_scripts(Place(windows_build(root), Shell.CMD), python=windows_path(python))


@pytest.mark.parametrize("name", ["plain", "sp ace & (1) !x! ^c", "Größe 写真"])
@pytest.mark.parametrize("code", [0, 3])
def test_cmd_hands_everything_over_and_passes_the_exit_code_on(
    name: str, code: int, cmd: Cmd, python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripts = made(tmp_path / name, python, monkeypatch, tmp_path)

    def answer(call: Call) -> int:
        return 1 if "dflwrap.cli.window" in call.words else code

    done = cmd.run(scripts[1], r'"D:\a b & (c)" "D:\x^y!z" --ask', answer)
    assert done.returncode == code, done.stdout
    assert "Press any key" not in done.stdout
    first, second = cmd.calls
    assert unix_path(first.words[0]) == python
    assert list(first.words[1:]) == [
        *("-I", "-m", "dflwrap", "extract", "--dfl-root", windows_path(tmp_path / name) + "\\."),
        *(
            "--clip",
            "data_dst",
            "--max-faces-from-image",
            "0",
            "--output-debug",
            "--on-conflict",
            "set-aside",
        ),
        *(r"D:\a b & (c)", r"D:\x^y!z", "--ask"),
    ]
    assert second.words[1:] == ("-I", "-m", "dflwrap.cli.window")


def test_only_a_double_click_is_paused(
    cmd: Cmd, python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripts = made(tmp_path / "build", python, monkeypatch, tmp_path)
    done = cmd.run(scripts[2], "", lambda call: 0 if "dflwrap.cli.window" in call.words else 1)
    assert "Press any key" in done.stdout and done.returncode == 1
    assert cmd.calls[0].words[4:6] == ("scripts", "last-run")


def test_a_dflwrap_that_is_gone_is_named(
    cmd: Cmd, python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripts = made(tmp_path / "build", python, monkeypatch, tmp_path)
    python.unlink()
    done = cmd.run(scripts[0], "", lambda call: 0)
    assert done.returncode == 2 and "not here any more" in done.stdout and "scripts install" in done.stdout


def test_a_script_runs_to_its_end_on_real_frames(
    cmd: Cmd,
    python: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    clean_frames: Path,
) -> None:
    """cmd starts the stand-in, and the test runs with its words what it stands for: this dflwrap."""
    root = tmp_path / "DFL & build (1)"
    scripts = made(root, python, monkeypatch, tmp_path)
    frames = root / "workspace" / "data_src"
    for frame in sorted(clean_frames.iterdir())[:3]:
        shutil.copy(frame, frames)
    (frames / "broken.png").write_bytes(b"no picture")

    def answer(call: Call) -> int:
        words = [str(unix_path(word)) if word.startswith("Z:") else word for word in call.words]
        return subprocess.run(
            [sys.executable, *words[1:]],
            env=environment(),
            stdin=subprocess.DEVNULL,
            timeout=250,
            check=False,
        ).returncode

    done = cmd.run(scripts[0], "--extractor builtin", answer)
    assert done.returncode == 1, "one frame is quarantined"
    assert len(list((frames / "aligned").glob("*.jpg"))) >= 3
    assert {path.name for path in root.iterdir()} >= {*BAT, "4) data_src faceset extract.bat"}
    assert not os.path.lexists(root / "_internal" / "_e"), "nothing of dflwrap's goes into the build"


@pytest.mark.parametrize("there", ["3.13", "3.11", "python"])
@pytest.mark.parametrize("code", [0, 2])
def test_install_bat_takes_the_newest_python_that_fits(
    there: str, code: int, cmd: Cmd, standin: Path, tmp_path: Path
) -> None:
    cmd.path = tmp_path / "programs"
    cmd.path.mkdir()
    shutil.copy(standin, cmd.path / "py.exe")
    shutil.copy(standin, cmd.path / "python.exe")
    unpacked = tmp_path / "down loads & co (1)"
    unpacked.mkdir()
    script = Path(shutil.copy(Path(__file__).parents[2] / "install.bat", unpacked))

    def answer(call: Call) -> int:
        if call.words[-2:] == ("-c", ""):
            return 0 if call.words[1] == f"-{there}" or there in unix_path(call.words[0]).name else 103
        return code

    done = cmd.run(script, r'"D:\DFL & co" --no-builtin', answer)
    assert done.returncode == code, done.stdout
    launcher = () if there == "python" else (f"-{there}",)
    assert cmd.calls[-1].words[1:] == (
        *(*launcher, windows_path(unpacked) + r"\scripts\install.py", r"D:\DFL & co", "--no-builtin"),
    )


def test_install_bat_without_a_python_says_where_to_get_one(cmd: Cmd, tmp_path: Path) -> None:
    script = Path(shutil.copy(Path(__file__).parents[2] / "install.bat", tmp_path))
    done = cmd.run(script, "--no-builtin", lambda call: 0)
    assert done.returncode == 2, done.stdout
    assert "3.11, 3.12 or 3.13" in done.stdout and "python.org" in done.stdout


def test_the_lines_of_the_readme(cmd: Cmd, standin: Path, tmp_path: Path) -> None:
    cmd.path = tmp_path / "programs"
    cmd.path.mkdir()
    shutil.copy(standin, cmd.path / "py.exe")
    script = tmp_path / "down loads & co (1)" / "typed.bat"
    script.parent.mkdir()
    script.write_text("\r\n".join(["@echo off", *readme_block("Install", 0), ""]), encoding="ascii")
    profile = cmd.prefix / "drive_c" / "users" / getpass.getuser()
    installed = profile / ".dflwrap" / "bin" / "dflwrap.exe"
    installed.parent.mkdir(parents=True)
    shutil.copy(standin, installed)
    done = cmd.run(script, "now", lambda call: 0)
    assert done.returncode == 0, done.stdout
    first, second = cmd.calls
    assert first.words[1:] == (r"scripts\install.py",) and first.folder == windows_path(script.parent)
    assert second.words[0].endswith(r"\.dflwrap\bin\dflwrap") and second.words[1:] == ("--help",)
