"""Asks DeepFaceLab's own Python, in a child that is bounded in time and output and leaves nobody behind.

TensorFlow is never imported into dflwrap's own process: it may abort it, hang it, or need another Python.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dflwrap.extractors.base import Launch
from dflwrap.extractors.deepfacelab.command import install_environment
from dflwrap.extractors.deepfacelab.install import DflInstall
from dflwrap.supervisor.process.bounded import run_bounded
from dflwrap.supervisor.process.tree import CannotStartError

SCRIPT = Path(__file__).parent / "inside" / "ask.py"
NOT_STARTED = 127
"""The status of a program that cannot be started, as in a shell."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of a question."""

    answer: dict[str, Any] | None
    """None: the child ended, or was ended, without one."""
    status: int | None
    """Of the child, negative = signal; None: it gave no answer in time and was ended."""
    output: bytes
    """What it said beside its answer: stdout, then stderr."""


def ask(install: DflInstall, question: tuple[str, ...], environ: Mapping[str, str], timeout: float) -> Asked:
    """question: as `inside/ask.py` takes it. timeout: seconds."""
    token = secrets.token_hex(8)
    env = {**install_environment(install, environ), "TF_CPP_MIN_LOG_LEVEL": "0"}
    env.pop("CUDA_VISIBLE_DEVICES", None)  # DeepFaceLab removes it too
    argv = (str(install.python), "-B", str(SCRIPT), token, *question)
    try:
        return _asked(Launch(argv, env, str(install.main.parent)), token, timeout)
    except CannotStartError as error:
        return Asked(None, NOT_STARTED, str(error).encode("utf-8", "replace"))


def _asked(launch: Launch, token: str, timeout: float) -> Asked:
    """Raises CannotStartError."""
    ended = run_bounded(launch, timeout)
    answer, said = _answer(ended.stdout, token)
    return Asked(answer if ended.status == 0 else None, ended.status, said + ended.stderr)


def _answer(out: bytes, token: str) -> tuple[dict[str, Any] | None, bytes]:
    """The last answer in a child's stdout, and what else stands there."""
    lines, answer = [], None
    for line in out.splitlines():
        if line.startswith(token.encode()):
            try:
                found = json.loads(line[len(token) :])
            except ValueError:
                continue
            answer = found if isinstance(found, dict) else None
        elif line.strip():
            lines.append(line)
    return answer, b"".join(line + os.linesep.encode() for line in lines)
