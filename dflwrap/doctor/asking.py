"""Asks DeepFaceLab's own Python, in a child that is bounded in time and output and leaves nobody behind.

TensorFlow is never imported into dflwrap's own process: it may abort it, hang it, or need another Python.
"""

from __future__ import annotations

import json
import os
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from dflwrap.common.waits import join, wait_until
from dflwrap.extractors.base import Launch
from dflwrap.extractors.deepfacelab.command import install_environment
from dflwrap.extractors.deepfacelab.install import DflInstall
from dflwrap.supervisor.process.start import start_tree
from dflwrap.supervisor.process.tree import CannotStartError

SCRIPT = Path(__file__).parent / "inside" / "ask.py"
MOST_OUTPUT = 256 * 1024
"""Bytes of a stream that are kept; the rest is read and dropped, so that the child is not held up."""
NOT_STARTED = 127
"""The status of a program that cannot be started, as in a shell."""
REST = 5.0
"""Seconds for what is left in the pipes, once the child has ended."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of a question."""

    answer: dict[str, Any] | None
    """None: the child ended, or was ended, without one."""
    status: int | None
    """Of the child, negative = signal; None: it gave no answer in time and was ended."""
    output: bytes
    """What it said beside its answer: stdout, then stderr."""


@dataclass(slots=True)
class _Kept:
    data: bytearray = field(default_factory=bytearray)

    def read(self, stream: IO[bytes]) -> None:
        while chunk := stream.read1(65536):  # type: ignore[attr-defined]
            self.data += chunk[: max(0, MOST_OUTPUT - len(self.data))]


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
    tree = start_tree(launch)
    kept = (_Kept(), _Kept())
    readers = [
        threading.Thread(target=one.read, args=(stream,), daemon=True)
        for one, stream in zip(kept, (tree.stdout, tree.stderr), strict=True)
    ]
    try:
        for reader in readers:
            reader.start()
        ended = wait_until(lambda: tree.poll() is not None, timeout)
        status = tree.poll() if ended else None
        if not ended:
            tree.kill()
        for reader in readers:
            join(reader, REST)
    finally:
        tree.close()
    out, err = (bytes(one.data) for one in kept)
    answer, said = _answer(out, token)
    return Asked(answer if status == 0 else None, status, said + err)


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
