"""The guises in which one log reaches us."""

from __future__ import annotations

import json
from collections.abc import Callable


def _prefixed(prefix: str) -> Callable[[str], bytes]:
    def dress(text: str) -> bytes:
        return ("\n".join(prefix + line for line in text.strip("\n").split("\n")) + "\n").encode()

    return dress


def _wrapped(width: int, end: str = "\n") -> Callable[[str], bytes]:
    def dress(text: str) -> bytes:
        lines: list[str] = []
        for line in text.strip("\n").split("\n"):
            head, _, last = line.rpartition("\r")
            pieces = [last[i : i + width] for i in range(0, len(last), width)] or [""]
            lines += [head + "\r" + pieces[0] if head else pieces[0], *pieces[1:]]
        return (end.join(lines) + end).encode()

    return dress


def _docker_json(text: str) -> bytes:
    return "".join(
        json.dumps({"log": line + "\n", "stream": "stderr", "time": "2024-01-01T00:00:00Z"}) + "\n"
        for line in text.strip("\n").split("\n")
    ).encode()


GUISES: dict[str, Callable[[str], bytes]] = {
    "plain": str.encode,
    "crlf": lambda text: text.replace("\n", "\r\n").encode(),
    "utf-8 bom": lambda text: text.encode("utf-8-sig"),
    "utf-16 of powershell": lambda text: text.replace("\n", "\r\n").encode("utf-16"),
    "utf-16 without bom": lambda text: text.encode("utf-16-le"),
    "console of 80 columns": _wrapped(80),
    "console of 120 columns": _wrapped(120, "\r\n"),
    "journald": _prefixed("Nov 24 05:38:21 gpu-box dflwrap[4242]: "),
    "docker compose": _prefixed("extractor-1  | "),
    "docker json": _docker_json,
    "kubernetes": _prefixed("2026-11-24T05:38:00.123456789Z stderr F "),
    "celery": _prefixed("[2026-11-24 05:38:00,123: WARNING/ForkPoolWorker-1] "),
    "python logging": _prefixed("2026-11-24 05:38:00,123 - extractor - ERROR - "),
    "quoted": _prefixed("> "),
    "fenced in an issue": lambda text: f"Hello, it fails:\n```\n{text}\n```\nthanks\n".encode(),
    "coloured": lambda text: "".join(
        f"\x1b[31m{line}\x1b[0m\n" for line in text.strip("\n").split("\n")
    ).encode(),
    "with nul bytes": lambda text: text.replace("\n", "\n\0").encode(),
}
