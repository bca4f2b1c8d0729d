"""Taking user names, paths, host names and addresses out of what is going to be shown to others."""

from __future__ import annotations

import re

_FOLDERS = r"(?:Users|home|Documents and Settings|users|Utilisateurs|Benutzer|Usuarios|Пользователи)"
_RULES = (
    (
        re.compile(rf"(?P<head>[\\/]{{1,2}}{_FOLDERS}[\\/]{{1,2}})[^\\/\r\n\"'<>|:]{{1,80}}"),
        r"\g<head><user>",
    ),
    (re.compile(r"\\\\[\w.$-]{1,80}\\[\w.$ -]{1,80}"), r"\\\\<host>\\<share>"),
    (re.compile(r"\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}\b"), "<mail>"),
    (re.compile(r"\b[a-z_][\w-]{0,31}@[\w.-]{1,63}(?=[:$#~ ])"), "<user>@<host>"),
    (re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])"), "<address>"),
    (re.compile(r"\b(?:[0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}\b"), "<address>"),
    (
        re.compile(r"^((?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ \d]\d [\d:]{8}) [\w.-]+ "),
        r"\1 <host> ",
    ),
)
_WINDOWS = re.compile(
    r"\b[A-Za-z]:[\\/]{1,2}(?:[^\\/:*?\"<>|\r\n]{1,160}[\\/]{1,2}){0,40}(?P<last>[^\\/:*?\"<>|\r\n' ,)\]]{0,160})"
)
_POSIX = re.compile(r"(?<![\w.<:/])/(?:[^/\s\"':<>|]{1,160}/){1,40}(?P<last>[^/\s\"':,)\]<>|]{0,160})")
_KEEP = re.compile(
    r"(?P<tail>(?:[\w.-]*DeepFaceLab[\w.-]*[\\/]+|_internal[\\/]+|python[\w.-]*[\\/]+|site-packages[\\/]+|dist-packages[\\/]+"
    r"|tensorflow[\w.-]*[\\/]+|lib[\\/]+python).*)"
)


def redact(text: str) -> str:
    """`text` without names and places of the machine; the inner part of program paths stays, it is evidence."""
    text = _WINDOWS.sub(_shorten, text)
    text = _POSIX.sub(_shorten, text)
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text


def _shorten(found: re.Match[str]) -> str:
    whole = found.group()
    if whole.startswith(
        (
            "/dev/shm",  # noqa: S108 - a place, not a file
            "/proc/",
            "/job:",
            "/usr/lib/wsl",
        )
    ):
        return whole
    kept = _KEEP.search(whole)
    if kept is not None:
        return "<path>/" + re.sub(r"[\\/]+", "/", kept["tail"])
    suffix = re.search(r"\.\w{1,5}$", found["last"])
    return "<path>/<file>" + suffix.group() if suffix else "<path>"
