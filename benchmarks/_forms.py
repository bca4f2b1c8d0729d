"""The forms in which the same log reaches `diagnose`: what terminals, loggers, web pages and people make of it."""

from __future__ import annotations

import html
import json
import re
import textwrap
from collections.abc import Callable

Form = Callable[[str], bytes]


def _lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").strip("\n").split("\n")


def _each(change: Callable[[str], str]) -> Form:
    return lambda text: ("\n".join(change(line) for line in _lines(text)) + "\n").encode()


def _prefixed(prefix: str) -> Form:
    return _each(lambda line: prefix + line)


def _hard(width: int, end: str = "\n") -> Form:
    """As a console of fixed width shows it, when its window is copied."""

    def dress(text: str) -> bytes:
        out: list[str] = []
        for line in _lines(text):
            head, _, last = line.rpartition("\r")
            pieces = [last[i : i + width] for i in range(0, len(last), width)] or [""]
            out += [head + "\r" + pieces[0] if head else pieces[0], *pieces[1:]]
        return (end.join(out) + end).encode()

    return dress


def _words(width: int) -> Form:
    """As a mail program or an editor breaks it: between words."""

    def dress(text: str) -> bytes:
        out: list[str] = []
        for line in _lines(text):
            body = line.rpartition("\r")[2]
            out += textwrap.wrap(body, width, break_long_words=False, break_on_hyphens=False) or [""]
        return ("\n".join(out) + "\n").encode()

    return dress


def _json(wrap: Callable[[str], dict[str, object]]) -> Form:
    return lambda text: "".join(json.dumps(wrap(line)) + "\n" for line in _lines(text)).encode()


def _coloured(text: str) -> bytes:
    return "".join(f"\x1b[31m{line}\x1b[0m\n" for line in _lines(text)).encode()


def _curly(text: str) -> bytes:
    text = re.sub(r"(?<![\w'])'", "‘", text)
    text = re.sub(r"'", "’", text)
    text = re.sub(r'(?<![\w"])"', "“", text)
    return text.replace('"', "”").encode()


def _lost_letters(text: str) -> bytes:
    return "".join(char if char < "\x80" else "?" for char in text).encode()


def _last(count: int) -> Form:
    return lambda text: ("\n".join(_lines(text)[-count:]) + "\n").encode()


def _prose(text: str) -> bytes:
    return (
        f"Hi all, since yesterday it does not work, see below.\n\n{text}\n\nThanks for any help!\n".encode()
    )


FORMS: dict[str, Form] = {
    "plain": str.encode,
    "CRLF": lambda text: text.replace("\r\n", "\n").replace("\n", "\r\n").encode(),
    "UTF-8 with BOM": lambda text: text.encode("utf-8-sig"),
    "UTF-16 of PowerShell": lambda text: text.replace("\r\n", "\n").replace("\n", "\r\n").encode("utf-16"),
    "UTF-16 LE without BOM": lambda text: text.encode("utf-16-le"),
    "UTF-16 BE without BOM": lambda text: text.encode("utf-16-be"),
    "hard wrap 60": _hard(60),
    "hard wrap 80": _hard(80),
    "hard wrap 100": _hard(100),
    "hard wrap 120 CRLF": _hard(120, "\r\n"),
    "word wrap 60": _words(60),
    "word wrap 80": _words(80),
    "word wrap 100": _words(100),
    "HTML entities": lambda text: html.escape(text).encode(),
    "HTML page": lambda text: f"<pre><code>{html.escape(text)}</code></pre>\n".encode(),
    "HTML breaks": lambda text: "<br>\n".join(html.escape(line) for line in _lines(text)).encode(),
    "smart quotes": _curly,
    "last 40 lines": _last(40),
    "last 80 lines": _last(80),
    "letters lost to ?": _lost_letters,
    "coloured": _coloured,
    "colours without ESC": lambda text: _coloured(text).replace(b"\x1b", b""),
    "CR stripped": lambda text: text.replace("\r\n", "\n").replace("\r", "").encode(),
    "CR as newline": lambda text: text.replace("\r\n", "\n").replace("\r", "\n").encode(),
    "doubled newlines": lambda text: text.replace("\r\n", "\n").replace("\n", "\n\n").encode(),
    "indented by four": _prefixed("    "),
    "indentation lost": _each(lambda line: line.lstrip(" ")),
    "quoted": _prefixed("> "),
    "fenced in an issue": lambda text: f"Hello, it fails:\n```\n{text}\n```\nthanks\n".encode(),
    "in a letter": _prose,
    "no-break spaces": lambda text: text.replace("  ", "\xa0 ").encode(),
    "journald": _prefixed("Nov 24 05:38:21 gpu-box dflwrap[4242]: "),
    "docker compose": _prefixed("extractor-1  | "),
    "docker JSON": _json(lambda line: {"log": line + "\n", "stream": "stderr", "time": "2024-01-01T00:00:00Z"}),
    "JSON, msg not first": _json(lambda line: {"time": 1700000000.5, "level": "info", "pid": 7, "msg": line}),
    "JSON, message last": _json(lambda line: {"@timestamp": "2024-01-01T00:00:00Z", "level": "E", "message": line}),
    "Kubernetes": _prefixed("2026-11-24T05:38:00.123456789Z stderr F "),
    "celery": _prefixed("[2026-11-24 05:38:00,123: WARNING/ForkPoolWorker-1] "),
    "python logging": _prefixed("2026-11-24 05:38:00,123 - extractor - ERROR - "),
    "clock": _prefixed("[05:38:00] "),
}  # fmt: skip
