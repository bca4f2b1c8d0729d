"""Runs the agent on the test double (or a real DeepFaceLab), and reads back what it reported."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support import PYTHON36, until

import dflwrap.extractors.deepfacelab

DOUBLE = Path(__file__).parents[1] / "double"
AGENT = Path(dflwrap.extractors.deepfacelab.__file__).with_name("agent") / "start.py"
OPTIONS = (
    *("--detector", "s3fd", "--face-type", "whole_face", "--max-faces-from-image", "0"),
    *("--image-size", "256", "--jpeg-quality", "90", "--no-output-debug"),
)


def png(width: int = 640, height: int = 360) -> bytes:
    """A whole grey PNG."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    pixels = zlib.compress(b"".join(b"\0" + b"\x80" * width for _ in range(height)))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.fixture
def python() -> str:
    """DeepFaceLab's Python version where there is one; a newer one shows less."""
    return PYTHON36 or sys.executable


@pytest.fixture(params=["3.6", "running"])
def each_python(request: pytest.FixtureRequest) -> str:
    if request.param == "running":
        return sys.executable
    if PYTHON36 is None:
        pytest.skip("NOT TESTED UNDER PYTHON 3.6: set DFLWRAP_TEST_PYTHON36 or put python3.6 on PATH")
    return PYTHON36


@dataclass
class Ran:
    code: int | None
    seconds: float
    text: str
    events: list[dict[str, Any]]
    output: Path
    faces: list[str] = field(default_factory=list)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["event"] == kind]

    def frames(self, kind: str) -> list[str]:
        return [event["frame"] for event in self.of(kind)]


class Double:
    """A batch of frames, a script of faults, and the command that runs the agent over them."""

    def __init__(self, folder: Path, python: str) -> None:
        self.folder, self.python = folder, python
        self.frames = folder / "frames in"  # a space, as users have them
        self.frames.mkdir()
        self.output = folder / "aus gäbe"
        self.events_path = folder / "events.jsonl"
        self.script = folder / "script.json"
        self.root = DOUBLE
        self.devices: tuple[str, ...] = ("--cpu-only",)
        self.env: dict[str, str] = {}

    def add(self, count: int = 6) -> None:
        for number in range(1, count + 1):
            (self.frames / f"{number:05d}.png").write_bytes(png())

    def start(self, faults: dict[str, Any], *, agent: bool = True) -> subprocess.Popen[bytes]:
        self.script.write_text(json.dumps(faults), encoding="utf-8")
        env = {key: value for key, value in os.environ.items() if not key.startswith("DFLWRAP_")}
        env |= {"PYTHONIOENCODING": "utf-8:backslashreplace", "PYTHONUNBUFFERED": "1", "LC_ALL": "C.UTF-8"}
        env |= {
            "DFLWRAP_EVENTS": str(self.events_path),
            "DFLWRAP_DOUBLE_SCRIPT": str(self.script),
            **self.env,
        }
        program = [str(AGENT)] if agent else []
        command = [self.python, *program, str(self.root / "main.py"), "extract"]
        command += [
            "--input-dir",
            str(self.frames),
            "--output-dir",
            str(self.output),
            *OPTIONS,
            *self.devices,
        ]
        return subprocess.Popen(
            command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def run(self, faults: dict[str, Any], *, agent: bool = True, limit: float = 240.0) -> Ran:
        began = time.monotonic()
        process = self.start(faults, agent=agent)
        try:
            text = process.communicate(timeout=limit)[0].decode("utf-8", "replace")
        finally:
            process.kill()
        return self.ran(process.returncode, time.monotonic() - began, text)

    def ran(self, code: int | None, seconds: float, text: str) -> Ran:
        faces = sorted(path.name for path in self.output.glob("*.jpg"))
        return Ran(code, seconds, text, self.read_events(), self.output, faces)

    def read_events(self) -> list[dict[str, Any]]:
        if not self.events_path.exists():
            return []
        lines = self.events_path.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]

    def wait_for(self, kind: str, count: int = 1, limit: float = 120.0) -> list[dict[str, Any]]:
        """The first `count` events of a kind, as soon as they are there."""
        end = time.monotonic() + limit
        while time.monotonic() < end:
            found = [event for event in self.read_events() if event["event"] == kind]
            if len(found) >= count:
                return found[:count]
            time.sleep(0.02)
        raise AssertionError(f"no {count} x {kind} within {limit} s: {self.read_events()}")


@pytest.fixture
def double(tmp_path: Path, python: str) -> Double:
    made = Double(tmp_path, python)
    made.add()
    return made


@pytest.fixture
def gone() -> Callable[[int, float], bool]:
    """gone(pid, seconds): the process ends within that time (a zombie counts as ended)."""
    import psutil

    def ended(pid: int) -> bool:
        try:
            return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return True

    return lambda pid, seconds: until(lambda: ended(pid), seconds)
