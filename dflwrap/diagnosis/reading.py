"""From the bytes of a log, of any size, to the bounded list of lines that judging needs.

A log of a long extraction is progress bars by 97 parts in 100. They are dropped here, at the speed of
`bytes.split`, before anything is decoded; the first and the last bar and each bar next to other text stay,
because a lost worker's arithmetic needs them. What is left is kept whole up to HEAD_BUDGET; after that only
lines with a word that some rule looks for (and their neighbours) and the tail of the log are kept, so that
memory stays bounded whatever the log.
"""

from __future__ import annotations

import codecs
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from dflwrap.diagnosis.encodings import SAMPLE, detect
from dflwrap.diagnosis.lines import Line, clean, fenced, to_lines, unwrap

CHUNK = 1 << 20
HEAD_BUDGET = 3 << 20
"""Bytes of text (bars not counted) that are kept whole."""
MIDDLE_BUDGET = 3 << 20
"""Bytes of lines kept for a word that a rule looks for, after the head."""
TAIL_BUDGET = 1 << 20
LONGEST = 1 << 16
"""Bytes of one line that are kept."""
_ENDS = (b"it/s]", b"s/it]")
_LOOSE_BAR = re.compile(
    rb"^[^%]{0,120}?\d{1,3}%\|[^|]{0,300}\|[^\]]{0,80}\[[^\]]{0,60}(?:it/s|s/it)[^\]]{0,40}\]\s*$"
)
_WORDS = re.compile(rb"rror|ailed|xception|response|atal|annot|ound|oad")

RawLine = tuple[int, bytes]


@dataclass(frozen=True, slots=True)
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


def read_source(name: str, chunks: Iterable[bytes], is_hit: Callable[[bytes], bool] | None = None) -> Reading:
    """Read one log. `is_hit` tells whether a line of the middle is worth keeping (default: no line is)."""
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
    keeper = _Keeper(is_hit)
    state = _split(rest, keeper)
    raw: list[tuple[int, str]] = []
    for number, data in keeper.result():
        data = data.replace(b"\0", b"") if b"\0" in data else data
        raw.append((number, _decode(data, text_codec)))
    if raw and raw[0][1].startswith("\ufeff"):
        raw[0] = (raw[0][0], raw[0][1][1:])
    cleaned = fenced([(number, clean(text)) for number, text in raw])
    lines = tuple(to_lines(name, cleaned))
    joined = unwrap(cleaned)
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


@dataclass(slots=True)
class _State:
    size: int = 0
    newlines: int = 0
    nul_tail: int = 0
    open_end: bool = False


def _split(chunks: Iterator[bytes], keeper: _Keeper) -> _State:
    state = _State()
    carry: list[bytes] = []
    carried = 0
    for chunk in chunks:
        if not chunk:
            continue
        state.size += len(chunk)
        state.nul_tail = _nul_tail(chunk) + (state.nul_tail if not chunk.strip(b"\0") else 0)
        cut = max(chunk.rfind(b"\n"), chunk.rfind(b"\r", 0, len(chunk) - 1))
        if cut < 0:
            if carried < LONGEST:
                carry.append(chunk[:LONGEST])
                carried += len(carry[-1])
            continue
        block = b"".join([*carry, chunk[: cut + 1]])
        carry = [chunk[cut + 1 :][:LONGEST]]
        carried = len(carry[0])
        _block(block, state, keeper)
    last = b"".join(carry)
    state.open_end = bool(last.strip(b"\0 "))
    if state.open_end:
        _block(last, state, keeper)
    keeper.close()
    return state


def _nul_tail(chunk: bytes) -> int:
    """Length of the run of NUL bytes that ends `chunk`, whatever short line end a container put after it."""
    body = chunk.rstrip(b" \r\n\t`\"'>")
    if not body:
        return 0
    return len(body) - len(body.rstrip(b"\0"))


def _block(block: bytes, state: _State, keeper: _Keeper) -> None:
    first = state.newlines + 1
    feeds = block.count(b"\n")
    if block.count(b"\r") > feeds:
        # Refreshed bars: cut at carriage returns, count the (few) line feeds inside the pieces.
        parts = block.replace(b"\r\n", b"\n").split(b"\r")
        number = first
        hits = _interesting(parts)
        at = 0
        for index in hits:
            if index - 1 > at:
                number += sum(part.count(b"\n") for part in parts[at:index]) if feeds else 0
                at = index
            elif index > at:
                number += parts[at].count(b"\n")
                at = index
            if index:
                keeper.bar(number, parts[index - 1])
            pieces = parts[index].split(b"\n")
            for offset, piece in enumerate(pieces):
                if piece:
                    keeper.add(number + offset, piece)
        keeper.bar(state.newlines + feeds, parts[-1] if parts[-1].strip() else parts[-2])
    else:
        parts = block.split(b"\n")
        previous = -1
        for index in _interesting(parts):
            if index and index - 1 != previous:
                keeper.bar(first + index - 1, parts[index - 1])
            piece = parts[index]
            previous = index
            if piece:
                for part in piece.rstrip(b"\r").split(b"\r") if b"\r" in piece else (piece,):
                    keeper.add(first + index, part)
        last = len(parts) - 1 if parts[-1] or len(parts) == 1 else len(parts) - 2
        keeper.bar(first + last, parts[last])
    state.newlines += feeds


def _interesting(parts: list[bytes]) -> list[int]:
    """Indices of the pieces that are more than one plain progress bar."""
    kept = [i for i, part in enumerate(parts) if part[3:5] != b"%|" or not part.rstrip().endswith(_ENDS)]
    if len(kept) < 512:
        return kept
    return [
        i
        for i in kept
        if not (b"%|" in (part := parts[i])[:200] and part.rstrip().endswith(_ENDS) and _is_loose_bar(part))
    ]


def _is_loose_bar(part: bytes) -> bool:
    return len(part) < 500 and _LOOSE_BAR.match(part) is not None and not _WORDS.search(part)


class _Keeper:
    """Holds head, hits of the middle, and tail, each within its budget."""

    def __init__(self, is_hit: Callable[[bytes], bool] | None) -> None:
        self._is_hit = is_hit
        self._head: list[RawLine] = []
        self._head_left = HEAD_BUDGET
        self._middle: list[RawLine] = []
        self._middle_left = MIDDLE_BUDGET
        self._tail: deque[RawLine] = deque()
        self._tail_size = 0
        self._follow = 0
        self._bar: RawLine | None = None
        self.dropped = False
        self._block: list[RawLine] = []

    def bar(self, number: int, data: bytes) -> None:
        """Remember the latest bar; it is written out before the next other line, and at the end."""
        if b"%|" in data and len(data) < 600 and b"\n" not in data:
            self._bar = (number, data)

    def add(self, number: int, data: bytes) -> None:
        if self._bar is not None:
            bar, self._bar = self._bar, None
            self._put(bar)
        self._put((number, data[:LONGEST]))

    def close(self) -> None:
        if self._bar is not None:
            self._put(self._bar)

    def _put(self, line: RawLine) -> None:
        size = len(line[1]) + 64
        if self._head_left > 0:
            self._head.append(line)
            self._head_left -= size
            return
        self._tail.append(line)
        self._tail_size += size
        while self._tail_size > TAIL_BUDGET:
            old = self._tail.popleft()
            self._tail_size -= len(old[1]) + 64
            self._age(old)

    def _age(self, line: RawLine) -> None:
        hit = self._middle_left > 0 and self._is_hit is not None and self._is_hit(line[1])
        if hit:
            self._follow = 3
        if self._middle_left > 0 and self._follow:
            self._follow -= not hit
            self._middle.append(line)
            self._middle_left -= len(line[1]) + 64
        else:
            self.dropped = True

    def result(self) -> list[RawLine]:
        return [*self._head, *self._middle, *self._tail]
