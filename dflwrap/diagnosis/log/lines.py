"""From raw console lines to the lines that rules see: clean, unglued, unwrapped, numbered."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dflwrap.diagnosis.lazy import lazy

MAX_LINE = 4096
"""Characters; longer lines are cut into pieces of this length, so every expression works on a bounded text."""


@dataclass(frozen=True, slots=True)
class Line:
    """One logical line of a log."""

    source: str
    number: int
    """Counts from 1, as an editor counts line feeds."""
    text: str
    indent: int = 0
    """Leading blanks after the prefix; tracebacks are told by it."""


BAR = lazy(
    r"(?P<percent>\d{1,3})%\|[^|\r\n]{0,300}\| {0,20}(?P<done>\d{1,9})/(?P<total>\d{1,9}) "
    r"\[(?P<elapsed>[\d:]+)<(?P<left>[\d:?]+), +(?P<rate>[\d.]+|\?) ?(?P<unit>it/s|s/it)[^\]\r\n]{0,80}\]"
)
_LABEL = lazy(r"^ *[A-Z][\w .,/'()-]{1,60}:$")
"""What other steps put before their bars ("Loading samples:"); an extraction's bar has no name."""
_ANSI = lazy(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]{0,300}(?:\x07|\x1b\\)|[@-Z\\-_])")
_BARE_ANSI = lazy(r"(?:\^\[|\\u001b|\\x1b|\\033|␛|#033)\[[0-9;]{0,12}[mKAJH]")
_CONTROL = lazy("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200b\ufeff]")
_TIME = r"\d{4}[-/.]\d\d[-/.]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9}+)?+(?:Z|[+-]\d\d:?\d\d)?"
_CLOCK = r"\d\d:\d\d:\d\d(?:[.,]\d{1,6})?"
_LEVEL = r"(?:DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR|CRITICAL|FATAL|TRACE|STDOUT|STDERR|stdout|stderr|info|error|warning)"
_PREFIXES = tuple(
    (kind, lazy(text))
    for kind, text in (
        ("quote", r"(?:> ?)+"),
        ("dated", rf"\[{_TIME}: [A-Z]+/[\w@.:-]+\] (?:[\w.-]+\[[\w-]+\]: )?"),
        ("dated", rf"{_TIME} (?:stdout|stderr) [FP] "),
        (
            "month",
            r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ \d]\d \d\d:\d\d:\d\d(?:\.\d{1,9})?"
            r" [\w.-]{1,80} [\w./@-]{1,80}(?:\[\d{1,9}\])?: ",
        ),
        ("dated", rf"{_TIME} [\w.-]{{1,80}} [\w./@-]{{1,80}}\[\d{{1,9}}\]: "),
        ("pipe", r"[\w.-]{1,60} {1,20}\| ?"),
        ("pipe", r"\d{1,5}\|[\w.-]{1,60} {1,20}\| "),
        ("dated", rf"\[?{_TIME}\]?(?!: [EWIF] )(?:,| -|:|\t)? ?"),
        ("clock", rf"\[?{_CLOCK}\]?(?: -|:|\t)? (?! )"),
        ("level", rf"\[{_LEVEL}\] ?|{_LEVEL}(?: +-|:| +\|)(?:[\w.]{{1,40}}:)? ?(?=\S)"),
        ("angle", r"<\d{1,3}>"),
        ("worker", r"\[[\w./-]{1,40}(?::|#)\d+\] "),
        ("kernel", r"\[ {0,8}\d+\.\d{6}\] (?=NVRM|Out of|oom|Memory|python|traps|pcieport|nvidia)"),
    )
)
"""What loggers, containers, quotes and the kernel put before a line, and the kind of start that each has."""
_KEEP = lazy(r"(?:WARNING !!!|INFO:plaidml|WARNING:tensorflow|\d+%\|)")
_LOGGER_NAME = lazy(r"(?:[\w.]{2,40} - )?" + _LEVEL + r"(?: -|:) (?=\S)|- " + _LEVEL + r" - ")
_FENCE = lazy(r"\s*(?:```|~~~)[\w+-]*\s*$")
_PREFIX_STARTS = frozenset("[<>0123456789")
_MONTHS = ("Jan ", "Feb ", "Mar ", "Apr ", "May ", "Jun ", "Jul ", "Aug ", "Sep ", "Oct ", "Nov ", "Dec ")
_LEVEL_STARTS = (
    "DEBUG", "INFO", "NOTICE", "WARN", "ERROR", "CRITICAL", "FATAL", "TRACE", "STD", "std", "info", "error", "warning",
)  # fmt: skip
_ENTITY = lazy(r"&(?:[a-zA-Z]{2,8}|#\d{1,6}|#x[0-9a-fA-F]{1,5});")
_TAG = lazy(
    r"</?(?:br|p|pre|code|div|span|li|tt|samp|blockquote|td|tr|strong|em|b|i)(?: [^<>]{0,200})?/?>", re.I
)
_PLAIN_QUOTES = str.maketrans(
    {"‘": "'", "’": "'", "‚": "'", "′": "'", "“": '"', "”": '"', "„": '"', "″": '"'}
)
"""What editors and web pages make of straight quotes; no program prints these around a name."""
_RESET = ("[0m", "[m", "[39m", "[K")
_COLOUR = lazy(r"\[(?:\d{1,3}(?:;\d{1,3}){0,4})?[mK]")
"""A colour whose escape character was lost on the way."""
_JSON_TEXTS = ("log", "message", "msg", "text", "line", "event", "content", "MESSAGE", "textPayload", "body")


def clean(text: str) -> str:
    """One raw line without colours, control characters and what a logger, container or quote put before."""
    return strip_prefix(scrub(text)).rstrip("\r\n")


def scrub(text: str) -> str:
    """One raw line without colours, control characters and what a web page or a JSON logger made of it."""
    if "\x1b" in text:
        text = _ANSI.sub("", text)
    if "[" in text and ("^[" in text or "\\" in text or "\u241b" in text or "#033" in text):
        text = _BARE_ANSI.sub("", text)
    if "[" in text and any(reset in text for reset in _RESET):
        text = _COLOUR.sub("", text)
    text = _CONTROL.sub("", text).replace("\xa0", " ").replace("\t", "    ")
    if text.startswith("{") and text.rstrip().endswith("}"):
        text = _from_json(text)
    if not text.isascii():
        text = text.translate(_PLAIN_QUOTES)
    if "<" in text and ">" in text:
        text = _TAG.sub("", text)
    if "&" in text and ";" in text and _ENTITY.search(text):
        import html

        text = html.unescape(text).replace("\xa0", " ")
    return text.rstrip("\r\n")


def _from_json(text: str) -> str:
    """What a line of JSON says: the value of the first usual name for it, wherever it stands."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if not isinstance(body, dict):
        return text
    for key in _JSON_TEXTS:
        if isinstance(body.get(key), str):
            return _CONTROL.sub("", str(body[key]).rstrip("\r\n").replace("\n", " "))
    return text


def _kinds(text: str) -> set[str]:
    """Which prefixes a line may have, by a quick look at its start; most lines have none."""
    kinds: set[str] = set()
    first = text[:1]
    body = text[1:] if first == "[" else text
    if first in _PREFIX_STARTS:
        if body[:4].isdigit():
            kinds.add("dated")
        if body[2:3] == ":" and body[:2].isdigit():
            kinds.add("clock")
        if first == "[" and "." in body[:14] and body.lstrip()[:1].isdigit():
            kinds.add("kernel")
        if first == "[" and body[:1].isalpha() and (":" in body[:60] or "#" in body[:60]):
            kinds.add("worker")
        if first == ">":
            kinds.add("quote")
        if first == "<":
            kinds.add("angle")
    if text[:4] in _MONTHS:
        kinds.add("month")
    if "| " in text[:80]:
        kinds.add("pipe")
    if body.startswith(_LEVEL_STARTS):
        kinds.add("level")
    return kinds


def strip_prefix(text: str) -> str:
    """Drop up to four stacked prefixes (quote, container, time, level)."""
    for _ in range(4):
        kinds = _kinds(text)
        if not kinds or _KEEP.match(text):
            return text
        for kind, prefix in _PREFIXES:
            found = prefix.match(text) if kind in kinds else None
            if found and found.end():
                rest = text[found.end() :]
                named = _LOGGER_NAME.match(rest)
                text = rest[named.end() :] if named else rest
                break
        else:
            return text
    return text


def fenced(raw: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Of a pasted issue text, what stands between code fences, if that is most of it; fences are dropped.

    What a user writes around a log is no evidence: it guesses.
    """
    inside: list[tuple[int, str]] = []
    outside: list[tuple[int, str]] = []
    fence_open, fences = False, 0
    for item in raw:
        if "`" not in item[1] and "~" not in item[1]:
            (inside if fence_open else outside).append(item)
        elif _FENCE.match(item[1]):
            fence_open, fences = not fence_open, fences + 1
        else:
            text = item[1].strip()
            bare = text.strip("`") if text.startswith("`") or text.endswith("`") else item[1]
            (inside if fence_open else outside).append((item[0], bare))
    if fences < 2:
        return sorted(inside + outside)
    weight = sum(len(text) for _, text in inside)
    return inside if weight > sum(len(text) for _, text in outside) else sorted(inside + outside)


def to_lines(source: str, cleaned: Iterable[tuple[int, str]]) -> Iterator[Line]:
    """The lines of one source; text glued to progress bars becomes lines of its own."""
    for number, text in cleaned:
        text = text.rstrip()
        if not text:
            continue
        if "%|" in text and ("it/s" in text or "s/it" in text):
            yield from _unglue(source, number, text)
            continue
        yield from _pieces(source, number, text)


def _unglue(source: str, number: int, text: str) -> Iterator[Line]:
    position = 0
    for found in BAR.finditer(text):
        before = text[position : found.start()].rstrip()
        if _LABEL.search(before):
            yield Line(source, number, f"{before.lstrip()} {found.group()}")
        else:
            if before.strip():
                yield from _pieces(source, number, before)
            yield Line(source, number, found.group())
        position = found.end()
    rest = text[position:].strip()
    if rest:
        yield from _pieces(source, number, rest)


def _pieces(source: str, number: int, text: str) -> Iterator[Line]:
    body = text.lstrip(" ")
    indent = len(text) - len(body)
    for start in range(0, max(len(body), 1), MAX_LINE):
        yield Line(source, number, body[start : start + MAX_LINE], indent)
