"""Compiles the NVML look-alike and runs the real pynvml on it, in child processes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
PLAYABLE = sys.platform.startswith("linux")

Play = Callable[..., Any]
MIB = 1024**2


def compile_player(folder: Path, *flags: str) -> Path:
    compiler = next((found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None)
    if compiler is None or not PLAYABLE:
        pytest.skip("THE NVML TESTS DID NOT RUN: they need Linux and a C compiler (cc, gcc or clang)")
    folder.mkdir(parents=True, exist_ok=True)
    library = folder / "libnvidia-ml.so.1"
    command = [compiler, "-O1", "-shared", "-fPIC", *flags, "-o", str(library), str(HERE / "nvml_player.c")]
    subprocess.run(command, check=True)
    return folder


def run_child(folder: Path, script: Path, code: str, *arguments: str, timeout: float = 30) -> Any:
    """What `code` prints as JSON, with the look-alike in place of the driver."""
    environment = {**os.environ, "LD_LIBRARY_PATH": str(folder), "NVML_PLAY": str(script)}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
