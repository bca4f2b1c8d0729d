"""Finding an install: every meaning of DFL_ROOT, both layouts, and one clear sentence when it is wrong."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from dflwrap.common.errors import DflwrapError
from dflwrap.extractors.deepfacelab import DeepFaceLabExtractor, find_install
from dflwrap.extractors.deepfacelab.scripts_reading import read_env_sh


def make_dfl(folder: Path) -> Path:
    (folder / "mainscripts").mkdir(parents=True)
    (folder / "mainscripts" / "Extractor.py").touch()
    (folder / "main.py").touch()
    return folder


def make_python(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def build(tmp_path: Path) -> Path:
    """The Windows build: `_internal` holds DeepFaceLab and its Python."""
    root = tmp_path / "DFL build"
    make_dfl(root / "_internal" / "DeepFaceLab")
    make_python(root / "_internal" / "python-3.6.8" / "python.exe")
    (root / "workspace" / "data_src").mkdir(parents=True)
    return root


@pytest.fixture
def linux(tmp_path: Path) -> Path:
    """The Linux scripts: `env.sh` beside them names the source and the Python."""
    root = tmp_path / "linux"
    make_dfl(root / "DeepFaceLab")
    make_python(root / "conda" / "bin" / "python")
    (root / "scripts").mkdir()
    (root / "scripts" / "env.sh").write_text(
        f'export DFL_WORKSPACE="workspace/"\nexport DFL_HOME={root}\n'
        'export DFL_PYTHON="$DFL_HOME/conda/bin/python"\nexport DFL_SRC="${DFL_HOME}/DeepFaceLab" # here\n'
    )
    return root


def test_a_windows_build_is_found_from_its_folder(build: Path, tmp_path: Path) -> None:
    found = find_install(build, None, {}, tmp_path)
    assert found is not None
    assert found.main == build / "_internal" / "DeepFaceLab" / "main.py"
    assert found.python == build / "_internal" / "python-3.6.8" / "python.exe"
    assert found.layout == "windows-build"
    assert found.facts["python"] == "3.6.8"
    assert found.title == f"DeepFaceLab at {build / '_internal' / 'DeepFaceLab'} (from --dfl-root)"


@pytest.mark.parametrize("package", ["tensorflow_gpu-2.4.0", "tensorflow_directml-1.15.5"])
def test_only_a_build_for_directx_numbers_the_cards_otherwise_than_the_driver(
    build: Path, tmp_path: Path, package: str
) -> None:
    packages = build / "_internal" / "python-3.6.8" / "Lib" / "site-packages"
    (packages / f"{package}.dist-info").mkdir(parents=True)
    found = find_install(build, None, {}, tmp_path)
    assert found is not None
    assert DeepFaceLabExtractor(found).info().numbers_as_driver == ("directml" not in package)


@pytest.mark.parametrize("inside", ["_internal/DeepFaceLab", "_internal", "_internal/DeepFaceLab/main.py"])
def test_the_folders_inside_a_build_do_as_well(build: Path, tmp_path: Path, inside: str) -> None:
    found = find_install(build / inside, None, {}, tmp_path)
    assert found is not None and found.layout == "windows-build" and found.python.name == "python.exe"


def test_a_build_is_found_from_the_workspace(build: Path) -> None:
    found = find_install(None, None, {}, build / "workspace" / "data_src")
    assert found is not None and "found in" in found.why and found.layout == "windows-build"


@pytest.mark.parametrize("where", [".", "scripts", "DeepFaceLab"])
def test_the_linux_scripts_are_found(linux: Path, tmp_path: Path, where: str) -> None:
    found = find_install(linux / where, None, {}, tmp_path)
    assert found is not None
    assert found.main == linux / "DeepFaceLab" / "main.py"
    assert found.python == linux / "conda" / "bin" / "python"
    assert found.layout == "linux-scripts"


NAGADIT = 'conda activate deepfacelab\ncd ..\nexport DFL_PYTHON="python3.7"\nexport DFL_SRC="./DeepFaceLab"\n'


@pytest.mark.skipif(os.name != "posix", reason="the Linux scripts")
def test_a_python_that_env_sh_names_as_a_command_is_found_on_path(linux: Path, tmp_path: Path) -> None:
    (linux / "scripts" / "env.sh").write_text(NAGADIT)
    python = make_python(tmp_path / "somewhere" / "bin" / "python3.7")
    found = find_install(linux, None, {"PATH": f"/nowhere:{python.parent}"}, tmp_path)
    assert found is not None and found.python == python
    conda = make_python(tmp_path / "home" / "miniconda3" / "envs" / "deepfacelab" / "bin" / "python")
    environ = {"PATH": str(python.parent), "HOME": str(tmp_path / "home")}
    found = find_install(linux, None, environ, tmp_path)
    assert found is not None and found.python == conda, (
        "the environment that the script activates comes first"
    )


@pytest.mark.skipif(os.name != "posix", reason="the Linux scripts")
def test_dflwraps_own_python_is_not_taken_for_a_command(linux: Path, tmp_path: Path) -> None:
    (linux / "scripts" / "env.sh").write_text(NAGADIT.replace("python3.7", "python"))
    with pytest.raises(DflwrapError, match="--dfl-python"):
        find_install(linux, None, {"PATH": str(Path(sys.prefix) / "bin")}, tmp_path)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DFL_SRC", "DeepFaceLab"),
        ("DFL_ROOT", "."),
        ("DFL_ROOT", "DeepFaceLab"),
        ("DFL_MAIN", "DeepFaceLab/main.py"),
    ],
)
def test_the_variables_are_tried_in_all_their_meanings(
    tmp_path: Path, linux: Path, variable: str, value: str
) -> None:
    environ = {variable: str(linux / value), "DFL_PYTHON": str(linux / "conda" / "bin" / "python")}
    found = find_install(None, None, environ, tmp_path)
    assert found is not None and found.main == linux / "DeepFaceLab" / "main.py"
    assert variable in found.why


def test_a_named_folder_comes_before_a_variable(build: Path, linux: Path, tmp_path: Path) -> None:
    found = find_install(build, None, {"DFL_SRC": str(linux / "DeepFaceLab")}, tmp_path)
    assert found is not None and found.layout == "windows-build"


def test_nothing_near_is_none(tmp_path: Path) -> None:
    assert find_install(None, None, {"DFL_ROOT": str(tmp_path / "gone")}, tmp_path) is None


@pytest.mark.skipif(os.name != "posix", reason="permissions as POSIX has them")
def test_what_lies_in_a_folder_open_to_all_is_not_started_unnamed(build: Path) -> None:
    build.chmod(0o777)
    assert find_install(None, None, {}, build) is None
    assert find_install(build, None, {}, build) is not None


def test_where_the_current_folder_is_gone_nothing_is_near(build: Path) -> None:
    assert find_install(None, None, {}, None) is None
    found = find_install(None, None, {"DFL_ROOT": str(build / "_internal" / "DeepFaceLab")}, None)
    assert found is not None and found.layout == "windows-build"


def test_a_checkout_nearby_without_its_python_is_not_taken(tmp_path: Path) -> None:
    make_dfl(tmp_path / "DeepFaceLab")
    assert find_install(None, None, {}, tmp_path) is None


def test_a_named_checkout_without_its_python_asks_for_it(tmp_path: Path) -> None:
    with pytest.raises(DflwrapError, match=r"--dfl-python"):
        find_install(make_dfl(tmp_path / "DeepFaceLab"), None, {}, tmp_path)


def test_a_virtual_environment_beside_the_checkout_is_its_python(tmp_path: Path) -> None:
    root = make_dfl(tmp_path / "DeepFaceLab")
    python = make_python(root / ".venv" / "bin" / "python")
    (root / ".venv" / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.7.9\n")
    (root / ".venv" / "lib" / "python3.7" / "site-packages" / "tensorflow-2.4.0.dist-info").mkdir(
        parents=True
    )
    found = find_install(root, None, {}, tmp_path)
    assert found is not None and found.python == python and found.layout == "plain"
    assert found.facts["python"] == "3.7.9" and found.facts["tensorflow"] == "2.4.0"


def test_the_active_environment_is_not_taken_when_it_is_dflwraps_own(tmp_path: Path) -> None:
    root = make_dfl(tmp_path / "DeepFaceLab")
    with pytest.raises(DflwrapError):
        find_install(root, None, {"VIRTUAL_ENV": sys.prefix}, tmp_path)


@pytest.mark.parametrize("kind", ["missing", "empty"])
def test_a_named_folder_that_is_none_is_one_clear_sentence(tmp_path: Path, kind: str) -> None:
    root = tmp_path / "wrong"
    if kind == "empty":
        root.mkdir()
    with pytest.raises(DflwrapError) as raised:
        find_install(root, None, {}, tmp_path)
    text = str(raised.value)
    assert str(root) in text and text.endswith(".") and "\n" not in text


def test_the_interpreter_may_be_named_as_file_folder_or_command(tmp_path: Path) -> None:
    root = make_dfl(tmp_path / "DeepFaceLab")
    python = make_python(tmp_path / "env" / "bin" / "python")
    for named in (python, tmp_path / "env"):
        found = find_install(root, named, {}, tmp_path)
        assert found is not None and found.python == python


@pytest.mark.parametrize("kind", ["missing", "folder", "text"])
def test_a_named_interpreter_that_is_none_is_refused(tmp_path: Path, kind: str) -> None:
    root, python = make_dfl(tmp_path / "DeepFaceLab"), tmp_path / "python9"
    if kind == "folder":
        python.mkdir()
    elif kind == "text":
        if os.name == "nt":
            pytest.skip("no execute permission to lack")
        python.write_text("not a program")
        python.chmod(0o644)
    with pytest.raises(DflwrapError, match="--dfl-python"):
        find_install(root, python, {}, tmp_path)


def test_env_sh_is_read_and_never_run(tmp_path: Path) -> None:
    script, trap = tmp_path / "env.sh", tmp_path / "was run"
    script.write_text(
        f"touch '{trap}'\nA=$(touch '{trap}')\nB=`touch '{trap}'`\nexport C='$HOME literal'\n"
        'D="two words" # comment\nE=$D/x\nF=~/dfl\nG=${H:-default}\nconda activate my_env\nI=x; touch trap\n'
    )
    values = read_env_sh(script, {"HOME": "/home/me"})
    assert not trap.exists()
    assert values == {
        "C": "$HOME literal",
        "D": "two words",
        "E": "two words/x",
        "F": "/home/me/dfl",
        "I": "x",
        "CONDA_ENV": "my_env",
    }


def test_the_fork_and_the_commit_are_read_from_files(tmp_path: Path) -> None:
    root = make_dfl(tmp_path / "DeepFaceLab")
    make_python(root / "venv" / "bin" / "python")
    (root / "facelib").mkdir()
    (root / "facelib" / "motori.py").touch()
    (root / ".git").mkdir()
    (root / ".git" / "HEAD").write_text("ref: refs/heads/master\n")
    (root / ".git" / "packed-refs").write_text("# pack-refs\n" + "a" * 40 + " refs/heads/master\n")
    found = find_install(root, None, {}, tmp_path)
    assert found is not None and found.version == "DeepFaceLab Revamped aaaaaaaaaaaa"
