"""What a regular expression needs to be both quick and safe: its required literals, and a lint.

The matcher only runs a signature's expression on a line that holds one of the signature's required
literals, found with the C-speed substring search of `str`. This module derives these literals from the
expression itself, so that they cannot drift apart, and refuses expressions whose time could explode.
"""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any

# The standard library's own parser is the only faithful reader of its syntax (these names since 3.11).
sre: Any = import_module("re._constants")
sre_parser: Any = import_module("re._parser")

MIN_LITERAL = 4
"""Bytes; shorter literals hit too many lines to be a gate."""
MAX_ALTERNATIVES = 24
BROAD_REPEAT = 400
"""A repeat of a broad class may span at most this many characters."""


class PatternError(ValueError):
    """The expression cannot be gated or is not safe on hostile text; the message says why."""


def required_literals(pattern: str) -> tuple[str, ...]:
    """Literals of which at least one stands in every text that `pattern` can match.

    Raises PatternError when the expression is invalid or has no such literal of MIN_LITERAL characters.
    """
    best = _best(_parse(pattern))
    if best is None or min(map(_weight, best)) < MIN_LITERAL:
        raise PatternError(f"no literal of at least {MIN_LITERAL} characters is required by {pattern!r}")
    return tuple(sorted(best))


def lint(pattern: str) -> str | None:
    """Why `pattern` is not safe on hostile text, or None.

    Refused: a repeat inside a repeat (exponential), unbounded repeats of a broad class (quadratic), and
    more than three broad repeats in one expression.
    """
    try:
        tree = _parse(pattern)
    except PatternError as error:
        return str(error)
    broad = 0
    for op, argument, inside in _walk(tree, False):
        if op not in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
            if op in (sre.GROUPREF, sre.GROUPREF_EXISTS):
                return "back-references are not linear"
            continue
        _low, high, body = argument
        if inside and high > 8:
            return "a repeat inside a repeat can take exponential time"
        if _is_broad(body):
            broad += 1
            if high > BROAD_REPEAT:
                return f"bound the repeat of a broad class, e.g. .{{0,{BROAD_REPEAT}}}"
    if broad > 3:
        return "more than three broad repeats"
    return None


def _weight(literal: str) -> int:
    """Bytes in UTF-8: two Chinese characters are as telling as six Latin letters."""
    return len(literal.encode("utf-8", "replace"))


def _parse(pattern: str) -> Any:
    try:
        return sre_parser.parse(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise PatternError(f"not a regular expression: {error}") from None


def _walk(tree: Any, inside: bool) -> Any:
    for op, argument in tree:
        yield op, argument, inside
        if op in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
            yield from _walk(argument[2], inside or argument[1] > 8)
        elif op is sre.SUBPATTERN:
            yield from _walk(argument[3], inside)
        elif op is sre.BRANCH:
            for branch in argument[1]:
                yield from _walk(branch, inside)
        elif op in (sre.ASSERT, sre.ASSERT_NOT):
            yield from _walk(argument[1], inside)
        elif op is sre.ATOMIC_GROUP:
            yield from _walk(argument, inside)


def _is_broad(body: Any) -> bool:
    for op, argument in body:
        if op is sre.ANY or op is sre.NOT_LITERAL:
            return True
        if op is sre.IN and any(kind is sre.NEGATE for kind, _ in argument):
            return True
        if op is sre.IN and any(
            kind is sre.CATEGORY and value in (sre.CATEGORY_NOT_SPACE, sre.CATEGORY_WORD)
            for kind, value in argument
        ):
            return len(argument) > 1
    return False


def _best(tree: Any) -> set[str] | None:
    """The strongest any-of set of one sequence: the one whose shortest member is longest."""
    candidates: list[set[str]] = []
    run = ""
    for op, argument in tree:
        if op is sre.LITERAL:
            run += chr(argument)
            continue
        if op is sre.SUBPATTERN and all(kind is sre.LITERAL for kind, _ in argument[3]):
            run += "".join(chr(value) for _, value in argument[3])
            continue
        if run:
            candidates.append({run})
        run = ""
        inner: set[str] | None = None
        if op is sre.SUBPATTERN:
            inner = _best(argument[3])
        elif op is sre.ATOMIC_GROUP:
            inner = _best(argument)
        elif op in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT) and argument[0] >= 1:
            inner = _best(argument[2])
        elif op is sre.BRANCH:
            inner = set()
            for branch in argument[1]:
                part = _best(branch)
                if part is None:
                    inner = None
                    break
                inner |= part
        if inner and len(inner) <= MAX_ALTERNATIVES:
            candidates.append(inner)
    if run:
        candidates.append({run})
    if not candidates:
        return None
    return max(
        candidates, key=lambda some: (min(min(map(_weight, some)), 24), -len(some), min(map(_weight, some)))
    )
