"""install.py, demo.py and test.py under every Python that a user may have: one sentence, never a SyntaxError."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
UNSUITABLE = ("2.7", "3.6", "3.7", "3.8", "3.9", "3.10", "3.14", "3.15")


def python(version: str) -> str | None:
    """A Python of this version, of pyenv's or of the system's."""
    for folder in sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python")):
        return str(folder)
    found = shutil.which(f"python{version}")
    if (
        found
        and subprocess.run([found, "-c", ""], capture_output=True, timeout=60, check=False).returncode == 0
    ):
        return found
    return None


@pytest.mark.parametrize("version", UNSUITABLE)
@pytest.mark.parametrize("name", ["install.py", "demo.py", "test.py"])
def test_an_unsuitable_python_is_refused_in_one_sentence(version: str, name: str) -> None:
    program = python(version)
    if program is None:
        pytest.skip(f"NOT PROVEN HERE: there is no Python {version}")
    done = subprocess.run(
        [program, str(SCRIPTS / name), "--help"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and "Error" not in done.stderr and "Traceback" not in done.stderr
    assert f"this is Python {version}" in done.stderr
    assert "3.11, 3.12 or 3.13" in done.stderr and "https://www.python.org/downloads/" in done.stderr


@pytest.mark.parametrize(
    ("version", "bits", "fits"),
    [
        ((3, 10), 64, False),
        ((3, 11), 64, True),
        ((3, 13), 64, True),
        ((3, 12), 32, False),
        ((3, 14), 64, False),
    ],
)
def test_which_python_fits(version: tuple[int, int], bits: int, fits: bool) -> None:
    spec = importlib.util.spec_from_file_location("_start_under_test", SCRIPTS / "_start.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (module.refusal(version, bits) is None) == fits


def test_the_release_check_compares_the_tag_with_the_version() -> None:
    from dflwrap import __version__

    for tag, code in ((f"v{__version__}", 0), ("v0.0.0", 1)):
        done = subprocess.run(
            [sys.executable, str(SCRIPTS / "check_release.py"), tag],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == code and __version__ in done.stdout + done.stderr
