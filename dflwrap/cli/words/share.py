# ruff: noqa: E501 - an expression is read more easily in one piece
"""Taking names, paths, hosts, addresses and secrets out of what is going to be shown to others."""

from __future__ import annotations

import re

_FOLDERS = r"(?:Users|home|Documents and Settings|users|Utilisateurs|Benutzer|Usuarios|Пользователи)"
_SECRET = (
    re.compile(r"(?P<head>://)[^/\s:@]{1,80}:[^/\s@]{1,200}@"),
    re.compile(
        r"(?P<head>(?i:\b(?:pass(?:word|wd)?|pwd|secret|token|api[_-]?key|access[_-]?key|auth(?:orization)?|credential|bearer|session|cookie)\b[\"']?\s{0,3}(?:[=:]|\s)\s{0,3}[\"']?(?:(?:bearer|basic|token)\s{1,3})?))[^\s\"',;&]{4,400}"
    ),
    re.compile(
        r"(?P<head>)\b(?:gh[pousr]_\w{20,255}|github_pat_\w{20,255}|hf_\w{20,80}|sk-[\w-]{20,200}|xox[abprs]-[\w-]{10,200}|AKIA[0-9A-Z]{16}|AIza[\w-]{30,60}|glpat-[\w-]{16,64}|npm_\w{30,60}|pypi-\w{30,300}|eyJ[\w-]{8,2000}\.[\w-]{8,2000}(?:\.[\w-]{4,2000})?)"
    ),
)
"""Passwords in addresses, values behind a telling name, and the tokens of well-known services."""
_NAMED = re.compile(
    r"(?P<head>\b(?:USER(?:NAME|PROFILE|DOMAIN)?|LOGNAME|COMPUTERNAME|HOST(?:NAME)?|SUDO_USER|LOGONSERVER|(?i:[Uu]ser ?name|[Cc]omputer ?name|[Hh]ost ?name))\s{0,3}[=:]\s{0,3})[^\r\n;,]{1,80}"
)
_QUOTED_PATH = re.compile(
    r"(?P<quote>[\"'])(?P<path>/[^\"'\r\n]{1,400}|[A-Za-z]:[\\/][^\"'\r\n]{1,400})(?P=quote)"
)
_HOME = re.compile(
    rf"[\\/]{{1,2}}{_FOLDERS}[\\/]{{1,2}}(?P<name>[^\\/\r\n\"'<>|:]{{1,80}})|[\\/](?:media|Volumes)[\\/](?P<drive>[^\\/\r\n\"'<>|:]{{2,80}})"
)
_COMMON = frozenset({
    "user", "users", "root", "admin", "administrator", "public", "default", "desktop", "home", "ubuntu", "runner",
    "jovyan", "colab", "app", "python", "test", "<user>", "all users", "appdata", "documents", "downloads", "error", "cuda",
})  # fmt: skip
"""Names of folders that name nobody; replacing them everywhere would spoil the text."""
SHORTEST = 3
"""Letters of a name from which it is looked for outside of paths."""
_RULES = (
    (re.compile(r"\bS-1-5-(?:\d{1,10}-){1,12}\d{1,10}\b"), "<sid>"),
    (re.compile(r"\b(?:DESKTOP|LAPTOP|WIN|PC|MSI)-[A-Z0-9]{6,15}\b"), "<host>"),
    (re.compile(r"\b(?:GPU-)?[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"), "<id>"),
    (
        re.compile(r"(?<![\w:.])(?:[0-9a-fA-F]{0,4}:){3,7}[0-9a-fA-F]{0,4}(?![\w:.])"),
        "<address>",
    ),
    (re.compile(r"\b(?:[0-9a-fA-F]{2}-){5}[0-9a-fA-F]{2}\b"), "<address>"),
    (
        re.compile(r"(?P<head>\b(?:https?|ftp|ssh|smb)://)[^/\s\"'<>]{1,200}(?=/)(?!github\.com|docs\.)"),
        r"\g<head><host>",
    ),
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
    for secret in _SECRET:
        text = secret.sub(r"\g<head><secret>", text)
    text = _NAMED.sub(r"\g<head><name>", text)
    text = _QUOTED_PATH.sub(_quoted, text)
    text = _WINDOWS.sub(_shorten, text)
    text = _POSIX.sub(_shorten, text)
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text


class Redactor:
    """`redact` with a memory: a name that a path gave away is taken out wherever else it stands.

    Call it on every text that is shown, and `finish` on the whole output, for a name may be known late.
    """

    def __init__(self) -> None:
        self._names: set[str] = set()

    def __call__(self, text: str) -> str:
        for found in _HOME.finditer(text):
            name = (found["name"] or found["drive"]).strip()
            for part in (name, *re.split(r"[ ._-]+", name)):
                if len(part) >= SHORTEST and part.lower() not in _COMMON and not part.isdigit():
                    self._names.add(part)
        return redact(text)

    def finish(self, text: str) -> str:
        """The whole output, without the names that became known on the way."""
        for name in sorted(self._names, key=len, reverse=True):
            text = re.sub(
                rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])", "<user>", text, flags=re.IGNORECASE
            )
        return text


def _quoted(found: re.Match[str]) -> str:
    """A path between quotes may hold blanks; all of it is the path."""
    path = found["path"]
    if path.startswith(_PLACES):
        return found.group()
    kept = _KEEP.search(path)
    if kept is not None:
        short = "<path>/" + re.sub(r"[\\/]+", "/", kept["tail"])
    else:
        suffix = re.search(r"\.\w{1,5}$", path)
        short = "<path>/<file>" + suffix.group() if suffix else "<path>"
    return f"{found['quote']}{short}{found['quote']}"


_PLACES = (
    "/dev/shm",  # noqa: S108 - a place, not a file
    "/proc/",
    "/job:",
    "/usr/lib/wsl",
)
"""Paths of the system that are evidence and name nobody."""


def _shorten(found: re.Match[str]) -> str:
    whole = found.group()
    if whole.startswith(_PLACES):
        return whole
    kept = _KEEP.search(whole)
    if kept is not None:
        return "<path>/" + re.sub(r"[\\/]+", "/", kept["tail"])
    suffix = re.search(r"\.\w{1,5}$", found["last"])
    return "<path>/<file>" + suffix.group() if suffix else "<path>"
