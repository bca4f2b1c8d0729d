"""From the bytes of a log, of any size, to the bounded list of lines that judging needs.

A log of a long extraction is progress bars by 97 parts in 100. They are dropped here, at the speed of
`bytes.split`, before anything is decoded; the first and the last bar and each bar next to other text stay,
because a lost worker's arithmetic needs them. What is left is kept whole up to HEAD_BUDGET; after that only
lines with a word that some rule looks for (and their neighbours) and the tail of the log are kept, so that
memory stays bounded whatever the log.
"""

from __future__ import annotations

import codecs
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from dflwrap.diagnosis.lazy import lazy
from dflwrap.diagnosis.log.encodings import SAMPLE, detect
from dflwrap.diagnosis.log.lines import Line, fenced, scrub, strip_prefix, to_lines
from dflwrap.diagnosis.log.wrapping import unwrap

CHUNK = 1 << 20
HEAD_BUDGET = 3 << 17
"""Bytes of text (bars not counted) that are kept whole."""
MIDDLE_BUDGET = 1 << 19
"""Bytes of lines kept for a word that a rule looks for, after the head."""
TAIL_BUDGET = 1 << 18
LAST_LINES = 200
"""Lines at the very end that are kept whatever they say."""
REPEATS = 3
"""After the head, a line that differs from earlier ones in its digits only is kept this often."""
BLANKS = 4
"""Lines above a text in which its bar is looked for; a doubled line end puts blank ones between."""
PREFIXED = 0.7
"""Share of lines with something put before them from which it was put before each line."""
SHAPES = 20_000
"""Different lines remembered for that."""
LONGEST = 1 << 16
"""Bytes of one line that are kept."""
_ENDS = (b"it/s]", b"s/it]")
_LOOSE_BAR = lazy(
    rb"^[^%]{0,120}?\d{1,3}%\|[^|]{0,300}\|[^\]]{0,80}\[[^\]]{0,60}(?:it/s|s/it)[^\]]{0,40}\]\s*$"
)
REFRESHED = 400
"""Bytes per line feed from which bars are refreshed in place (by carriage returns), not written as lines."""
_BAR_BYTES = b" #0123456789|%/[]<:,.?\r\nits"
"""What a progress bar is made of; a piece that holds nothing else is one, or many."""
_DIGITS = b"0123456789"
_WORDS = lazy(rb"rror|ailed|xception|response|atal|annot|ound|oad")

RawLine = tuple[int, bytes]
Hits = Callable[[Sequence[bytes]], list[bool]]


@dataclass(frozen=True)
class Reading:
    """What one source holds."""

    name: str
    encoding: str
    lines: tuple[Line, ...]
    unwrapped: tuple[Line, ...]
    """The same with console-wrapped lines joined; equal to `lines` where nothing was wrapped."""
    size: int
    newlines: int
    nul_tail: int
    """NUL bytes at the very end: a file system that lost power leaves them."""
    dropped: bool
    """True if lines outside head, tail and hits were left out."""
    ends_open: bool
    """True if the last line has no line end."""


def read_source(name: str, chunks: Iterable[bytes], hits: Hits | None = None) -> Reading:
    """Read one log. `hits` tells which lines of the middle are worth keeping (default: none is)."""
    stream = iter(chunks)
    head = b""
    for chunk in stream:
        head += chunk
        if len(head) >= SAMPLE:
            break
    encoding = detect(head)
    rest = _chain(head, stream)
    if encoding not in ("utf-8", "utf-8-sig") and encoding.startswith("utf-"):
        rest = _to_utf8(rest, encoding)
        text_codec = "utf-8"
    else:
        text_codec = "utf-8" if encoding == "utf-8-sig" else encoding
    keeper = _Keeper(hits)
    state = _split(rest, keeper)
    raw: list[tuple[int, str]] = []
    for number, data in keeper.result():
        data = data.replace(b"\0", b"") if b"\0" in data else data
        raw.append((number, _decode(data, text_codec)))
    if raw and raw[0][1].startswith("\ufeff"):
        raw[0] = (raw[0][0], raw[0][1][1:])
    scrubbed = [(number, scrub(text)) for number, text in raw]
    cleaned = fenced([(number, strip_prefix(text)) for number, text in scrubbed])
    lines = tuple(to_lines(name, cleaned))
    joined = _unwrapped(scrubbed, cleaned)
    unwrapped = lines if joined is cleaned else tuple(to_lines(name, joined))
    return Reading(
        name,
        encoding,
        lines,
        unwrapped,
        state.size,
        state.newlines,
        state.nul_tail,
        keeper.dropped,
        state.open_end,
    )


def _unwrapped(scrubbed: list[tuple[int, str]], cleaned: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """A window breaks lines with what a logger put before them; a container puts it before broken lines.

    `cleaned` itself where nothing was broken.
    """
    prefixed = sum(text != strip_prefix(text) for _, text in scrubbed)
    if prefixed < PREFIXED * len(scrubbed):
        joined = unwrap(scrubbed)
        if joined is not scrubbed:
            return fenced([(number, strip_prefix(text)) for number, text in joined])
    return unwrap(cleaned)


def _decode(data: bytes, codec: str) -> str:
    try:
        return data.decode(codec)
    except UnicodeDecodeError:
        if codec == "utf-8":
            return data.decode(detect(data) if len(data) < LONGEST else "cp1252", "replace")
        return data.decode(codec, "replace")


def _chain(head: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    for start in range(0, len(head), CHUNK):
        yield head[start : start + CHUNK]
    for chunk in rest:
        for start in range(0, len(chunk), 4 * CHUNK):
            yield chunk[start : start + 4 * CHUNK]


def _to_utf8(chunks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    for chunk in chunks:
        yield decoder.decode(chunk).encode("utf-8", "replace")
    yield decoder.decode(b"", True).encode("utf-8", "replace")


@dataclass
class _State:
    size: int = 0
    newlines: int = 0
    nul_tail: int = 0
    open_end: bool = False


def _split(chunks: Iterator[bytes], keeper: _Keeper) -> _State:
    state = _State()
    carry = b""
    for chunk in chunks:
        if not chunk:
            continue
        state.size += len(chunk)
        state.nul_tail = _nul_tail(chunk) + (state.nul_tail if not chunk.strip(b"\0") else 0)
        lines = chunk.split(b"\n")
        if carry:
            lines[0] = carry + lines[0]
        carry = lines.pop()
        _block(lines, len(chunk), state, keeper)
        if len(carry) > LONGEST:
            cut = carry.rfind(b"\r")
            if cut > 0:
                _block([carry[:cut]], cut, state, keeper)
                state.newlines -= 1
                carry = carry[cut + 1 :]
            carry = carry[:LONGEST]
    state.open_end = bool(carry.strip(b"\0 "))
    if state.open_end:
        _block([carry], len(carry), state, keeper)
        state.newlines -= 1
    return state


def _nul_tail(chunk: bytes) -> int:
    """Length of the run of NUL bytes that ends `chunk`, whatever short line end a container put after it."""
    body = chunk.rstrip(b" \r\n\t`\"'>")
    if not body:
        return 0
    return len(body) - len(body.rstrip(b"\0"))


def _block(lines: list[bytes], size: int, state: _State, keeper: _Keeper) -> None:
    """Hand to `keeper` what is more than progress bars; each of `lines` ended with a line feed."""
    first = state.newlines + 1
    state.newlines += len(lines)
    if size <= 2 * len(lines) and not any(map(bytes.strip, lines)):
        return  # nothing but line ends
    if size < len(lines) * REFRESHED:
        numbered = [(first + i, line) for i, line in enumerate(lines) if not _is_bar(line)]
        if len(numbered) > len(lines) // 2:
            numbered = [item for item in numbered if not _is_loose_bar(item[1])]
    else:
        numbered = [(first + i, line) for i, line in enumerate(lines) if line.translate(None, _BAR_BYTES)]
        numbered += [
            (first + i, line)
            for i, line in enumerate(lines)
            if (0 < len(line) < 80 and b"%|" not in line) or (b"%|" in line and not _ends_whole(line))
        ]
        numbered = sorted(set(numbered)) if len(numbered) > 1 else numbered
    keeper.look_ahead(numbered)
    for number, line in numbered:
        if not line or (b"%|" in line and _ends_whole(line) and not line.translate(None, _BAR_BYTES)):
            continue
        if b"\r" not in line[:-1]:
            keeper.add(number, line, lines, number - first)
            continue
        parts = line.split(b"\r")
        for index, part in enumerate(parts):
            if part and not _is_bar(part) and not _is_loose_bar(part):
                keeper.add(number, part, parts, index)
    keeper.last_bar(first, lines)


def _ends_whole(line: bytes) -> bool:
    """Whether the bar at a line's end is whole; a narrow window breaks it."""
    return line.rstrip().endswith(_ENDS)


def _is_bar(part: bytes) -> bool:
    return part[3:5] == b"%|" and part.rstrip().endswith(_ENDS)


def _is_loose_bar(part: bytes) -> bool:
    """A bar behind a logger's prefix."""
    return (
        b"%|" in part[:200]
        and len(part) < 500
        and part.rstrip().endswith(_ENDS)
        and _LOOSE_BAR.match(part) is not None
        and not _WORDS.search(part)
    )


def _last_bar(line: bytes) -> bytes:
    """The last bar of a line that ends with one, or nothing; refreshed bars may stand in one line."""
    if b"%|" not in line:
        return b""
    bar = line.rstrip()
    if not bar.endswith(_ENDS):
        return b""
    bar = bar[bar.rfind(b"\r") + 1 :]
    return bar if len(bar) < 600 else bar[max(bar.rfind(b"%|") - 3, 0) :]


def _shape(line: bytes) -> bytes:
    return line[:400].translate(None, _DIGITS)


class _Keeper:
    """Holds head, hits of the middle, and tail, each within its budget."""

    def __init__(self, hits: Hits | None) -> None:
        self._hits = hits
        self._judged: dict[bytes, bool] = {}
        """The lines of the block at hand, judged all at once."""
        self._head: list[RawLine] = []
        self._head_left = HEAD_BUDGET
        self._middle: list[RawLine] = []
        self._middle_left = MIDDLE_BUDGET
        self._tail: deque[RawLine] = deque()
        self._tail_size = 0
        self._last: deque[RawLine] = deque(maxlen=LAST_LINES)
        self._follow = 0
        self._seen: dict[bytes, int] = {}
        self._end_bar: RawLine | None = None
        self.dropped = False

    def look_ahead(self, numbered: list[RawLine]) -> None:
        """Judge the lines of a block that are going to be asked about."""
        self._judged = {}
        if self._hits is None or self._middle_left <= 0:
            return
        if sum(len(line) for _, line in numbered) <= self._head_left:
            return
        lines = [
            part
            for _, line in numbered
            for part in ((line,) if b"\r" not in line[:-1] else line.split(b"\r"))
            if part
        ]
        asked = [line for line in dict.fromkeys(lines) if self._seen.get(_shape(line), 0) < REPEATS]
        self._judged = dict(zip(asked, self._hits(asked), strict=True))

    def add(self, number: int, data: bytes, around: list[bytes], index: int) -> None:
        """Keep a line; the bar right before it in `around` comes along."""
        if self._head_left > 0:
            self._before(self._head, number, around, index)
            self._head.append((number, data[:LONGEST]))
            self._head_left -= len(data) + 64
            return
        line = (number, data[:LONGEST])
        self._last.append(line)
        shape = _shape(data)
        seen = self._seen.get(shape, 0)
        if seen >= REPEATS:
            self.dropped = True
            return
        if seen or len(self._seen) < SHAPES:
            self._seen[shape] = seen + 1
        if self._middle_left > 0 and self._hits is not None:
            hit = self._judged.get(data)
            if hit is None:
                hit = self._hits([data])[0]
            if hit or self._follow:
                self._follow = 3 if hit else self._follow - 1
                size = len(self._middle)
                if hit:
                    self._before(self._middle, number, around, index)
                self._middle.append(line)
                self._middle_left -= sum(len(item[1]) + 64 for item in self._middle[size:])
                return
        self._tail.append(line)
        self._tail_size += len(line[1]) + 64
        while self._tail_size > TAIL_BUDGET:
            self._tail_size -= len(self._tail.popleft()[1]) + 64
            self.dropped = True

    @staticmethod
    def _before(where: list[RawLine], number: int, around: list[bytes], index: int) -> None:
        """The bar before a line: in the same line at `index` - 1, or at the end of the line before."""
        above = index - 1
        while above > 0 and index - above < BLANKS and not around[above].strip():
            above -= 1
        bar = _last_bar(around[above]) if above >= 0 else b""
        if bar:
            where.append((number, bar))

    def last_bar(self, first: int, lines: list[bytes]) -> None:
        """Remember the last bar of a block; the very last one is written out at the end."""
        for offset in range(len(lines) - 1, max(len(lines) - 4 * BLANKS, -1), -1):
            bar = _last_bar(lines[offset])
            if bar:
                self._end_bar = (first + offset, bar)
                return

    def result(self) -> list[RawLine]:
        """All lines kept, in the order of the log."""
        kept = [*self._head, *self._middle]
        after = self._head[-1][0] if self._head else 0
        known = set(kept)
        kept += [line for line in dict.fromkeys([*self._tail, *self._last]) if line not in known]
        if self._middle or self._tail:
            kept.sort(key=lambda line: line[0])
        bar = self._end_bar
        if bar is not None and bar not in known and (not kept or bar[0] >= min(after, kept[-1][0])):
            index = len(kept)
            while index and kept[index - 1][0] > bar[0]:
                index -= 1
            kept.insert(index, bar)
        return kept
