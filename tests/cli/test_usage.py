"""Bad usage gets one clear sentence and code 2; help is quick and imports nothing heavy."""

from __future__ import annotations

import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from frame_folders import clean
from support import dflwrap


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--input-dir", "{tmp}/none", "--output-dir", "{tmp}/out"], "does not exist"),
        (["--input-dir", "{tmp}/empty", "--output-dir", "{tmp}/out"], "no image"),
        (["--input-dir", "{tmp}/file.txt", "--output-dir", "{tmp}/out"], "is a file"),
        (["--input-dir", "{tmp}/file.txt/sub", "--output-dir", "{tmp}/out"], "does not exist"),
        (["--input-dir", "{tmp}/empty", "--output-dir", "{tmp}/empty"], "same folder"),
        (["--input-dir", "{tmp}/one", "--output-dir", "{tmp}/file.txt"], "is a file"),
        (["--input-dir", "{tmp}/one", "--output-dir", "{tmp}/o", "--face-type", "round"], "whole_face"),
        (["--input-dir", "{tmp}/one", "--output-dir", "{tmp}/o", "--workers", "many"], "not a whole number"),
        (["--input-dir", "{tmp}/one", "--output-dir", "{tmp}/o", "--workers", "0"], "too small"),
        (["--input-dir", "{tmp}/one", "--output-dir", "{tmp}/o", "--workers", "-2"], "too small"),
        (["--input-dir", "{tmp}/one", "--output-dir", "{tmp}/o", "--workers", "2²"], "not a whole number"),
        (["--input-dir", "{tmp}/one", "--output-dir", "{tmp}/o", "--batch-size", "9000000"], "too large"),
        (
            ["--input-dir", "{tmp}/one", "--output-dir", "{tmp}/o", "--batch-size", "{huge}"],
            "not a whole number",
        ),
        (["--input-dir", "{tmp}/one", "--output-dir", "{tmp}/o", "--max-side", "127"], "128"),
        (
            ["--input-dir", "{tmp}/one", "--output-dir", "{tmp}/o", "--startup-timeout", "inf"],
            "not a number to count with",
        ),
        (["--input-dir", "{tmp}/one", "--output-dir", "{tmp}/o", "--force-gpu-idxs", "0,-1"], "0,1"),
        (["--input-dir", "{tmp}/one", "--output-dir", "{tmp}/o", "--force-gpu-idxs", "0,²"], "0,1"),
        (["--input-dir", "{tmp}/one", "--output-dir", "{tmp}/o", "--force-gpu-idxs", "x"], "0,1"),
        (["--input-dir", "{tmp}/one", "--output-dir", "{tmp}/o", "--detector", "manual"], "person"),
        (["--input-dir", "{tmp}/one", "--output-dir", "{tmp}/o", "--dfl-root", "{tmp}/none"], "none"),
    ],
)
def test_bad_input_is_one_clear_sentence_and_code_2(tmp_path: Path, arguments: list[str], words: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "a.jpg").write_bytes(b"\xff\xd8\xff")
    (tmp_path / "file.txt").write_text("text")
    extractor = [] if "--dfl-root" in arguments else ["--extractor", "builtin"]
    done = dflwrap(
        "extract",
        *(a.replace("{tmp}", str(tmp_path)).replace("{huge}", "9" * 5000) for a in arguments),
        *extractor,
    )
    assert done.code == 2, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") <= 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "file.txt", "one"], (
        "nothing is left behind"
    )


def test_help_names_the_exit_codes() -> None:
    done = dflwrap("extract", "--help")
    assert done.code == 0
    assert "interrupted" in done.stdout and "--input-dir" in done.stdout


def test_starting_imports_nothing_heavy() -> None:
    code = (
        "import sys, dflwrap.cli.main; "
        "print(sorted({'tensorflow', 'cv2', 'numpy', 'psutil', 'pynvml'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(("name", "reads"), [("stop", {"stop"}), ("rules", {"rules"})])
def test_a_command_reads_the_options_of_no_other(name: str, reads: set[str]) -> None:
    """Typer takes 40 ms for those of all commands."""
    code = (
        "import typer.main as typer\nfrom dflwrap.cli import main\n"
        "build, built = typer.get_group_from_info, set()\n"
        "def seen(info, **more):\n    group = build(info, **more)\n    built.update(group.commands)\n    return group\n"
        "typer.get_group_from_info = seen\n"
        f"try: main.run([{name!r}, '--no-such-option'])\nexcept SystemExit: print(*built)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, name, "--no-such-option"], capture_output=True, text=True
    )
    assert reads <= set(done.stdout.split()) and "extract" not in done.stdout.split(), done
    assert "No such option: --no-such-option" in done.stderr and f"See dflwrap {name}" in done.stderr


def test_a_command_that_is_not_there_is_told_with_those_that_are() -> None:
    done = dflwrap("extrakt")
    assert done.code == 2
    assert "No such command 'extrakt'" in done.stderr and "extract" in done.stderr.replace("extrakt", "")


def test_the_version_is_told() -> None:
    from dflwrap import __version__

    first, python, packages, builtin = dflwrap("--version").stdout.splitlines()
    assert first == f"dflwrap {__version__}"
    assert platform.python_version() in python and platform.machine() in python
    assert f"NumPy {version('numpy')}" in packages and "missing" not in packages
    assert builtin.startswith("built-in extractor: ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", ""],
        ["prepare", "", "out"],
        ["prepare", "frames", ""],
        ["extract", "frames", "", "--extractor", "builtin"],
        ["extract", "--input-dir", "", "--output-dir", "out", "--extractor", "builtin"],
        ["extract", "--input-dir=", "--output-dir=out", "--extractor", "builtin"],
        ["extract", "frames", "out", "--dfl-root", ""],
        ["verify", ""],
        ["doctor", "--output-dir", ""],
    ],
    ids=" ".join,
)
def test_an_empty_path_is_not_taken_for_the_current_folder(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`dflwrap prepare "$CLIP" out` in a script that has not set CLIP."""
    monkeypatch.chdir(tmp_path)
    clean(tmp_path / "frames", 1)
    done = dflwrap(*arguments)
    assert (done.code, done.stdout) == (2, "")
    assert "empty path" in done.stderr and len(done.stderr.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["frames"]
