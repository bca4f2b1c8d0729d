"""What DeepFaceLab's own scripts set: read, given to DeepFaceLab alone, and used to find the workspace."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from builds import linux_scripts, mve, revamped, windows_build

from dflwrap.cli.clips import cut_by_cmd
from dflwrap.cli.window import Ancestor, double_clicked
from dflwrap.common.plan import AttemptSpec, ExtractOptions, Plan
from dflwrap.extractors.deepfacelab import DeepFaceLabExtractor, find_install
from dflwrap.extractors.deepfacelab.setenv_bat import read_setenv_bat
from dflwrap.launchers.workspace import workspace_of

SETENV = r"""@echo off
SET ROOM=%~dp0
SET ROOM=%ROOM:~0,-1%
set "LOCAL=%ROOM%\_e"
SET TMP=%LOCAL%\t
SET HOME=%LOCAL%\u
SET APPDATA=%HOME%\Roaming
SET PYTHONHOME=
SET PATH=%ROOM%\python;%ROOM%\CUDA;%PATH%
SET WORKSPACE=%ROOM%\..\my clips
SET NOTHING=
if exist somewhere (
  SET WORKSPACE=D:\not this one
) else (
  SET OTHER=x
)
for %%a in (1) do SET EACH=%%a
"""


@pytest.fixture
def build(tmp_path: Path) -> Path:
    root = windows_build(tmp_path / "build & co")
    (root / "_internal" / "setenv.bat").write_bytes(SETENV.replace("\n", "\r\n").encode())
    (root / "my clips").mkdir()
    return root


def test_setenv_is_read_not_run(build: Path) -> None:
    room = build / "_internal"
    values = read_setenv_bat(room / "setenv.bat", {"Path": os.pathsep.join(("/usr/bin", "/bin"))})
    assert values["HOME"] == str(room / "_e" / "u") and values["APPDATA"] == str(
        room / "_e" / "u" / "Roaming"
    )
    assert values["PATH"].split(os.pathsep) == [str(room / "python"), str(room / "CUDA"), "/usr/bin", "/bin"]
    assert values["PYTHONHOME"] == values["NOTHING"] == ""
    assert "OTHER" not in values and "EACH" not in values
    assert read_setenv_bat(room / "gone.bat", {}) == {}


def test_only_deepfacelab_gets_what_it_sets(build: Path, tmp_path: Path) -> None:
    environ = {
        "HOME": "/home/me",
        "APPDATA": "/mine",
        "PATH": "/usr/bin",
        "TMP": "/tmp",
        "NOTHING": "something",
    }
    before = dict(environ)
    install = find_install(build, None, environ, tmp_path)
    assert install is not None
    spec = AttemptSpec(1, Plan(), ExtractOptions(), "a", "in", "out", "events.jsonl", ("x.png",))
    launch = DeepFaceLabExtractor(install, environ).launch(spec)
    room = build / "_internal"
    assert launch.env["HOME"] == str(room / "_e" / "u") and launch.env["APPDATA"].startswith(str(room))
    assert launch.env["PATH"].startswith(str(room / "python")) and launch.env["PATH"].endswith("/usr/bin")
    assert launch.env["TMP"] == "/tmp", "a folder that is not there is of no use"
    assert "NOTHING" not in launch.env and "PYTHONHOME" not in launch.env
    assert environ == before


def test_env_sh_goes_to_deepfacelab_as_well(tmp_path: Path) -> None:
    root = linux_scripts(tmp_path / "linux")
    with (root / "scripts" / "env.sh").open("a") as file:
        file.write('export LD_LIBRARY_PATH="/opt/cuda/lib64"\n')
    install = find_install(root, None, {}, tmp_path)
    assert install is not None
    spec = AttemptSpec(1, Plan(), ExtractOptions(), "a", "in", "out", "events.jsonl", ("x.png",))
    assert DeepFaceLabExtractor(install, {}).launch(spec).env["LD_LIBRARY_PATH"] == "/opt/cuda/lib64"


@pytest.mark.parametrize(
    "make", [windows_build, linux_scripts, revamped, mve], ids=lambda make: make.__name__
)
def test_the_workspace_is_that_of_the_stock_scripts(make, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    root = make(tmp_path / "a b")
    install = find_install(root, None, {}, tmp_path)
    assert install is not None
    assert workspace_of(install, {}).resolve() == root / "workspace"


def test_a_workspace_that_was_moved_is_followed(build: Path, tmp_path: Path) -> None:
    install = find_install(build, None, {}, tmp_path)
    assert install is not None
    assert workspace_of(install, {}).resolve() == build / "my clips"


def test_revamped_has_projects(tmp_path: Path) -> None:
    root = revamped(tmp_path / "dfl")
    install = find_install(root, None, {}, tmp_path)
    assert install is not None
    for name in ("one", "two"):
        (root / "workspace" / name).mkdir()
    (root / "workspace" / ".progetto-attivo").write_text("one\n")
    assert workspace_of(install, {}) == root / "workspace" / "one"
    assert workspace_of(install, {"DFL_PROJECT": "two"}) == root / "workspace" / "two"
    for hostile in ("../..", "..", "/etc", "none"):
        assert workspace_of(install, {"DFL_PROJECT": hostile}) == root / "workspace"


EXPLORER = Ancestor("explorer.exe", ("C:\\Windows\\explorer.exe",))
PYTHON = Ancestor("python.exe", ("python.exe",))


@pytest.mark.parametrize(
    ("ancestors", "clicked"),
    [
        ([PYTHON, Ancestor("cmd.exe", ("cmd.exe", "/c", "4) x.bat")), EXPLORER], True),
        ([Ancestor("cmd.exe", ("cmd.exe", "/C", "4) x.bat")), EXPLORER], True),
        ([PYTHON, Ancestor("cmd.exe", ("cmd.exe",)), EXPLORER], False),
        ([PYTHON, Ancestor("cmd.exe", ("cmd.exe", "/c", "x")), Ancestor("powershell.exe"), EXPLORER], False),
        ([PYTHON, Ancestor("cmd.exe", ("cmd.exe", "/c", "x")), Ancestor("svchost.exe")], False),
        ([PYTHON, Ancestor("cmd.exe", ("cmd.exe", "/c", "x"))], False),
        ([Ancestor("sh", ("/bin/sh", "4.sh")), Ancestor("gnome-terminal-server")], True),
        ([Ancestor("sh", ("/bin/sh", "4.sh")), Ancestor("bash", ("bash",)), Ancestor("xterm")], False),
        ([Ancestor("sh", ("/bin/sh", "4.sh")), Ancestor("cron")], False),
        ([], False),
    ],
)
def test_only_a_double_click_is_waited_for(ancestors: list[Ancestor], clicked: bool) -> None:
    assert double_clicked(ancestors) == clicked


CMD = r"C:\WINDOWS\system32\cmd.exe /c ??D:\DFL\4) data_src faceset extract (dflwrap).bat? "


@pytest.mark.parametrize(
    ("line", "path"),
    [
        (CMD + r"D:\a&b?", r"D:\a&b"),
        (CMD + r"D:\a^b?", r"D:\a^b"),
        (CMD + r"D:\ab?", None),  # %* has it
        (CMD + r"?D:\a & b??", None),  # quoted: cmd has not cut it
        (CMD + "?", None),
        ("C:\\WINDOWS\\system32\\cmd.exe", None),
        ("", None),
    ],
)
def test_a_dropped_path_that_cmd_cut_is_whole_again(line: str, path: str | None) -> None:
    assert list(cut_by_cmd(line)) == ([Path(path)] if path else [])
