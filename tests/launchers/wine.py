"""A real cmd (Wine's), and a stand-in for python.exe whose calls the test answers."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

COMPILER = "x86_64-w64-mingw32-gcc"
needs_wine = pytest.mark.skipif(
    shutil.which("wine") is None or shutil.which(COMPILER) is None,
    reason=f"NOT PROVEN HERE: needs wine and {COMPILER} (Debian: wine, gcc-mingw-w64-x86-64-win32)",
)
BOUND = 300.0
"""Seconds for one script."""


def windows_path(path: Path) -> str:
    return "Z:" + str(path).replace("/", "\\")


def unix_path(path: str) -> Path:
    return Path(path.removeprefix("Z:").replace("\\", "/"))


@dataclass(frozen=True)
class Call:
    """One start of the stand-in."""

    folder: str
    words: tuple[str, ...]


@dataclass
class Cmd:
    """Runs scripts in Wine's cmd."""

    prefix: Path
    exchange: Path
    calls: list[Call] = field(default_factory=list)
    path: Path | None = None
    """A folder of programs that cmd finds."""

    def environ(self, folder: Path) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if name != "DISPLAY"},
            "WINEPREFIX": str(self.prefix),
            "WINEDEBUG": "-all",
            "WINEDLLOVERRIDES": "mscoree,mshtml=",
            "LC_ALL": "C.UTF-8",
            "STANDIN": windows_path(self.exchange),
            "BUILD": windows_path(folder),
            **({"WINEPATH": windows_path(self.path)} if self.path else {}),
        }

    def run(
        self, script: Path, arguments: str, answer: Callable[[Call], int]
    ) -> subprocess.CompletedProcess[str]:
        """Run `script` from its folder with `arguments` as they are typed; its exit code."""
        runner = self.exchange / "run.bat"
        runner.write_bytes(f'@echo off\r\ncd /d "%BUILD%"\r\n"{script.name}" {arguments}\r\n'.encode())
        process = subprocess.Popen(
            ["wine", "cmd", "/c", windows_path(runner)],
            env=self.environ(script.parent),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        ended = threading.Event()
        answering = threading.Thread(target=self._answer, args=(answer, ended), daemon=True)
        answering.start()
        try:
            output, _ = process.communicate(timeout=BOUND)
        finally:
            process.kill()
            ended.set()
            answering.join(timeout=10)
        return subprocess.CompletedProcess([], process.returncode, output)

    def _answer(self, answer: Callable[[Call], int], ended: threading.Event) -> None:
        request, part = self.exchange / "request", self.exchange / "answer.part"
        while not ended.wait(0.05):
            if not request.exists():
                continue
            folder, *words = request.read_bytes().decode("utf-8").split("\0")[:-1]
            request.unlink()
            call = Call(folder, tuple(words))
            self.calls.append(call)
            part.write_text(str(answer(call)))
            part.rename(self.exchange / "answer")


@pytest.fixture(scope="session")
def wine_prefix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("wine")
    environ = Cmd(folder / "prefix", folder).environ(folder)
    subprocess.run(["wineboot", "-i"], env=environ, capture_output=True, timeout=BOUND, check=False)
    # While one program runs, the next ones need not start Wine's services, nor wait for their end (3 s).
    awake = subprocess.Popen(
        ["wine", "cmd"],
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    yield folder / "prefix"
    awake.communicate(b"exit\r\n", timeout=BOUND)
    subprocess.run(
        ["wineserver", "-k"], env=environ, capture_output=True, timeout=BOUND, check=False
    )  # of this prefix


@pytest.fixture(scope="session")
def standin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("standin") / "python.exe"
    source = Path(__file__).with_name("standin.c")
    subprocess.run([COMPILER, "-O1", "-o", str(program), str(source)], timeout=BOUND, check=True)
    return program


@pytest.fixture
def cmd(wine_prefix: Path, tmp_path: Path) -> Cmd:
    exchange = tmp_path / "exchange"
    exchange.mkdir()
    return Cmd(wine_prefix, exchange)
