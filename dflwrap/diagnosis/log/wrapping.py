# ruff: noqa: E501 - an expression is read more easily in one piece
"""Joining lines that a window, a mail program or a web page had broken.

Two ways of breaking: at a fixed width wherever it falls (a console), or at the last blank before a width (an
editor). Either shows in the lengths of the lines, and only where it shows is anything joined.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise

from dflwrap.diagnosis.evidence import is_question
from dflwrap.diagnosis.lazy import lazy
from dflwrap.diagnosis.log.lines import BAR

RawLine = tuple[int, str]

NARROWEST, WIDEST = 40, 250
"""Characters between which a width is looked for."""
KNOWN_WIDTHS = (79, 80, 99, 100, 119, 120, 132)
"""Of consoles; one line of exactly this length is a sign."""
EDITORS = (60, 72, 80, 100, 120)
"""Of mail programs and editors, which break between words."""
NEAR = 10
"""Characters that a word that did not fit leaves free at the end of a line, most often."""
LONGEST = 4096
"""Characters up to which lines are joined."""
ENOUGH = 3
"""Lines that must show a width."""
OUTLIERS = 0.06
"""Share of lines that may be longer than the width: pasted from elsewhere, or glued to a bar."""
MOST = 0.7
"""Share of lines followed by a continuation that must have been too long for the next word."""
LOOKED_AT = 4000
"""Lines that decide."""

_START = lazy(
    r"^ {2,}\S|^\s*(?:Traceback |File \"|During handling|The above exception|Error while |Exception |Exception:|Failed |Unable |/!\\ ?|WARNING|ERROR|INFO"
    r"|Images found|Faces detected|Done\.|Running on|Using |Extracting |Performing |Caching |Choose |Press |\[|-{5,}|={5,}"
    r"|[EWIF]\d{4} |\d{4}[-/]\d\d[-/]\d\d|\d{1,3}%\||[EWIF] (?:tensorflow|external)/|(?:[A-Za-z_]\w{0,40}\.){0,8}[A-Z]\w{0,60}(?:Error|Exception|Interrupt)(?::|$)"
    r"|kernel: |[A-Z][a-z]{2} [ \d]\d \d\d:|Process |Killed|Segmentation|Aborted|terminate called|\$ |> |[A-Z]:\\[^>]{0,80}>)"
)
_INNER_START = lazy(
    r"^ {2,}\S|^(?:Traceback |(?:[A-Za-z_]\w{0,40}\.){0,8}[A-Z]\w{0,60}(?:Error|Exception)\b|File \"|\d{4}-\d\d-\d\d|\[|Images found|Done\.|Extracting faces|Running on)"
)


_HALF_BAR = lazy(r"\d{1,3}%\|[^\]]{0,300}$")
_SENTENCE = lazy(r"^(?:[A-Z][a-z]{2,20}|NVIDIA|GeForce|AMD|CPU\d{0,2}) ")
BAR_PIECES = 3
_OTHER_HALF = lazy(
    r"^[ #\d]{0,200}\|? ?(?:\d{1,9}/\d{1,9} )?\[?[\d:]{0,12}<?.{0,40}(?:it/s|s/it)|^[ #\d]{0,200}\| \d{1,9}/\d{1,9}|^\]"
)
_MIDDLE = lazy(r"""^(?:[^\W\dA-Z_]|[(/\\"'|=<&+*:,.{]\S|[A-Z0-9_]{2,}[^A-Z0-9 ]|\d)""")
"""How a line begins that continues with another one: a small letter, a quote, a path, a number."""


def unwrap(raw: list[RawLine]) -> list[RawLine]:
    """`raw` with broken lines joined; the same list where no width shows."""
    sample = [text for _, text in raw[:LOOKED_AT] if text.strip() and not _is_bar(text)]
    if len(sample) < 2:
        return _whole_bars(raw)
    width = hard_width(sample)
    words = word_width(sample)
    if width and words and _broken_early(sample, words) >= sum(len(text) == width for text in sample):
        width = 0  # lines broken between words are of this length by chance
    if width:
        return _whole_bars(
            _joined(raw, lambda text, following: len(text) == width and not _begins(following, width, sample))
        )
    raw = _whole_bars(raw)
    return _by_words(raw, words) if words else raw


def _broken_early(sample: Sequence[str], width: int) -> int:
    """Lines that were broken before the width, since the next word did not fit."""
    return sum(
        len(text) < width < len(text) + 1 + len(following.split(" ", 1)[0])
        for text, following in pairwise(sample)
        if _looks_continued(text, following)
    )


def hard_width(sample: Sequence[str]) -> int:
    """The width at which a console broke these lines, or 0."""
    lengths = [len(text) for text in sample]
    counts = Counter(lengths)
    for width in sorted(counts, reverse=True):
        if not NARROWEST <= width <= WIDEST:
            continue
        longer = sum(count for length, count in counts.items() if length > width)
        if longer > OUTLIERS * len(sample):
            return 0
        enough = 1 if width in KNOWN_WIDTHS and longer == 0 else ENOUGH
        if counts[width] < enough or (counts[width] == 1 and counts[width - 1]):
            continue
        near = counts[width - 1] + counts[width - 2] + counts[width + 1] + counts[width + 2]
        if counts[width] >= ENOUGH and counts[width] < 2 * near:
            continue
        full = [i for i, length in enumerate(lengths) if length == width and i + 1 < len(sample)]
        if len({sample[i] for i in full}) < min(len(full), 2):
            continue  # the same message again and again is no width
        continued = sum(not _INNER_START.match(sample[i + 1]) for i in full)
        if full and continued >= 0.5 * len(full):
            return width
    return 0


def word_width(sample: Sequence[str]) -> int:
    """The width at which a program broke these lines between words, or 0."""
    breakable = [len(text) for text in sample if " " in text.strip()]
    if not breakable:
        return 0
    width = max(breakable)
    if not NARROWEST <= width <= 132:
        return 0
    continued = [pair for pair in pairwise(sample) if _looks_continued(*pair)]
    if len(continued) < 2:
        return _known_word_width(continued, width)
    too_long = sum(len(text) + 1 + len(following.split(" ", 1)[0]) > width for text, following in continued)
    share = 1.0 if len(continued) < ENOUGH else MOST
    return width if too_long >= share * len(continued) else 0


def _known_word_width(continued: Sequence[tuple[str, str]], longest: int) -> int:
    """In a short log one broken line is sign enough where it ends just before a width that editors use."""
    for width in EDITORS:
        if width - NEAR < longest <= width:
            return longest if any(_broken_at(*pair, width) for pair in continued) else 0
    return 0


def _broken_at(text: str, following: str, width: int) -> bool:
    """Whether the first line ends near the width in the middle of a sentence, because the next word did not fit."""
    if text.rstrip().endswith((".", "!", "?", ":")):
        return False
    return width - NEAR < len(text) <= width < len(text) + 1 + len(following.split(" ", 1)[0])


def _continues(text: str, following: str) -> bool:
    return bool(following.strip()) and not _START.match(following)


def _looks_continued(text: str, following: str) -> bool:
    """Whether the second line hardly starts one of its own: it begins in the middle of a sentence or a path."""
    return _continues(text, following) and not is_question(text) and _MIDDLE.match(following) is not None


def _begins(following: str, width: int, sample: Sequence[str]) -> bool:
    """Whether the line after a full one is one of its own, where only one or two lines are full."""
    few = sum(len(one) == width for one in sample) < ENOUGH
    return few and (_START.match(following) is not None or _SENTENCE.match(following) is not None)


def _joined(raw: list[RawLine], goes_on: Callable[[str, str], bool]) -> list[RawLine]:
    result: list[RawLine] = []
    open_line = ""
    for number, text in raw:
        if open_line and text and len(result[-1][1]) < LONGEST and goes_on(open_line, text):
            result[-1] = (result[-1][0], result[-1][1] + text)
        else:
            result.append((number, text))
        open_line = text
    return result


def _by_words(raw: list[RawLine], width: int) -> list[RawLine]:
    result: list[RawLine] = []
    before = ""
    for number, text in raw:
        if (
            before
            and result
            and not _is_bar(before)
            and not _is_bar(text)
            and _continues(before, text)
            and len(before) + 1 + len(text.split(" ", 1)[0]) > width
            and len(result[-1][1]) < LONGEST
        ):
            result[-1] = (result[-1][0], f"{result[-1][1].rstrip()} {text.lstrip()}")
        else:
            result.append((number, text))
        before = text
    return result


def _whole_bars(raw: list[RawLine]) -> list[RawLine]:
    """Put the halves of a broken bar together; what is a bar only together was one."""
    if not any("%|" in text and _HALF_BAR.search(text) for _, text in raw):
        return raw
    result: list[RawLine] = []
    pieces = 0
    for number, text in raw:
        half = result and pieces < BAR_PIECES and _HALF_BAR.search(result[-1][1])
        if half and _OTHER_HALF.match(text):
            before = result[-1][1]
            together = next(
                (one for one in (before + text, f"{before.rstrip()} {text.lstrip()}") if BAR.search(one)),
                None,
            )
            if together is None and pieces + 1 < BAR_PIECES:
                together = f"{before} {text.lstrip()}" if before.endswith(",") else before + text
            if together is not None:
                result[-1] = (result[-1][0], together)
                pieces += 1
                continue
        result.append((number, text))
        pieces = 0
    return result


def _is_bar(text: str) -> bool:
    return "%|" in text and text.rstrip().endswith("]")
