"""Scripts beside DeepFaceLab's own: written for each layout, started for real, removed without a trace."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from builds import BAT, HARD, SH, linux_scripts, mve, program, revamped, windows_build
from support import Finished, contents, dflwrap

from dflwrap.launchers.texts import JOBS, Shell, generic_text, text_of

LAYOUTS = {windows_build: (".", BAT), linux_scripts: ("scripts", SH), revamped: (".", SH), mve: (".", SH)}


def scripts(*arguments: str | Path, home: Path) -> Finished:
    return dflwrap("scripts", *arguments, env={"XDG_DATA_HOME": str(home), "HOME": str(home)})


@pytest.mark.posix
@pytest.mark.parametrize("make", LAYOUTS, ids=lambda make: make.__name__)
def test_they_stand_beside_the_stock_ones_and_go_without_a_trace(make, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    folder, names = LAYOUTS[make]
    root = make(tmp_path / HARD)
    home = tmp_path / "home"
    before = contents(root)
    for _ in range(2):  # rewritten in place
        done = scripts("install", root, home=home)
        assert done.code == 0, done.stderr
    after = contents(root)
    assert {name: after[name] for name in before} == before
    assert sorted(set(after) - set(before)) == sorted((Path(folder) / name).as_posix() for name in names)
    assert scripts("remove", root, home=home).code == 0
    assert contents(root) == before and not list(home.rglob("*.json"))
    assert "no script" in scripts("remove", root, home=home).stdout


@pytest.mark.posix
def test_what_is_not_ours_is_neither_overwritten_nor_removed(tmp_path: Path) -> None:
    root, home = windows_build(tmp_path / "build"), tmp_path / "home"
    (root / BAT[1]).write_text("mine", encoding="utf-8")
    before = contents(root)
    done = scripts("install", root, home=home)
    assert done.code == 2 and BAT[1] in done.stderr and contents(root) == before, "nothing was written"
    (root / BAT[1]).unlink()
    assert scripts("install", root, home=home).code == 0
    (root / BAT[1]).write_text("mine", encoding="utf-8")
    (root / BAT[2]).unlink()
    (root / BAT[2]).symlink_to(root / BAT[0])
    assert scripts("remove", root, home=home).code == 0
    assert (root / BAT[1]).read_text(encoding="utf-8") == "mine" and (root / BAT[2]).is_symlink()
    assert not (root / BAT[0]).exists()


@pytest.mark.posix
def test_all_are_removed_also_where_deepfacelab_is_gone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    roots = [windows_build(tmp_path / "one"), mve(tmp_path / "two")]
    for root in roots:
        assert scripts("install", root, home=home).code == 0
    shutil.rmtree(roots[0] / "_internal")
    done = scripts("remove", "--all", home=home)
    assert done.code == 0 and done.stdout.count("Removed:") == 6
    assert not [path for root in roots for path in root.rglob("*dflwrap*")]


def test_without_deepfacelab_one_sentence(tmp_path: Path) -> None:
    done = scripts("install", tmp_path, home=tmp_path / "home")
    assert done.code == 2 and "no DeepFaceLab in" in done.stderr


RECORDER = """#!/bin/sh
case "$*" in *dflwrap.cli.window*) exit 1 ;; esac
printf '%s\\n' "$PWD" "$@" > "$RECORD"
exit "$CODE"
"""


@pytest.mark.posix
@pytest.mark.parametrize("shell", ["dash", "bash", "sh"])
@pytest.mark.parametrize("code", [0, 1, 3, 4])
def test_a_shell_hands_everything_over_and_passes_the_exit_code_on(
    tmp_path: Path, shell: str, code: int
) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"NOT PROVEN HERE: needs {shell}")
    python = program(tmp_path / HARD / "bin" / "python", RECORDER)
    folder = tmp_path / HARD / "build"
    folder.mkdir()
    script = folder / SH[1]
    script.write_bytes(text_of(JOBS[1], Shell.SH, str(python)))
    dropped = ["a b", "c&d;$(e)", "--ask", "*", "'", '"', ""]
    record = tmp_path / "record"
    done = subprocess.run(
        [shell, str(script), *dropped],
        env={**os.environ, "RECORD": str(record), "CODE": str(code)},
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code and done.stderr == b""
    _, *words = record.read_text(encoding="utf-8").split("\n")[:-1]
    assert words == [
        *("-I", "-m", "dflwrap", "extract", "--dfl-root", str(folder)),
        *("--clip", "data_dst", "--max-faces-from-image", "0", "--output-debug"),
        *("--on-conflict", "set-aside", *dropped),
    ]


@pytest.mark.posix
def test_a_script_whose_dflwrap_is_gone_says_so(tmp_path: Path) -> None:
    script = tmp_path / SH[0]
    script.write_bytes(text_of(JOBS[0], Shell.SH, str(tmp_path / "gone" / "python")))
    done = subprocess.run(["sh", str(script)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2 and "not here any more" in done.stderr and "scripts install" in done.stderr


def test_cmd_gets_percent_signs_doubled_and_no_letters_that_its_code_page_may_lack() -> None:
    text = text_of(JOBS[0], Shell.CMD, r"C:\100% & (x)\python.exe").decode("ascii")
    assert r'set "DFLWRAP_PYTHON=C:\100%% & (x)\python.exe"' in text and "chcp" not in text
    assert all(line.endswith("\r") for line in text.split("\n")[:-1])
    home = "C:\\Users\\Zoë"
    text = text_of(JOBS[0], Shell.CMD, home + r"\.dflwrap\python.exe", home=home).decode("ascii")
    assert r'set "DFLWRAP_PYTHON=%USERPROFILE%\.dflwrap\python.exe"' in text
    text = text_of(JOBS[0], Shell.CMD, r"D:\写真\python.exe", home=home).decode("utf-8")
    assert text.index("chcp 65001") < text.index("写真") and text.count("chcp") == 3


def test_another_python_for_deepfacelab_is_kept(tmp_path: Path) -> None:
    text = text_of(JOBS[0], Shell.SH, sys.executable, str(tmp_path / "it's" / "python")).decode()
    assert f"--dfl-python '{tmp_path}/it'\\''s/python'" in text


@pytest.mark.parametrize("shell", list(Shell))
def test_the_generic_ones_of_the_repository_are_the_same(shell: Shell) -> None:
    folder = Path(__file__).parents[2] / "scripts" / "deepfacelab"
    for job in JOBS:
        assert (folder / job.names[shell]).read_bytes() == generic_text(job, shell), (
            "write them again: python -m dflwrap.launchers scripts/deepfacelab"
        )


@pytest.mark.posix
def test_a_generic_one_starts_what_is_installed_in_the_usual_place(tmp_path: Path) -> None:
    program(tmp_path / ".local" / "share" / "dflwrap" / "env" / "bin" / "python", RECORDER)
    script = tmp_path / SH[0]
    script.write_bytes(generic_text(JOBS[0], Shell.SH))
    done = subprocess.run(
        ["sh", str(script)],
        env={
            "HOME": str(tmp_path),
            "PATH": os.environ["PATH"],
            "RECORD": str(tmp_path / "record"),
            "CODE": "3",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 3 and "data_src" in (tmp_path / "record").read_text()


WAITING = """#!/bin/sh
case "$*" in *dflwrap.cli.window*) exit 1 ;; esac
trap 'exit 4' INT
echo started
while :; do sleep 0.1; done
"""


@pytest.mark.posix
@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_ctrl_c_is_dflwraps_to_answer(tmp_path: Path, shell: str) -> None:
    """A terminal sends it to the script as well."""
    if shutil.which(shell) is None:
        pytest.skip(f"NOT PROVEN HERE: needs {shell}")
    script = tmp_path / SH[0]
    script.write_bytes(text_of(JOBS[0], Shell.SH, str(program(tmp_path / "python", WAITING))))
    with subprocess.Popen(
        [shell, str(script)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        try:
            assert process.stdout is not None and process.stdout.readline() == b"started\n"
            os.killpg(process.pid, signal.SIGINT)
            assert process.wait(timeout=60) == 4
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
