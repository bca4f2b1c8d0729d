"""The tracebacks of a run: what was raised, where, and which of them no rule explains."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from dflwrap.diagnosis.lazy import lazy
from dflwrap.diagnosis.log.lines import Line

EXCEPTION = lazy(
    r"^(?P<name>(?:[A-Za-z_]\w{0,40}\.){1,8}[A-Z]\w{0,60}|[A-Z]\w{0,60}(?:Error|Exception|Interrupt|Exit|Iteration|Warning)"
    r"|(?:\w{1,40}\.)?error|Exception)(?:: ?(?P<message>.{0,400})|$)"
)
"""The line that ends a traceback: the exception's name, and what it says."""
HEAD = "Traceback (most recent call last)"
FRAME = lazy(
    r"^File [\"'“](?P<file>[^\"'”]{1,400})[\"'”], line (?P<line>\d{1,7})(?:, in (?P<function>.{0,120}))?"
)
_WRAPPERS = ("Unable to start", "cannot save")
"""Messages that only pass on that something else failed."""
_IGNORED = "Exception ignored in"
_PACKAGE = lazy(r"(?:site|dist)-packages[\\/](?P<name>[\w-]{1,60})")
_OWN = lazy(
    r"[\\/](?:mainscripts|facelib|core|models|samplelib|merger|XSegEditor|localization|DFLIMG|joblib|nnlib|utils)[\\/]|main\.py$"
)
_STANDARD = lazy(r"[\\/]lib(?:64)?[\\/](?:python\d[\d.]*[\\/])?[\w./\\]{1,80}\.py$|^<frozen ")
REACH = 400
"""Lines a traceback may span."""


@dataclass(frozen=True, slots=True)
class Raised:
    """One exception that a run shows. `index` is that of the line that names it."""

    index: int
    name: str
    message: str
    file: str = ""
    """Of the innermost frame; empty where no frame stands before it."""
    line: int = 0
    function: str = ""

    @property
    def module(self) -> str:
        """The package that raised it, in words: a package's name, "DeepFaceLab", "Python itself", or ""."""
        package = _PACKAGE.search(self.file)
        if package:
            return str(package["name"])
        if "." in self.name and not self.name.startswith(("core.", "facelib.", "mainscripts.")):
            return self.name.split(".", 1)[0]  # raised on behalf of the package whose exception it is
        if not self.file:
            return ""
        if _STANDARD.search(self.file):
            return "Python itself"
        return "DeepFaceLab" if _OWN.search(self.file) else ""


def unexplained(lines: Sequence[Line], covered: set[int]) -> list[Raised]:
    """The exceptions that end a traceback and that no rule knows, in order; `covered` are lines with a hit.

    Of a chain, those after a known one are its consequences; of exceptions raised while another was handled,
    the first is the cause.
    """
    unknown: list[Raised] = []
    in_trace = ignored = chain_explained = chain_told = chained = False
    frame: re.Match[str] | None = None
    started = 0
    for index, line in enumerate(lines):
        text = line.text
        if HEAD in text:
            in_trace, frame, started = True, None, index
            ignored = index > 0 and _IGNORED in lines[index - 1].text
            if not chained:
                chain_explained = chain_told = False
            continue
        found = FRAME.match(text)
        if found is not None:
            if not in_trace:  # its head was cut off
                in_trace, ignored, started = True, False, index
                chain_explained = chain_told = False
            frame = found
            continue
        if not in_trace or index - started > REACH:
            continue
        told = EXCEPTION.match(text)
        if told is None:
            continue
        in_trace = False
        chained = _is_chained(lines, index)
        if _is_covered(index, told, covered) or any(word in text for word in _WRAPPERS):
            chain_explained = True
        elif not ignored and not chain_told and (not chain_explained or told["name"] == "KeyboardInterrupt"):
            unknown.append(_raised(index, told, frame))
            chain_told = True
        elif not chain_explained and chain_told:
            continue
    return unknown


_FATAL = lazy(
    r"(?:\bF |^F\d{4} .{0,60})(?P<file>[\w./\\-]{1,120}\.(?:cc|cpp|cu|h)):(?P<line>\d{1,6})\] (?P<message>.{1,300})"
)
_THROWN = lazy(r"^terminate called after throwing an instance of '(?P<name>[^']{1,120})'")
_WHAT = lazy(r"^what\(\): +(?P<message>.{1,300})")


def unexplained_native(lines: Sequence[Line], covered: set[int]) -> list[Raised]:
    """The last words of native code that no rule knows: a fatal line of TensorFlow, an exception of C++."""
    unknown: list[Raised] = []
    for index, line in enumerate(lines):
        if index in covered:
            continue
        fatal = _FATAL.search(line.text)
        if fatal is not None:
            unknown.append(
                Raised(index, "fatal error", fatal["message"].strip(), fatal["file"], int(fatal["line"]))
            )
            continue
        thrown = _THROWN.match(line.text)
        if thrown is None:
            continue
        after = next((what for one in lines[index + 1 : index + 4] if (what := _WHAT.match(one.text))), None)
        if after is not None and not covered & set(range(index + 1, index + 4)):
            unknown.append(Raised(index, thrown["name"], after["message"].strip()))
    return unknown


def bare(lines: Sequence[Line], covered: set[int]) -> list[Raised]:
    """The last exception of a run without a single traceback: somebody copied only its last line."""
    for index in range(len(lines) - 1, -1, -1):
        told = EXCEPTION.match(lines[index].text)
        if told is not None and told["name"].endswith(("Error", "Exception")) and told["message"]:
            return [] if index in covered else [_raised(index, told, None)]
    return []


def _raised(index: int, told: re.Match[str], frame: re.Match[str] | None) -> Raised:
    message = (told["message"] or "").strip()
    if frame is None:
        return Raised(index, told["name"], message)
    return Raised(
        index, told["name"], message, frame["file"], int(frame["line"]), (frame["function"] or "").strip()
    )


def _is_covered(index: int, told: re.Match[str], covered: set[int]) -> bool:
    """Whether a rule knows the exception; one that only says "Graph execution error:" continues below."""
    if index in covered:
        return True
    message = (told["message"] or "").rstrip()
    return (not message or message.endswith(":")) and any(
        below in covered for below in range(index + 1, index + 5)
    )


def _is_chained(lines: Sequence[Line], index: int) -> bool:
    """Whether another traceback follows that was raised on top of this one; its message may have several lines."""
    return any(
        "above exception" in line.text and line.text.startswith(("During handling", "The above exception"))
        for line in lines[index + 1 : index + 8]
    )


def cut_short(lines: Sequence[Line]) -> int | None:
    """The index of a traceback's head that no exception line follows."""
    for index in range(len(lines) - 1, -1, -1):
        text = lines[index].text
        if EXCEPTION.match(text):
            return None
        if HEAD in text:
            return index
    return None
